"""What a remote store is yet to hear of: records, deletions, and leases that were taken or given back without it."""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Generic, TypeVar

from proxy.deadline import Clock
from proxy.sessions.memory import MemoryStore
from proxy.sessions.remote import Dropped, RemoteStore
from proxy.sessions.store import Lease, Put

MERGED_AT_ONCE = 50  # so that one step stays well within the deadline of a command
LOOKED_AT_ONCE = 1_000
LEASES = 10_000  # of more than that the oldest have long run out

K = TypeVar("K")
V = TypeVar("V")
Place = tuple[str, str]


class Journal(dict[K, V], Generic[K, V]):
    """Entries in the order in which they were last noted; beyond *limit* the oldest is forgotten."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit

    def note(self, key: K, value: V) -> None:
        """Add it at the end."""
        self.pop(key, None)
        self[key] = value
        if len(self) > self._limit:
            del self[next(iter(self))]


class Outstanding:
    """What *remote* is to hear of what was done *here*."""

    def __init__(self, here: MemoryStore, remote: RemoteStore, clock: Clock, *, max_records: int) -> None:
        self._here = here
        self._remote = remote
        self._clock = clock
        self._written: Journal[Place, None] = Journal(max_records)
        self._dropped: Journal[Place, float] = Journal(max_records)
        self._known: Journal[Lease, None] = Journal(LEASES)  # what the remote store may have granted
        self._returned: Journal[Lease, None] = Journal(LEASES)
        self._handed: set[Lease] = set()

    # --- what happens

    def asked_for(self, lease: Lease) -> None:
        """The remote store is asked for *lease*."""
        self._known.note(lease, None)

    def settled(self, lease: Lease) -> None:
        """It knows that *lease* is nobody's, or another's."""
        self._known.pop(lease, None)

    def given_back(self, lease: Lease) -> None:
        """It does not know that, and may have to."""
        if lease in self._known:
            del self._known[lease]
            self._returned.note(lease, None)

    def wrote(self, partition: str, puts: Iterable[Put]) -> None:
        """Records were written here."""
        for put in puts:
            self._dropped.pop((partition, put.key), None)
            self._written.note((partition, put.key), None)

    def dropped(self, partition: str, keys: Iterable[str]) -> None:
        """Records were deleted here."""
        for key in keys:
            self._written.pop((partition, key), None)
            self._dropped.note((partition, key), self._clock.now())

    # --- what is told of it

    @property
    def records(self) -> int:
        """How many records it has not heard of."""
        return len(self._written)

    def left(self) -> int:
        """How much there is to be told."""
        unknown = sum(lease not in self._handed for lease, _, _ in self._here.holds())
        return len(self._written) + len(self._dropped) + len(self._returned) + unknown

    def begin(self) -> None:
        """Tell of all leases that are held here, whatever was told before."""
        self._handed.clear()

    async def tell(self) -> int:
        """Tell what there is by now; how much was written.  A lease is given back after what its turn has written.

        Raises `StoreFailed`; then what was not told is still to be told.
        """
        returned, merged = list(self._returned), 0
        for _ in range(len(self._written) + len(self._dropped)):
            if self._written or self._dropped:
                merged += await self._merge_some()
        for lease in returned:
            await self._remote.settle(lease, (), (), keep_s=0.0)
            self._returned.pop(lease, None)
        in_the_way = {(lease.partition, lease.key) for lease in self._returned}
        for lease, left_s, keep_s in self._here.holds():
            told = lease in self._handed or not self._here.is_held(lease)  # it may have been given back by now
            if not told and (lease.partition, lease.key) not in in_the_way:
                await self._hand_over(lease, left_s, keep_s)
        return merged

    async def _merge_some(self) -> int:
        """Merge some of what was written or dropped in one partition; how much was written."""
        partition = next(iter(self._written or self._dropped))[0]
        written = _some_of(self._written, partition)
        dropped = _some_of(self._dropped, partition)
        now = self._clock.now()
        puts = [late for key in written if (late := self._here.late(partition, key)) is not None]
        drops = [Dropped(key, now - at) for key, at in dropped.items()]
        try:
            await self._remote.merge(partition, puts, drops)
        except BaseException:
            self._not_merged(partition, list(written), dropped)
            raise
        return len(puts)

    def _not_merged(self, partition: str, written: Sequence[str], dropped: dict[str, float]) -> None:
        for key in written:
            if (partition, key) not in self._dropped:
                self._written.note((partition, key), None)
        for key, at in dropped.items():
            if (partition, key) not in self._written:
                self._dropped.note((partition, key), at)

    async def _hand_over(self, lease: Lease, left_s: float, keep_s: float) -> None:
        self.asked_for(lease)
        taken = await self._remote.take(lease, (), hold_s=left_s, keep_s=keep_s)
        if not taken.held:  # another host has it
            self._here.free(lease)
        self._handed.add(lease)


def _some_of(journal: Journal[Place, V], partition: str) -> dict[str, V]:
    """Some of the first entries that are of *partition*, taken out."""
    some = [place for place in islice(journal, LOOKED_AT_ONCE) if place[0] == partition][:MERGED_AT_ONCE]
    return {place[1]: journal.pop(place) for place in some}
