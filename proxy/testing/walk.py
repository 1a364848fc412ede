"""One request on its way through the real driver, and what came of it."""

import asyncio
import json
from typing import Any, Protocol

from proxy.exchange import Exchange
from proxy.ports import SessionStore, Turn
from proxy.server.gateway import Gateway
from proxy.testing.client import FakeClient
from proxy.testing.clock import ManualClock, at_rest
from proxy.testing.frames import calls_of_stream, error_of, finish_of_stream, read_stream, text_of_stream
from proxy.testing.inprocess import InProcessUpstream
from proxy.testing.sessions import FakeConversation, FakeSessionStore
from proxy.wire.answer import Surface
from statechart.vocabulary import TERMINAL_STATES, State

STUCK_S = 0.2  # of real time, for a walk that no clock can end
ENDLESS_S = 86_400.0  # of the test's time, for one whose timers start each other

Json = dict[str, Any]


class Surroundings(Protocol):
    """What a walk goes through."""

    clock: ManualClock
    gateway: Gateway
    upstreams: dict[str, InProcessUpstream]
    sessions: SessionStore
    ended: list[Exchange]
    walks: "list[Walk]"


class Walk:
    """One request on its way, and after `end` all that is to be known of it."""

    def __init__(self, world: Surroundings, client: FakeClient, surface: Surface) -> None:
        self.world = world
        world.walks.append(self)
        self.client = client
        self.clock = world.clock
        self.exchange = Exchange(client, world.clock, f"req_{len(world.walks)}", surface)
        loop = asyncio.get_running_loop()
        client.task = self._task = loop.create_task(self._serve(), name="walk")

    async def _serve(self) -> None:
        try:
            await self.world.gateway.walk(self.exchange)
        finally:
            self.client.close()

    # --- while it lasts

    async def until(self, state: State | str) -> None:
        """Go on until the request is in *state*.  Raises AssertionError if it never rests there."""
        await at_rest()
        while self.exchange.state != state:
            if self._task.done() or not await self.clock.next_timer():
                raise AssertionError(f"never rests in {state}: {self.exchange.path}")

    async def end(self) -> "Walk":
        """Go on until the request has ended.  Raises AssertionError if it does not, or leaves anything behind."""
        await at_rest()
        while not self._task.done():
            if not await self.clock.next_timer():
                await asyncio.wait({self._task}, timeout=STUCK_S)
            elif self.clock.passed_s < ENDLESS_S:
                await at_rest()
                continue
            if not self._task.done():
                self._task.cancel()
                raise AssertionError(f"no clock ends it: {self.exchange.path}")
        if not self._task.cancelled():
            self._task.result()
        if left := self._left_behind():
            raise AssertionError(f"{self.exchange.path}: {'; '.join(left)}")
        return self

    def _left_behind(self) -> list[str]:
        """What must not be after an ending, in words."""
        world, x = self.world, self.exchange
        calls = [
            call
            for upstream in world.upstreams.values()
            for call in upstream.calls
            if call.turn.request_id == x.request_id
        ]
        checks = {
            "it is not in a terminal state": x.state not in TERMINAL_STATES,
            "its ending was not told exactly once": world.ended.count(x) != 1,
            "it counts as live": x in world.gateway.live,
            "a call to an upstream is open": any(call.open for call in calls),
            "a call to an upstream was closed twice": any(call.closed > 1 for call in calls),
            "a conversation is held": not world.gateway.live
            and isinstance(world.sessions, FakeSessionStore)
            and world.sessions.held > 0,
            "a timer runs": not world.gateway.live and self.clock.pending > 0,
        }
        return [fault for fault, is_so in checks.items() if is_so] + self.client.faults

    # --- what came of it

    @property
    def path(self) -> str:
        """The states that it has passed, like `validate>auth>…>done`."""
        return self.exchange.path

    @property
    def state(self) -> State:
        """Where it is."""
        return self.exchange.state

    @property
    def turns(self) -> list[Turn]:
        """What the first upstream was asked for."""
        return self.world.upstreams["main"].turns

    @property
    def attempts(self) -> list[str]:
        """Every call that was made, as upstream and outcome."""
        return [f"{attempt.upstream}:{attempt.outcome}" for attempt in self.exchange.course.attempts]

    @property
    def conversations(self) -> list[FakeConversation]:
        """What was taken of the store of conversations."""
        assert isinstance(self.world.sessions, FakeSessionStore), "the store is not ours"  # noqa: S101 - a test's mistake
        return self.world.sessions.taken

    @property
    def status(self) -> int | None:
        """The status that the caller saw; None if it saw none."""
        return self.client.status

    @property
    def body(self) -> bytes:
        """The body that the caller saw."""
        return self.client.body

    @property
    def json(self) -> Json:
        """The body, of an answer in one piece."""
        told: Json = json.loads(self.body)
        return told

    @property
    def chunks(self) -> tuple[Json, ...]:
        """The chunks of a streamed answer."""
        return read_stream(self.body).chunks

    @property
    def text(self) -> str:
        """The text of the answer, streamed or not."""
        if self.client.streaming:
            return text_of_stream(self.body)
        return str(self.json["choices"][0]["message"]["content"] or "")

    @property
    def tool_calls(self) -> list[tuple[str, str]]:
        """The calls of a streamed answer, each as name and arguments."""
        return calls_of_stream(self.body)

    @property
    def finish(self) -> str | None:
        """The finish reason; None if there is none."""
        if self.client.streaming:
            return finish_of_stream(self.body)
        return str(self.json["choices"][0]["finish_reason"])

    @property
    def done(self) -> bool:
        """Whether the stream was told to be whole."""
        return read_stream(self.body).done

    @property
    def error(self) -> Json:
        """The error that the caller was told; empty if none."""
        return (error_of(self.body) if self.body else None) or {}

    @property
    def code(self) -> str | None:
        """Its code."""
        return self.error.get("code")


def path(x: Walk | Exchange) -> str:
    """The states that a request has passed, divided by blanks."""
    return x.path.replace(">", " ")
