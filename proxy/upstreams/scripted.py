"""scripted: an upstream inside the daemon that says what a script tells it to.

It is what a first start talks to, and what tests talk to.  Without a script it answers by itself: it repeats what was
said, and calls a declared tool once.
"""

import asyncio
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Self, assert_never

from multidict import MultiMapping

from proxy.config import ScriptedUpstream as Configured
from proxy.config import Settings
from proxy.config.script import Call, Cut, Fail, Finish, Pause, Refuse, Report, Say, Script, Stall, Think
from proxy.deadline import Clock
from proxy.errors import TurnstileError, UpstreamTimeout, UpstreamTruncated, error_classes
from proxy.ports import EventSink, Keeps, Node, Turn
from proxy.upstreams.improvised import improvise
from proxy.wire.events import (
    Finished,
    Opened,
    ReasoningDelta,
    RefusalDelta,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from proxy.wire.request import ChatRequest

Piece = float | Sequence[StreamEvent] | TurnstileError | Stall
"""What a script comes down to: a wait in seconds, events, a failure, or silence without end."""


class ScriptedUpstream:
    """An `Upstream` that plays one script per call, in turn; the last one repeats."""

    kind = "scripted"
    keeps: Keeps = "tree"

    def __init__(self, name: str, scripts: Sequence[Script], clock: Clock) -> None:
        self.name = name
        self._scripts = scripts
        self._clock = clock
        self._turns = count()

    @classmethod
    def configured(cls, entry: Configured, _settings: Settings, clock: Clock) -> Self:
        """The upstream that a configuration entry describes."""
        return cls(entry.name, entry.turns, clock)

    def scope(self, _request: ChatRequest, _caller_headers: MultiMapping[str]) -> str:
        """Caller and model say it all."""
        return ""

    async def open(self, turn: Turn) -> "ScriptedCall":
        """Begin the next script."""
        turn.on_connected()
        known = turn.plan.ids or {}
        number = int(known.get("turn") or 0) + 1
        if self._scripts:
            script = self._scripts[min(next(self._turns), len(self._scripts) - 1)]
        else:
            script = improvise(turn.request, number)
        return ScriptedCall(script, self._clock, turn.request_id, number)

    async def close(self) -> None:
        """Nothing is held."""


class ScriptedCall:
    """One script being played: each `receive` gives one piece.

    *number* counts the turns of its conversation, from 1.
    """

    finishing = False

    def __init__(self, script: Script, clock: Clock, request_id: str, number: int) -> None:
        self.request_id: str | None = f"scripted-{request_id}"
        self.complete = False
        self._clock = clock
        self._request_id = request_id
        self._number = number
        self._calls = 0
        self._finish: str | None = None
        self._usage: Usage | None = None
        self._pieces = self._play(script)

    @property
    def node(self) -> Node | None:
        """Where the next turn goes on, once all was said."""
        return {"turn": self._number} if self.complete else None

    async def receive(self) -> Sequence[StreamEvent]:
        """The next events; at the end of the script usage and finish."""
        for piece in self._pieces:
            if isinstance(piece, float):
                await self._clock.sleep(piece)
            elif isinstance(piece, TurnstileError):
                raise piece
            elif isinstance(piece, Stall):
                await asyncio.Event().wait()  # a clock of the request ends it
            else:
                return piece
        return self.settle()

    async def flow(self, sink: EventSink) -> None:
        """Give the events to *sink*, piece by piece; see the port."""
        while not self.complete and sink(await self.receive()):
            pass

    def settle(self) -> Sequence[StreamEvent]:
        """Usage, if the script reports one, and finish."""
        self.complete = True
        finish = Finished(self._finish or ("tool_calls" if self._calls else "stop"))
        return [self._usage, finish] if self._usage else [finish]

    def close(self) -> None:
        """Nothing is held but the place in the script."""

    def _play(self, script: Script) -> Iterator[Piece]:
        yield [Opened({"id": self.request_id or ""})]
        for step in script:
            match step:
                case Say():
                    yield from paced(([TextDelta(text)] for text in parts(step.say, step.chunk)), step.every_ms)
                case Think():
                    yield from paced(([ReasoningDelta(text)] for text in parts(step.think, step.chunk)), step.every_ms)
                case Refuse():
                    yield from paced(([RefusalDelta(text)] for text in parts(step.refuse, step.chunk)), step.every_ms)
                case Call():
                    yield from self._call(step)
                case Pause():
                    yield step.pause_ms / 1000
                case Fail():
                    yield failure(step)
                case Cut():
                    yield UpstreamTruncated()
                case Stall():
                    yield step
                case Finish():
                    self._finish = step.finish
                case Report():
                    counts = step.usage
                    total = counts.prompt_tokens + counts.completion_tokens
                    self._usage = Usage(counts.prompt_tokens, counts.completion_tokens, total)
                case _:
                    assert_never(step)

    def _call(self, step: Call) -> Iterator[Piece]:
        index, self._calls = self._calls, self._calls + 1
        call_id = f"call_{self._request_id[-20:]}_{index}"
        yield [ToolCallDelta(index, call_id, step.call, "")]
        yield from paced(
            ([ToolCallDelta(index, None, None, text)] for text in parts(step.arguments, step.chunk)), step.every_ms
        )


def parts(text: str, size: int) -> Iterator[str]:
    """*text* in pieces of *size* characters; 0 = in one piece."""
    size = size or max(len(text), 1)
    return (text[start : start + size] for start in range(0, len(text), size))


def paced(pieces: Iterator[Sequence[StreamEvent]], every_ms: float) -> Iterator[Piece]:
    """*pieces* with a wait before each but the first."""
    for number, piece in enumerate(pieces):
        if number and every_ms:
            yield every_ms / 1000
        yield piece


FAILURES: dict[str, type[TurnstileError]] = {}
for _error in error_classes():
    if _error.__module__.startswith("proxy.errors.upstream"):
        FAILURES.setdefault(_error.code, _error)  # the first class of a code is its plainest


def failure(step: Fail) -> TurnstileError:
    """The failure that a step tells."""
    if step.fail == UpstreamTimeout.code:
        return UpstreamTimeout("idle", 0.0)
    error = FAILURES[step.fail]()
    error.retry_after_s = step.retry_after_s
    return error
