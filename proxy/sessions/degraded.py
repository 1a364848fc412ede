"""A store on another host that may be lost, and what stands in for it meanwhile.

A failure costs whoever meets it one deadline of the remote store; from then on everything is done in memory, until a
probe gets through.  What was written here and is newer is then written there, leases that are held here are taken
there, and those that were given back are given back there.

While the remote store is there, memory knows of the leases that this process holds, and of nothing else.  While it is
not, a lease is as exclusive as one process can make it, and what is not in memory is a miss: records are never stale.
"""

import asyncio
from collections.abc import Sequence

import structlog

from proxy.deadline import Clock
from proxy.sessions.memory import MemoryStore
from proxy.sessions.outstanding import Outstanding
from proxy.sessions.remote import RemoteStore
from proxy.sessions.store import Lease, Listed, Put, StoreFailed, Taken
from proxy.tasks import spawn

FIRST_PROBE_S = 0.25
LONGEST_PROBE_S = 5.0
OPEN_PASSES = 20
FEW = 100  # of what is left when turns are made to wait: a round trip for each
GATE_S = 0.1  # how long they may have to; then it was too early to come back

log = structlog.get_logger("turnstile.sessions")


class DegradingStore:
    """A `RecordStore` that is *remote* while that can be reached, and at most *max_records* in memory otherwise."""

    def __init__(self, remote: RemoteStore, clock: Clock, *, max_records: int) -> None:
        self._remote = remote
        self._clock = clock
        self._here = MemoryStore(clock, max_records=max_records)
        self._outstanding = Outstanding(self._here, remote, clock, max_records=max_records)
        self._lost_at: float | None = None
        self._probing: asyncio.Task[None] | None = None
        self._gate: asyncio.Event | None = None

    @property
    def degraded(self) -> bool:
        """See `RecordStore`."""
        return self._lost_at is not None

    # --- the port

    async def take(self, lease: Lease, reads: Sequence[str], *, hold_s: float, keep_s: float) -> Taken:
        """See `RecordStore`."""
        await self._through_the_gate()
        there: Taken | None = None
        asked = not self.degraded
        if asked:
            self._outstanding.asked_for(lease)
            try:
                there = await self._remote.take(lease, reads, hold_s=hold_s, keep_s=keep_s)
            except StoreFailed as failed:
                self._lose(failed)
            if there is not None and not self.degraded:
                if there.held:
                    self._here.hold(lease, hold_s=hold_s, keep_s=keep_s)
                else:
                    self._outstanding.settled(lease)
                return there
        before = self._here.holder(lease)
        here = await self._here.take(lease, reads, hold_s=hold_s, keep_s=keep_s)
        if before is not None and here.held and before != lease:  # it ran out; there it must not come to life again
            self._outstanding.given_back(before)
        if not here.held:  # it may have been granted there
            self._outstanding.given_back(lease)
        if there is None:
            return Taken(here.held, here.abandoned, here.records, degraded=True)
        records = tuple(
            mine if mine is not None else its for mine, its in zip(here.records, there.records, strict=True)
        )
        held = here.held and there.held
        if here.held and not held:
            self._here.free(lease)
            self._outstanding.settled(lease)
        return Taken(held, here.abandoned or there.abandoned, records, degraded=True)

    async def renew(self, leases: Sequence[Lease], *, hold_s: float) -> Sequence[bool]:
        """See `RecordStore`."""
        await self._through_the_gate()
        if not self.degraded:
            try:
                still = await self._remote.renew(leases, hold_s=hold_s)
            except StoreFailed as failed:
                self._lose(failed)
            else:
                for lease in (lease for lease, kept in zip(leases, still, strict=True) if not kept):
                    self._here.free(lease)
                await self._here.renew(leases, hold_s=hold_s)
                return still
        return await self._here.renew(leases, hold_s=hold_s)

    async def settle(self, lease: Lease, puts: Sequence[Put], drops: Sequence[str], *, keep_s: float) -> bool:
        """See `RecordStore`."""
        await self._through_the_gate()
        if not self.degraded:
            try:
                done = await self._remote.settle(lease, puts, drops, keep_s=keep_s)
            except StoreFailed as failed:
                self._lose(failed)
            else:
                if done and self.degraded:  # the store was lost meanwhile: whoever asks here is to find it, too
                    return await self._settle_here(lease, puts, drops, keep_s)
                self._here.free(lease)
                self._outstanding.settled(lease)
                return done
        return await self._settle_here(lease, puts, drops, keep_s)

    async def write(self, partition: str, puts: Sequence[Put], *, keep_s: float) -> None:
        """See `RecordStore`."""
        await self._through_the_gate()
        if not self.degraded:
            try:
                await self._remote.write(partition, puts, keep_s=keep_s)
            except StoreFailed as failed:
                self._lose(failed)
            if not self.degraded:
                return
        await self._here.write(partition, puts, keep_s=keep_s)
        self._outstanding.wrote(partition, puts)

    async def sessions(self, partition: str | None, *, limit: int) -> Sequence[Listed]:
        """See `RecordStore`; what is known here while the store is degraded."""
        await self._through_the_gate()
        if not self.degraded:
            try:
                return await self._remote.sessions(partition, limit=limit)
            except StoreFailed as failed:
                self._lose(failed)
        return await self._here.sessions(partition, limit=limit)

    async def delete(self, partition: str, session: str | None) -> int:
        """See `RecordStore`.  Raises `StoreFailed` while degraded: that something is gone can't be said then."""
        await self._through_the_gate()
        await self._here.delete(partition, session)
        if self.degraded:
            raise StoreFailed("the store is out of reach")
        try:
            return await self._remote.delete(partition, session)
        except StoreFailed as failed:
            self._lose(failed)
            raise

    async def close(self) -> None:
        """See `RecordStore`.  What only memory knows is handed over, if that can be done at once."""
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.wait([self._probing])
        if self.degraded:
            try:
                await self._remote.probe()
                await self._hand_back()
            except StoreFailed:
                log.warning("session_store.records_lost", records=self._outstanding.records)
        await self._remote.close()

    # --- standing in

    async def _through_the_gate(self) -> None:
        if self._gate is not None:
            await self._gate.wait()

    async def _settle_here(self, lease: Lease, puts: Sequence[Put], drops: Sequence[str], keep_s: float) -> bool:
        if not await self._here.settle(lease, puts, drops, keep_s=keep_s):
            return False
        self._outstanding.wrote(lease.partition, puts)
        self._outstanding.dropped(lease.partition, drops)
        self._outstanding.given_back(lease)
        return True

    def _lose(self, failed: StoreFailed) -> None:
        if self._lost_at is None:
            self._lost_at = self._clock.now()
            log.warning("session_store.degraded", reason=str(failed))
            self._probing = spawn(self._come_back(), name="probe the session store")

    # --- coming back

    async def _come_back(self) -> None:
        delay_s = FIRST_PROBE_S
        while self.degraded:
            await self._clock.sleep(delay_s)
            delay_s = min(LONGEST_PROBE_S, 2 * delay_s)
            try:
                await self._remote.probe()
                await self._hand_back()
            except StoreFailed:
                continue
            except Exception:
                log.exception("a probe of the session store failed")  # a bug, and no reason never to probe again

    async def _hand_back(self) -> None:
        """Tell the remote store everything, and go back to it.

        Turns go on meanwhile, so there is always something left; for the last of it they wait.
        """
        self._outstanding.begin()
        merged = 0
        for _ in range(OPEN_PASSES):
            merged += await self._outstanding.tell()
            if self._outstanding.left() <= FEW:
                break
        self._gate = gate = asyncio.Event()
        try:
            async with asyncio.timeout(GATE_S):
                while self._outstanding.left():
                    merged += await self._outstanding.tell()
            self._go_back(merged)  # in the same turn of the loop
        except TimeoutError as error:
            raise StoreFailed("too slow to come back") from error
        finally:
            self._gate = None
            gate.set()

    def _go_back(self, merged: int) -> None:
        self._here.forget_records()
        lost_for_s = self._clock.now() - (self._lost_at or 0.0)
        self._lost_at = None
        log.info("session_store.back", after_s=round(lost_for_s, 3), records=merged)
