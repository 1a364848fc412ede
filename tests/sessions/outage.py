"""A remote store that a test loses and finds, and what stands before it."""

from proxy.sessions.degraded import LONGEST_PROBE_S, DegradingStore
from proxy.testing.clock import ManualClock
from tests.sessions.remote import FakeRemote
from tests.sessions.stores import ALICE, BOB, LASTS_S, take


class World:
    """A store over a remote one, and another host's way to that."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.remote = FakeRemote(self.clock)
        self.store = DegradingStore(self.remote, self.clock, max_records=200)
        self.elsewhere = self.remote.inner

    async def lose(self) -> None:
        """Lose the remote store, and notice."""
        self.remote.down = True
        await self.store.write(BOB, (), keep_s=0)
        assert self.store.degraded

    async def find(self) -> None:
        """Find it again, and notice."""
        self.remote.down = self.remote.frozen = self.remote.late = False
        await self.clock.advance(LONGEST_PROBE_S)
        assert not self.store.degraded

    async def turn(self, key: str, *puts, drops=(), reads=()) -> tuple[bytes | None, ...]:
        """A whole turn on this host."""
        lease, taken = await take(self.store, key, *reads)
        assert taken.held
        assert await self.store.settle(lease, puts, drops, keep_s=LASTS_S)
        return taken.records

    async def there(self, *keys: str, partition: str = ALICE) -> tuple[bytes | None, ...]:
        """What another host finds."""
        return (await take(self.elsewhere, "ead0", *keys, partition=partition, hold_s=0))[1].records
