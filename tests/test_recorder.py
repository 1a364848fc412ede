"""The recorder: real handlers fire every row of the chart.

The table says what can happen, and the stories of the chart walk it without a handler.  Here requests are played
through the driver, their traces are gathered, and an edge that none of them has taken is either dead, or a promise that
nobody tests.
"""

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager

import pytest

from proxy.dialects.native import NativeDialect
from proxy.errors import (
    ClientGone,
    ConversationBusy,
    ConversationLost,
    DeadlinePassed,
    PassThroughDenied,
    SessionLost,
    ShuttingDown,
    TurnstileError,
    UpstreamUnavailable,
)
from proxy.testing.play import Play
from proxy.testing.script import Upstream
from proxy.testing.sessions import FakeSessionStore
from proxy.testing.walk import Walk
from statechart.model import MODEL
from statechart.vocabulary import State

Held = Callable[..., Awaitable[Walk]]

Crashing = Callable[[str], AbstractContextManager[None]]


HELLO = Upstream.answers("Hello.")
CUT = Upstream.answers("Hel").then_breaks()
ONCE = {"retry": {"attempts": 1}}
SPARE = {"fallbacks": [HELLO], **ONCE}
KEY = {"name": "dev", "key": "sk-dev"}
CONTEXT = "context_length_exceeded"
BUG = RuntimeError("a bug")


def keys(**limits):
    return {"auth": {"mode": "keys", "keys": [{**KEY, **limits}]}}


def store(*errors):
    return {"sessions": lambda clock: FakeSessionStore(clock, *errors)}


def resuming(*fallbacks):
    return {"fallbacks": fallbacks, "model": {"resume": True}, **ONCE}


def answering(how: str):
    """An answer that has begun, then *how*; in one piece."""
    return Upstream.answers("Hel").then_fails(how)


PLAYS = {
    "a streamed answer": ((HELLO,), {}),
    "an answer in one piece": ((HELLO,), {"stream": False}),
    # the caller
    "bad JSON": ((), {"raw": b"{"}),
    "a body that trickles": ((), {"body_s": 31}),
    "an unknown key": ((), keys()),
    "an unknown model": ((), {"body": {"model": "nobody"}}),
    "more tokens than anyone takes": ((), {"model": {"max_input_tokens": 1}}),
    "a double click": ((), store(ConversationBusy())),
    "no store where one is required": ((), store(UpstreamUnavailable())),
    # credentials and conversations
    "a stale credential, renewed": ((Upstream.fails(401), HELLO), {"credential": "managed"}),
    "a stale credential, then another candidate": ((Upstream.fails(401),), {"credential": "managed", **SPARE}),
    "a stale credential, nobody else": ((Upstream.fails(401),), {"credential": "managed"}),
    "a passed-through key": ((Upstream.fails(PassThroughDenied()),), {}),
    "a lost conversation, told anew": ((Upstream.fails(ConversationLost()), HELLO), {}),
    "a lost conversation, its history too": ((Upstream.fails(SessionLost()),), {}),
    "a conversation lost twice, another candidate": ((Upstream.fails(ConversationLost()),), SPARE),
    "a conversation lost twice": ((Upstream.fails(ConversationLost()),), {}),
    # attempts
    "a failure, another attempt": ((Upstream.fails(500), HELLO), {}),
    "a failure": ((Upstream.fails(500),), ONCE),
    "a limit, another attempt": ((Upstream.fails(429), HELLO), {}),
    "a limit": ((Upstream.fails(429),), ONCE),
    "a refusal, another candidate": ((Upstream.fails(404),), SPARE),
    "a refusal": ((Upstream.fails(400),), {}),
    "a clock, another candidate": ((Upstream.stalls(),), SPARE),
    "a clock": ((Upstream.stalls(),), {}),
    # while an answer is collected
    "broken while read, another attempt": ((CUT, HELLO), {"stream": False}),
    "broken while read": ((CUT,), {"stream": False, **ONCE}),
    "limited while read, another attempt": ((answering(429), HELLO), {"stream": False}),
    "limited while read": ((answering(429),), {"stream": False, **ONCE}),
    "refused while read, another candidate": ((answering(404),), {"stream": False, **SPARE}),
    "refused while read": ((answering(400),), {"stream": False}),
    "silent while read, another candidate": ((Upstream.answers("Hel").then_stalls(),), {"stream": False, **SPARE}),
    "silent while read": ((Upstream.answers("Hel").then_stalls(),), {"stream": False}),
    # in mid-stream
    "broken in mid-stream": ((CUT,), {}),
    "limited in mid-stream": ((answering(429),), {}),
    "refused in mid-stream": ((answering(400),), {}),
    "silent in mid-stream": ((Upstream.answers("Hel").then_stalls(),), {}),
    "broken, resumed": ((CUT,), resuming(HELLO)),
    "limited, resumed": ((answering(429),), resuming(HELLO)),
    "refused, resumed": ((answering(404),), resuming(HELLO)),
    "silent, resumed": ((Upstream.answers("Hel").then_stalls(),), resuming(HELLO)),
    # while resuming
    "resuming breaks, a third": ((CUT,), resuming(Upstream.fails(500), HELLO)),
    "resuming breaks": ((CUT,), resuming(Upstream.fails(500))),
    "resuming is limited, a third": ((CUT,), resuming(Upstream.fails(429), HELLO)),
    "resuming is limited": ((CUT,), resuming(Upstream.fails(429))),
    "resuming is refused, a third": ((CUT,), resuming(Upstream.fails(400, code=CONTEXT), HELLO)),
    "resuming is refused": ((CUT,), resuming(Upstream.fails(400))),
    "resuming is slow, a third": ((CUT,), resuming(Upstream.stalls(), HELLO)),
    "resuming is slow": ((CUT,), resuming(Upstream.stalls())),
    # bugs
    "a bug in an upstream": ((Upstream.fails(BUG),), {}),
    "a bug in mid-stream": ((answering(BUG),), {}),
    "a bug while read": ((answering(BUG),), {"stream": False}),
    "a bug while resuming": ((CUT,), resuming(Upstream.fails(BUG))),
}


