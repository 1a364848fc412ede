"""One timer per request, for whichever of its clocks runs out first.

A clock is started, moved and stopped by writing one number; the timer itself is only set anew when a clock would run
out before it, and otherwise finds out when it fires that it is early.  So a chunk costs no timer.  When a clock has
truly run out, the request's task is cancelled, and the cancellation is told apart from others by `expired`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from math import inf
from typing import Protocol

SHUTDOWN = "shutdown"
"""The reason that is no clock: the daemon has no more patience with live requests."""


FIRST_LOOK_S = 1.0
"""When a request's timer first looks at its clocks: most requests have ended by then, and have set no other."""


class TimerHandle(Protocol):
    """A callback that is due, and can be called off."""

    def cancel(self) -> None:
        """Call it off; nothing happens if it has run."""


class Clock(Protocol):
    """Time, as everything here knows it; a test puts in one that it can advance."""

    def now(self) -> float:
        """Monotonic seconds."""

    def wall(self) -> float:
        """Seconds since 1970, UTC."""

    def call_at(self, when: float, callback: Callable[[], None]) -> TimerHandle:
        """Run *callback* when `now()` has reached *when*."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""


class Deadline:
    """The clocks of one request; seconds of 0 mean that a clock is off.

    *due* tells of each clock that runs when it runs out (monotonic).  Whoever handles every chunk moves a clock, which
    runs already, to a later time by writing there: that is one number, and no timer.
    """

    __slots__ = ("_clock", "_handle", "_seconds", "_set_for", "_task", "due", "expired", "expired_after_s")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.due: dict[str, float] = {}
        self._seconds: dict[str, float] = {}
        self._handle: TimerHandle | None = None
        self._set_for = inf
        self._task: asyncio.Task[object] | None = None
        self.expired: str | None = None
        self.expired_after_s = 0.0

    def attend(self, task: asyncio.Task[object]) -> None:
        """Name the task that is cancelled when a clock runs out."""
        self._task = task
        self._set(self._clock.now() + FIRST_LOOK_S)

    def start(self, name: str, seconds: float) -> None:
        """Run the clock *name* for *seconds* from now, whether or not it ran before."""
        self.run_until(name, self._clock.now(), seconds)

    def run_until(self, name: str, began: float, seconds: float) -> None:
        """Run the clock *name* as if it had been started at *began* (monotonic)."""
        if seconds <= 0:
            self.due.pop(name, None)
            return
        self.due[name] = due = began + seconds
        self._seconds[name] = seconds
        if due < self._set_for:
            self._set(due)

    def stop(self, name: str) -> None:
        """Stop the clock *name*; nothing happens if it does not run."""
        self.due.pop(name, None)

    def stop_all_but(self, name: str) -> None:
        """Stop every clock but *name*."""
        for running in self.due.keys() - {name}:
            del self.due[running]

    def left_s(self, name: str) -> float:
        """Seconds until the clock *name* runs out; infinite when it does not run."""
        due = self.due.get(name)
        return inf if due is None else due - self._clock.now()

    def close(self) -> None:
        """Stop every clock for good."""
        self.due.clear()
        self._task = None
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def caught(self, *names: str) -> str | None:
        """The clock whose running out a caught cancellation was, if it was one of *names* (or any), and nothing else.

        An answer takes the cancellation back: the task may go on.  A caller who left in the same turn of the loop wins.
        """
        name = self.expired
        if name is None or self._task is None or (names and name not in names):
            return None
        self.expired = None
        return name if self._task.uncancel() == 0 else None

    def expire(self, name: str, seconds: float = 0.0) -> None:
        """Cancel the task, for the reason *name*.

        Of several that come before the task has run the latest counts, unless the daemon is going down.
        """
        if self._task is None or self.expired == SHUTDOWN:
            return
        if self.expired is None:
            self._task.cancel()
        self.expired, self.expired_after_s = name, seconds

    def _set(self, when: float) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._set_for = when
        self._handle = self._clock.call_at(when, self._check)

    def _check(self) -> None:
        self._handle = None
        self._set_for = inf
        if not self.due or self._task is None:
            return
        name = min(self.due, key=self.due.__getitem__)
        due = self.due[name]
        if due > self._clock.now():
            self._set(due)
            return
        del self.due[name]
        self.expire(name, self._seconds[name])


async def under(clock: Clock, seconds: float, work: Awaitable[None]) -> None:
    """Await *work*, and raise TimeoutError when it takes longer than *seconds*."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine runs in a task
    expired = False

    def expire() -> None:
        nonlocal expired
        expired = True
        task.cancel()

    timer = clock.call_at(clock.now() + seconds, expire)
    try:
        await work
    except asyncio.CancelledError:
        if expired and task.uncancel() == 0:
            raise TimeoutError(f"not within {seconds:g} s") from None
        raise
    finally:
        timer.cancel()
