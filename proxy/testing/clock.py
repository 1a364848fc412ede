"""A clock that stands still until a test moves it."""

import asyncio
import heapq
from collections.abc import Callable
from itertools import count

START_S = 1_000.0  # any; not 0, so that nobody takes "no time" for "the beginning"
START_WALL_S = 1_790_000_000.0
TURNS_TO_REST = 12  # turns of the loop in which all that one timer set off has come to rest


class Timer:
    """A callback that is due at *when*."""

    __slots__ = ("callback", "cancelled", "when")

    def __init__(self, when: float, callback: Callable[[], None]) -> None:
        self.when = when
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        """Call it off."""
        self.cancelled = True


class ManualClock:
    """A `Clock` for tests: time passes only in `advance` and `next_timer`, and then at once."""

    def __init__(self) -> None:
        self._now_s = START_S
        self._timers: list[tuple[float, int, Timer]] = []
        self._numbers = count()

    # --- the port

    def now(self) -> float:
        """Monotonic seconds."""
        return self._now_s

    def wall(self) -> float:
        """Seconds since 1970."""
        return START_WALL_S + self._now_s - START_S

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Run *callback* when time has been moved to *when*."""
        timer = Timer(when, callback)
        heapq.heappush(self._timers, (when, next(self._numbers), timer))
        return timer

    async def sleep(self, seconds: float) -> None:
        """Wait until time has been moved on so far; also for 0 seconds."""
        woken = asyncio.get_running_loop().create_future()
        timer = self.call_at(self._now_s + seconds, lambda: None if woken.done() else woken.set_result(None))
        try:
            await woken
        finally:
            timer.cancel()

    # --- the test's side

    @property
    def passed_s(self) -> float:
        """Seconds that have passed since the clock was made."""
        return self._now_s - START_S

    @property
    def pending(self) -> int:
        """How many timers are set and have not run."""
        self._forget_cancelled()
        return sum(not timer.cancelled for _, _, timer in self._timers)

    async def advance(self, seconds: float) -> None:
        """Let *seconds* pass: whatever falls due runs in its order, each with time to take effect."""
        end_s = self._now_s + seconds
        await at_rest()
        while (due_s := self._next_due_s()) is not None and due_s <= end_s:
            await self._run(due_s)
        self._now_s = end_s

    async def next_timer(self) -> bool:
        """Let time pass until the next timer falls due; false if there is none."""
        await at_rest()
        due_s = self._next_due_s()
        if due_s is None:
            return False
        await self._run(due_s)
        return True

    async def _run(self, due_s: float) -> None:
        """Run everything that falls due at one moment in one turn of the loop, as a loop does."""
        self._now_s = max(self._now_s, due_s)
        due: list[Timer] = []
        while self._timers and self._timers[0][0] <= self._now_s:
            due.append(heapq.heappop(self._timers)[2])
        for timer in due:
            if not timer.cancelled:
                timer.callback()
        await at_rest()

    def _next_due_s(self) -> float | None:
        self._forget_cancelled()
        return self._timers[0][0] if self._timers else None

    def _forget_cancelled(self) -> None:
        while self._timers and self._timers[0][2].cancelled:
            heapq.heappop(self._timers)


async def at_rest() -> None:
    """Let everything that can go on without time passing go on."""
    for _ in range(TURNS_TO_REST):
        await asyncio.sleep(0)
