"""Finds every point at which a walk halts, and does something to it there.

A coroutine halts where it awaits something that is not there yet.  `Halting` hands each such halt on to the loop, and
counts it; so the halts of a walk are found by running it, and not listed by hand.
"""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from enum import Enum
from typing import Any

from proxy.testing.client import FakeClient
from proxy.testing.inprocess import InProcessUpstream
from proxy.testing.script import Breaks, Upstream
from proxy.testing.walk import Surroundings, Walk
from proxy.wire.answer import Surface
from statechart.vocabulary import State

Halt = asyncio.Future[Any] | None
"""What a coroutine has halted for; None for one turn of the loop."""


class Moment(Enum):
    """When, at a halt."""

    WAITING = "while it waits"
    WOKEN = "as what it waits for comes, in the same turn of the loop"


class Halting:
    """Awaits a coroutine; *at_halt* is called with the number of each halt (from 0) and what it is for."""

    def __init__(self, coroutine: Coroutine[Any, Any, None], at_halt: Callable[[int, Halt], None]) -> None:
        self._coroutine = coroutine
        self._at_halt = at_halt
        self.halts = 0

    def __await__(self) -> Generator[Any, Any, None]:
        """Run it to its end."""
        thrown: BaseException | None = None
        while True:
            try:
                halt = self._coroutine.throw(thrown) if thrown else self._coroutine.send(None)
            except StopIteration:
                return
            self._at_halt(self.halts, halt)
            self.halts += 1
            thrown = None
            try:
                yield halt
            except BaseException as error:  # noqa: BLE001 - it belongs to the coroutine, which is given it
                thrown = error


class CutWalk(Walk):
    """A walk that is interfered with at its halt number *at*: there *cut* is called, with what the walk waits for.

    *state_cut* is where that was, *had_all* whether its upstream had said all by then, *states_halted* all states in
    which it has halted.
    """

    at: int | None = None
    moment = Moment.WAITING
    cut: Callable[["CutWalk", Halt], None]
    halts = 0
    state_cut: State | None = None
    had_all = False

    def __init__(self, world: Surroundings, client: FakeClient) -> None:
        super().__init__(world, client, Surface.CHAT)
        self.states_halted: set[State] = set()

    async def _serve(self) -> None:
        halting = Halting(super()._serve(), self._halted)
        try:
            await halting
        finally:
            self.halts = halting.halts

    def _halted(self, number: int, halt: Halt) -> None:
        self.states_halted.add(self.state)
        if number != self.at:
            return
        if halt is None or self.moment is Moment.WAITING:
            asyncio.get_running_loop().call_soon(self._cut, halt)
        else:
            halt.add_done_callback(self._cut)  # ahead of the task's own

    def _cut(self, halt: Halt) -> None:
        self.state_cut = self.state
        self.cut(self, halt)


class HaltingClient(FakeClient):
    """A caller whose socket is full after every piece, for one turn of the loop."""

    def put(self, frames: bytes) -> bool:
        """Take a piece, and ask for a pause."""
        super().put(frames)
        return False

    async def drain(self) -> None:
        """Make room."""
        await self._clock.sleep(0)
        await super().drain()


def break_off(upstream: InProcessUpstream) -> None:
    """Break every call to *upstream*, and take no new one; who waits for a call hears of it when woken."""
    upstream._scripts = (Upstream.refuses(),)
    for call in upstream.calls:
        call._first, call._steps = Breaks(), iter((Breaks(),))
