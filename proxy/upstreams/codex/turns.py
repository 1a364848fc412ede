"""Threads, the turns on them, and the answers that callers see of turns."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from proxy.errors import TurnstileError, UpstreamDisconnected, UpstreamOversize, UpstreamTruncated
from proxy.ports import EventSink, Node
from proxy.upstreams.child import RpcId
from proxy.upstreams.codex.asking import Fingerprint
from proxy.upstreams.codex.reducer import TurnReducer
from proxy.wire.events import Opened, ReasoningDelta, StreamEvent, TextDelta, ToolCallDelta
from proxy.wire.request import JsonObject


@dataclass(slots=True, eq=False)
class Thread:
    """A line of turns in one process.  *head* is the last turn of it that was completed, or waits for results."""

    id: str
    fingerprint: Fingerprint
    head: str | None = None
    turn: "RunningTurn | None" = None
    used_s: float = 0.0

    @property
    def running(self) -> bool:
        """Whether a turn runs on it, and does not only wait."""
        return self.turn is not None and not self.turn.parked


class Host(Protocol):
    """Whoever runs the turns: what an answer asks of it."""

    def abandon(self, turn: "RunningTurn") -> None:
        """Nobody listens any more: interrupt the turn."""


@dataclass(slots=True, eq=False)
class RunningTurn:
    """A turn that has begun, until it is over.

    *ended* is done when it is over for good.  *early* has what came before its id was known.  *rpc_ids* are the
    requests by which codex waits for results, by its ids of the calls.
    """

    thread: Thread
    reducer: TurnReducer
    ended: asyncio.Future[None]
    id: str | None = None
    answer: "CodexCall | None" = None
    interrupted: bool = False
    early: list[tuple[RpcId | None, str, JsonObject]] = field(default_factory=list)
    rpc_ids: dict[str, RpcId] = field(default_factory=dict)

    @property
    def parked(self) -> bool:
        """Whether it waits for results of the caller's tools."""
        return self.reducer.parked and not self.interrupted


class CodexCall:
    """One answer under way: the part of a turn that one HTTP response tells.

    What comes while nobody listens is kept, up to *max_held_bytes*: other turns share the pipe, so it is always read.
    """

    finishing = False

    def __init__(self, host: Host, turn: RunningTurn, max_held_bytes: int) -> None:
        self._host = host
        self._turn = turn
        self._pending: list[StreamEvent] = []
        self._held_bytes = 0
        self._max_held_bytes = max_held_bytes
        self._touched = False
        self._last = False  # the final events are among the pending ones, or were given
        self._node: Node | None = None
        self._failure: TurnstileError | None = None
        self._sink: EventSink | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._closed = False
        self.request_id: str | None = None

    # --- the port

    @property
    def node(self) -> Node | None:
        """Where the next turn can go on; None after a turn whose thread is not fit for one."""
        return self._node

    @property
    def complete(self) -> bool:
        """Whether the final events were given."""
        return self._last and not self._pending

    async def receive(self) -> Sequence[StreamEvent]:
        """The next events; none at all is a sign of life."""
        while not (self._pending or self._touched):
            self._raise_failure()
            await self._wait()
        self._touched = False
        return self._take()

    async def flow(self, sink: EventSink) -> None:
        """Give the events to *sink* as they come; see the port."""
        if self._pending and not sink(self._take()):
            return
        if self._last:
            return
        self._raise_failure()
        self._sink = sink
        try:
            await self._wait()
        finally:
            self._sink = None

    def settle(self) -> Sequence[StreamEvent]:
        """Nothing is ever left to settle: usage comes with the end."""
        return ()

    def close(self) -> None:
        """Let go: a turn that still runs for this answer is interrupted."""
        if self._closed:
            return
        self._closed = True
        if (not self._last or self._pending) and self._failure is None:
            self._host.abandon(self._turn)
        if self._turn.answer is self:
            self._turn.answer = None

    # --- the turn's side

    def open(self, thread_id: str, turn_id: str) -> None:
        """The turn has begun, or goes on."""
        self.request_id = turn_id
        self._pending.append(Opened({"thread_id": thread_id, "turn_id": turn_id}))

    def take_in(self, events: Sequence[StreamEvent]) -> None:
        """Events have come, maybe none; they are given at `flush`."""
        self._touched = True
        if events and self._failure is None:
            self._pending.extend(events)
            self._held_bytes += sum(map(size_of, events))
            if self._held_bytes > self._max_held_bytes and not self._last:
                self.fail(UpstreamOversize(detail="nobody took the answer"))
                self._host.abandon(self._turn)

    def finish(self, node: Node | None) -> None:
        """The final events are in."""
        if self._failure is None:
            self._last = True
            self._node = node

    def fail(self, error: TurnstileError) -> None:
        """There will be no more events."""
        if self._failure is None and not self._last:
            self._failure = error

    def lose(self, error: TurnstileError) -> None:
        """The process is gone, so the answer that had been opened has broken off."""
        self.fail(UpstreamTruncated(detail=error.detail) if isinstance(error, UpstreamDisconnected) else error)
        self.flush()

    def flush(self) -> None:
        """Give what has come to whoever listens: once for each read of the pipe."""
        waiter, sink = self._waiter, self._sink
        if waiter is None or waiter.done():
            return
        if sink is None:
            if self._pending or self._touched or self._failure is not None:
                waiter.set_result(None)
            return
        try:
            go_on = sink(self._take()) if self._touched or self._pending else True
        except Exception as error:  # noqa: BLE001 - it is the sink's own, and goes back to whoever gave the sink
            waiter.set_exception(error)
            return
        self._touched = False
        if self._failure is not None:
            waiter.set_exception(self._failure)
        elif self._last or not go_on:
            waiter.set_result(None)

    def _take(self) -> list[StreamEvent]:
        events, self._pending = self._pending, []
        self._held_bytes = 0
        return events

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    async def _wait(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None


def size_of(event: StreamEvent) -> int:
    """About how many bytes an event holds."""
    match event:
        case TextDelta() | ReasoningDelta():
            return len(event.text)
        case ToolCallDelta():
            return len(event.arguments)
        case _:
            return 0
