"""An upstream that answers each request with a text of its own, and fails a small share of the calls at random."""

import random
import re
from collections import Counter
from itertools import cycle

from proxy.testing.script import Step, Upstream, Waits
from proxy.testing.server import Received, ScriptedServer

FAULT_SHARE = 0.05
PIECES = 8
BETWEEN_PIECES_S = 0.005
RETRY_AFTER = {"Retry-After": "1"}


def prompt(number: int) -> str:
    """What a request asks, so that the upstream knows it again."""
    return f"Request {number}."


def pieces_of(number: int) -> list[str]:
    """The answer to a request: like no other's, and no piece like another, so that any mixture shows."""
    return [f"{number}:{index} " for index in range(PIECES)]


def text_of(number: int) -> str:
    """The whole answer to a request."""
    return "".join(pieces_of(number))


def answer(pieces: list[str]) -> Upstream:
    """These pieces, one after the other."""
    steps: list[Step] = []
    for piece in pieces:
        steps += [*Upstream.answers(piece).steps, Waits(BETWEEN_PIECES_S)]
    return Upstream(tuple(steps))


def faults(number: int) -> dict[str, Upstream]:
    """Everything that goes wrong, by name.  What one JSON body can't do is done by a stream, asked for or not."""
    whole, half = answer(pieces_of(number)), answer(pieces_of(number)[: PIECES // 2])
    return {
        "closed before the head": Upstream.speaks(b""),
        "reset before the head": Upstream.breaks(),
        "status 500": Upstream.fails(500),
        "status 429": Upstream.fails(429, headers=RETRY_AFTER),
        "stalled before the first delta": Upstream.opens().then_stalls().told_as("sse"),
        "stalled midway": half.then_stalls().told_as("sse"),
        "reset midway": half.then_breaks(),
        "ended midway": half.then_ends(),
        "malformed chunk": half.then_sends(b'data: {"choices": [\n\n').told_as("sse"),
        "no [DONE]": whole.without_done(),
    }


FAULTS = tuple(faults(0))


class FaultyUpstream(ScriptedServer):
    """The server.  When a call fails is up to the seed; how it fails goes in turn.  *dealt* counts the faults."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.calls = 0
        self.dealt = Counter[str]()
        self._random = random.Random(seed)
        self._next_fault = cycle(FAULTS)

    def came(self, received: Received) -> Upstream:
        """Count a call, of which nothing is kept, and give the script that answers it."""
        self.calls += 1
        asked = re.search(rb"Request (\d+)\.", received.body)
        assert asked, received.body
        number = int(asked[1])
        if self._random.random() >= FAULT_SHARE:
            return answer(pieces_of(number))
        fault = next(self._next_fault)
        self.dealt[fault] += 1
        return faults(number)[fault]
