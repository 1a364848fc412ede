"""A bounded number of calls at a time, first come first served."""

import asyncio

from proxy.ports import Release


def _nothing() -> None:
    """Gives back what was never taken."""


class BoundedSlots:
    """At most *limit* holders; the others wait in order.  The waiting is bounded by the clock of whoever waits."""

    def __init__(self, limit: int) -> None:
        self._semaphore = asyncio.Semaphore(limit)

    async def take(self) -> Release:
        """Wait for a slot."""
        await self._semaphore.acquire()
        return self._semaphore.release


class UnboundedSlots:
    """Room for everybody."""

    async def take(self) -> Release:
        """A slot, at once."""
        return _nothing


def slots_of(limit: int) -> BoundedSlots | UnboundedSlots:
    """Slots for a configured limit, of which 0 means none."""
    return BoundedSlots(limit) if limit else UnboundedSlots()
