"""A remote store that a test can lose, slow down and find again, without a server."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from proxy.sessions.memory import MemoryStore
from proxy.sessions.remote import Dropped, Late
from proxy.sessions.store import Lease, Listed, Put, StoreFailed, Taken
from proxy.testing.clock import ManualClock

DEADLINE_S = 0.25


class FakeRemote:
    """A store that is in another process as far as anyone can tell.

    *down*: it refuses.  *frozen*: it says nothing, until its caller's deadline has passed.  *late*: it does what it is
    asked, but its answer does not arrive in time.  *held_up*: its answers wait for `let_go`.
    """

    degraded = False

    def __init__(self, clock: ManualClock) -> None:
        self.inner = MemoryStore(clock, max_records=1_000)
        self.down = self.frozen = self.late = self.held_up = False
        self.asked = 0
        self.probes = 0
        self._clock = clock
        self._go = asyncio.Event()

    def let_go(self) -> None:
        """Let the answers go that were held up."""
        self.held_up = False
        self._go.set()

    @asynccontextmanager
    async def _asked(self) -> AsyncIterator[None]:
        self.asked += 1
        if self.down:
            raise StoreFailed("down")
        if self.frozen:
            await self._clock.sleep(DEADLINE_S)
            raise StoreFailed("no answer in time")
        yield
        if self.held_up:
            await self._go.wait()
        if self.late:
            await self._clock.sleep(DEADLINE_S)
            raise StoreFailed("no answer in time")

    async def take(self, lease: Lease, reads: Sequence[str], *, hold_s: float, keep_s: float) -> Taken:
        async with self._asked():
            return await self.inner.take(lease, reads, hold_s=hold_s, keep_s=keep_s)

    async def renew(self, leases: Sequence[Lease], *, hold_s: float) -> Sequence[bool]:
        async with self._asked():
            return await self.inner.renew(leases, hold_s=hold_s)

    async def settle(self, lease: Lease, puts: Sequence[Put], drops: Sequence[str], *, keep_s: float) -> bool:
        async with self._asked():
            return await self.inner.settle(lease, puts, drops, keep_s=keep_s)

    async def write(self, partition: str, puts: Sequence[Put], *, keep_s: float) -> None:
        async with self._asked():
            await self.inner.write(partition, puts, keep_s=keep_s)

    async def sessions(self, partition: str | None, *, limit: int) -> Sequence[Listed]:
        async with self._asked():
            return await self.inner.sessions(partition, limit=limit)

    async def delete(self, partition: str, session: str | None) -> int:
        async with self._asked():
            return await self.inner.delete(partition, session)

    async def probe(self) -> None:
        self.probes += 1
        async with self._asked():
            pass

    async def merge(self, partition: str, puts: Sequence[Late], drops: Sequence[Dropped]) -> None:
        async with self._asked():
            for late in puts:
                if self._untouched_since(partition, late.put.key, late.age_s):
                    await self.inner.write(partition, (late.put,), keep_s=late.keep_s)
            for dropped in drops:
                if self._untouched_since(partition, dropped.key, dropped.age_s):
                    self.inner._drop(partition, dropped.key)

    def _untouched_since(self, partition: str, key: str, age_s: float) -> bool:
        known = self.inner.late(partition, key)
        return known is None or known.age_s >= age_s

    async def close(self) -> None:
        await self.inner.close()
