"""The clock of a running daemon: the event loop's time, and the wall's."""

import asyncio
import time
from collections.abc import Callable

from proxy.deadline import TimerHandle


class LoopClock:
    """A `Clock` over the running event loop."""

    __slots__ = ("_loop",)

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    now = staticmethod(time.monotonic)
    """Monotonic seconds.  The base of the loop's own time, of which uvloop keeps whole milliseconds only."""

    def wall(self) -> float:
        """Seconds since 1970, UTC."""
        return time.time()

    def call_at(self, when: float, callback: Callable[[], None]) -> TimerHandle:
        """Run *callback* when the loop's time has reached *when*."""
        return self._loop.call_at(when, callback)

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)