class Recorder:
    """Every edge that a request has taken, by (source, event, target)."""

    def __init__(self):
        self.fired = set()

    def __call__(self, walk: Walk):
        self.fired |= {(step.source, step.event, step.target) for step in walk.exchange.trace}


async def test_real_handlers_fire_every_row(
    play: Play, held: Held, crashing: Crashing, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder()
    for scripts, options in PLAYS.values():
        recorder(await play(*scripts, **options))
    for state in ("validate", "auth", "session", "upstream", "backoff", "stream", "resume", "read", "render"):
        for interrupt in (leaves, goes_down, deadline_passes):
            walk = await held(State(state))
            interrupt(walk)
            recorder(await walk.end())
    await limits_are_hit(play, recorder)
    await queues_overflow(play, recorder)
    await decoders_raise(play, monkeypatch, recorder)
    for state in ("validate", "auth", "session", "backoff", "tool_parse", "render"):
        with crashing(state):
            recorder(await play(Upstream.fails(500), HELLO))

    missing = [
        f"{edge.source} on {edge.event} if {edge.guard.__name__} to {edge.target}"
        for edge in MODEL.edges
        if (edge.source, edge.event, edge.target) not in recorder.fired
    ]
    assert missing == []


def test_an_edge_is_known_by_its_ends_and_its_event() -> None:
    """Otherwise a trace could not tell which guard has held."""
    edges = [(edge.source, edge.event, edge.target) for edge in MODEL.edges]

    assert len(set(edges)) == len(edges)


@pytest.mark.parametrize(
    "forgotten", ["a lost conversation, its history too", "a passed-through key", "a double click"]
)
async def test_a_row_that_nothing_fires_would_be_found(play: Play, forgotten: str) -> None:
    """The recorder's own check: each of these plays is the only one that takes some edge."""
    recorder, others = Recorder(), Recorder()
    for name, (scripts, options) in PLAYS.items():
        (recorder if name == forgotten else others)(await play(*scripts, **options))

    assert recorder.fired - others.fired


# --- what needs more than one request, or more than options


def leaves(walk: Walk):
    walk.client.leave()


def goes_down(walk: Walk):
    walk.world.gateway.cut()


def deadline_passes(walk: Walk):
    walk.exchange.deadline.expire("total", 1800)


async def limits_are_hit(play: Play, recorder: Recorder):
    world = play.world(HELLO, **keys(rpm=1))
    for _ in range(2):
        recorder(await world.begin(headers={"Authorization": "Bearer sk-dev"}).end())


async def queues_overflow(play: Play, recorder: Recorder):
    """No room at the door, in the queue, at the upstream, at a fallback, at whoever should go on."""
    world = play.world(Upstream.answers("Hel").then_stalls(), server={"max_in_flight": 1, "max_queued": 1})
    first = world.begin()
    await first.until(State.STREAM)
    queued = world.begin()
    await queued.until(State.AUTH)
    recorder(await world.begin().end())
    recorder(await queued.end())
    await first.end()

    stalling = Upstream.answers("Hel").then_stalls()
    for others in ((), (HELLO,)):
        for scripts, options in (
            ((stalling,), {"fallbacks": others}),
            ((Upstream.fails(500), CUT), resuming(stalling, *others)),
        ):
            world = play.world(*scripts, **options, each_upstream={"max_parallel": 1})
            first = world.begin()
            await first.until(State.STREAM)
            recorder(await world.begin().end())
            await first.end()


async def decoders_raise(play: Play, monkeypatch: pytest.MonkeyPatch, recorder: Recorder):
    """`tool_parse` waits for nothing, so what comes from outside can reach it through a decoder alone."""
    for error in (ClientGone(), DeadlinePassed(1800), ShuttingDown()):
        with monkeypatch.context() as patched:
            patched.setattr(NativeDialect, "decoder", lambda *_of, error=error: Raising(error))
            recorder(await play(HELLO))


class Raising:
    cut = False
    oversize = False

    def __init__(self, error: TurnstileError):
        self.error = error

    def feed(self, events):
        return events

    def end(self):
        raise self.error
