"""A pool of slots: where the next turn goes, and what is said when it can go nowhere."""

import asyncio
from random import Random

from proxy.deadline import Clock
from proxy.errors import ConnectTimeout, UpstreamUnavailable, UpstreamUnreachable
from proxy.upstreams.child.child import Child
from proxy.upstreams.child.kind import ChildKind, ChildLimits
from proxy.upstreams.child.slot import Condition, Slot


class Pool:
    """The slots of one upstream; must be made inside a running event loop."""

    def __init__(self, kind: ChildKind, limits: ChildLimits, clock: Clock, random: Random) -> None:
        self._min_ready = limits.min_ready
        self._handshake_s = limits.handshake_s
        self._clock = clock
        self._changed: asyncio.Future[None] | None = None
        self.slots = tuple(
            Slot(number, kind, limits, clock=clock, random=random, on_change=self._change)
            for number in range(limits.processes)
        )
        self._begun = False

    def begin(self) -> None:
        """Start the children, unless that was done."""
        if not self._begun:
            self._begun = True
            for slot in self.slots:
                slot.begin()

    @property
    def ready(self) -> bool:
        """Whether enough slots are ready."""
        return sum(slot.ready is not None for slot in self.slots) >= self._min_ready

    def child_at(self, slot: int, generation: int) -> Child | None:
        """The child of that slot and generation, if it still takes turns."""
        child = self.child_in(slot)
        return child if child is not None and child.generation == generation else None

    def child_in(self, slot: int) -> Child | None:
        """The child of that slot, whichever generation it is, if it takes turns."""
        return self.slots[slot].ready if 0 <= slot < len(self.slots) else None

    async def free_child(self) -> Child:
        """The ready child with the fewest turns; waits for one that is about to be ready.

        Raises `UpstreamUnavailable` when none is, and `UpstreamUnreachable` or `ConnectTimeout` when a start that was
        waited for failed.
        """
        self.begin()
        failed = self._failed_starts()
        while not self.ready:
            if self._failed_starts() > failed:
                if any(slot.start_was_slow for slot in self.slots):
                    raise ConnectTimeout(self._handshake_s)
                raise UpstreamUnreachable(detail="a child process could not be started")
            for slot in self.slots:
                slot.wake()
            if not any(slot.hopeful for slot in self.slots):
                raise self._unavailable()
            await self._change_of_condition()
        children = [slot.ready for slot in self.slots if slot.ready is not None]
        return min(children, key=lambda child: child.attendant.turns)

    async def close(self, patience_s: float = 0.0) -> None:
        """End every child; what runs may run on for *patience_s*."""
        await asyncio.gather(*(slot.close(patience_s) for slot in self.slots))

    def _failed_starts(self) -> int:
        return sum(slot.starts_failed for slot in self.slots)

    def _unavailable(self) -> UpstreamUnavailable:
        reasons = {slot.reason for slot in self.slots if slot.condition is Condition.UNSUPPORTED}
        waiting = [slot.retry_at_s for slot in self.slots if slot.condition is Condition.BACKOFF]
        left_s = max(0.0, min(waiting) - self._clock.now()) if waiting else None
        return UpstreamUnavailable(
            detail=", ".join(sorted(reasons)) or "no child process is ready", retry_after_s=left_s
        )

    async def _change_of_condition(self) -> None:
        if self._changed is None:
            self._changed = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._changed)

    def _change(self) -> None:
        changed, self._changed = self._changed, None
        if changed is not None:
            changed.set_result(None)
