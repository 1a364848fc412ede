"""What the in-process tests share: requests that rest in a chosen state, to be interfered with there."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
import structlog
from hypothesis import settings

from proxy.course import Course
from proxy.dialects import DIALECTS
from proxy.dialects.native import NativeDecoder, NativeDialect
from proxy.routing.gate import KeyGate
from proxy.testing.client import FakeClient
from proxy.testing.inprocess import InProcessUpstream
from proxy.testing.play import Options, Play, World
from proxy.testing.script import Upstream
from proxy.testing.sessions import FakeConversation, FakeSessionStore
from proxy.testing.walk import Walk
from statechart.vocabulary import WORKING_STATES, State

settings.register_profile("shared machine", deadline=None)  # how long an example takes depends on who else computes
settings.load_profile("shared machine")

Held = Callable[..., Awaitable[Walk]]

HOLDING: dict[State, tuple[tuple[Upstream, ...], Options]] = {
    State.VALIDATE: ((), {"body_s": 20.0}),
    State.SESSION: ((), {"sessions": lambda clock: FakeSessionStore(clock, take_s=20.0)}),
    State.UPSTREAM: ((Upstream.stalls(),), {}),
    State.BACKOFF: ((Upstream.fails(429, headers={"retry-after": "20"}),), {}),
    State.STREAM: ((Upstream.answers("Hel").then_stalls(),), {}),
    State.RESUME: (
        (Upstream.answers("Hel").then_breaks(),),
        {"fallbacks": [Upstream.stalls()], "model": {"resume": True}},
    ),
    State.READ: ((Upstream.answers("Hel").then_stalls(),), {"stream": False}),
    State.RENDER: ((), {"sessions": lambda clock: FakeSessionStore(clock, commit_s=20.0)}),
}
"""What makes a request rest in a state for some 20 s; `auth` and `tool_parse` need more than options."""

RESTING_STATES = tuple(state for state in WORKING_STATES if state is not State.TOOL_PARSE)
"""The states in which a request can rest: all but the one that never waits."""


@pytest.fixture(autouse=True, scope="session")
def plain_log() -> None:
    """Tracebacks as text: the coloured ones that are the default cost a third of a second each."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ]
    )


SECRET = "what only we should know"


def crash(*_args: object, **_options: object) -> None:
    raise RuntimeError(SECRET)


class BrokenDecoder(NativeDecoder):
    """A decoder with a bug at its end."""

    end = crash


class BrokenDialect(NativeDialect):
    """One whose decoder has the bug."""

    def decoder(self, *_of_no_matter):
        return BrokenDecoder()


BROKEN: dict[str, tuple[type, str]] = {
    "validate": (FakeClient, "read_body"),
    "auth": (KeyGate, "identify"),
    "session": (FakeSessionStore, "take"),
    "upstream": (InProcessUpstream, "open"),
    "backoff": (Course, "next_delay_s"),
    "render": (FakeConversation, "commit"),
}
"""What breaks, by the state that uses it."""


@pytest.fixture
def crashing(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], AbstractContextManager[None]]:
    """Break what a state uses, with a bug whose message is a secret."""

    @contextmanager
    def within(state: str) -> Iterator[None]:
        with monkeypatch.context() as patched:
            if state == "tool_parse":
                patched.setitem(DIALECTS, "native", BrokenDialect())
            else:
                patched.setattr(*BROKEN[state], crash)
            yield

    return within


@pytest.fixture
async def held(play: Play) -> AsyncIterator[Held]:
    """Requests that rest in a chosen state, until the test interferes."""
    others: list[Walk] = []

    async def hold(state: State, **options: Any) -> Walk:
        if state is State.AUTH:
            return await waiting_at_the_gate(**options)
        scripts, needed = HOLDING[state]
        walk = play.begin(*scripts, **{**needed, **options})
        await walk.until(state)
        return walk

    async def waiting_at_the_gate(**options: Any) -> Walk:
        stream = options.pop("stream", True)
        options["clocks"] = {"queue": 0, **options.get("clocks", {})}
        world = World(Upstream.answers("Hel").then_stalls(), server={"max_in_flight": 1}, **options)
        first = world.begin()
        others.append(first)
        await first.until(State.STREAM)
        walk = world.begin(stream=bool(stream))
        await walk.until(State.AUTH)
        return walk

    yield hold
    for other in others:
        other.client.leave()
        await other.end()
