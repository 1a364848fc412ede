"""Records and leases in this process: gone when it ends, and seen by nobody else."""

import heapq
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count
from math import inf

from proxy.deadline import Clock
from proxy.sessions.remote import Late
from proxy.sessions.store import Lease, Listed, Put, Taken

FIRST_TIDY_LEASES = 1_000
"""How many leases there are before those are looked for whose holders are gone, and whose records must be, too."""


@dataclass(slots=True)
class Kept:
    """A record; *written* and *expires* are monotonic seconds."""

    session: str
    value: bytes
    written: float
    expires: float = inf


@dataclass(slots=True)
class Hold:
    """A lease: another may take it from *until* on, and until *forgotten* it is told that it was never given back."""

    lease: Lease
    until: float
    forgotten: float


@dataclass(slots=True)
class Group:
    """The keys of a group, and the number of its last write."""

    keys: set[str] = field(default_factory=set)
    written: int = 0


class MemoryStore:
    """A `RecordStore` of at most *max_records*; the least recently used go first."""

    degraded = False

    def __init__(self, clock: Clock, *, max_records: int) -> None:
        self._clock = clock
        self._max_records = max_records
        self._records: OrderedDict[tuple[str, str], Kept] = OrderedDict()  # the least recently used first
        self._groups: dict[str, dict[str, Group]] = {}
        self._holds: dict[tuple[str, str], Hold] = {}
        self._tidy_at = FIRST_TIDY_LEASES
        self._writes = count(1)

    # --- the port

    async def take(self, lease: Lease, reads: Sequence[str], *, hold_s: float, keep_s: float) -> Taken:
        """See `RecordStore`."""
        now = self._clock.now()
        hold = self._holds.get((lease.partition, lease.key))
        others = hold is not None and hold.lease.token != lease.token
        held = hold is None or not others or hold.until <= now
        abandoned = others and hold is not None and hold.until <= now < hold.forgotten
        if held:
            self._hold(lease, now, hold_s, keep_s)
        return Taken(held, abandoned, tuple(self._read(lease.partition, key, now, keep_s) for key in reads))

    async def renew(self, leases: Sequence[Lease], *, hold_s: float) -> Sequence[bool]:
        """See `RecordStore`."""
        now = self._clock.now()
        still = [self._own(lease) for lease in leases]
        for hold in filter(None, still):
            hold.forgotten += now + hold_s - hold.until
            hold.until = now + hold_s
        return [hold is not None for hold in still]

    async def settle(self, lease: Lease, puts: Sequence[Put], drops: Sequence[str], *, keep_s: float) -> bool:
        """See `RecordStore`."""
        if self._own(lease) is None:
            return False
        self._put(lease.partition, puts, keep_s)
        for key in drops:
            self._drop(lease.partition, key)
        del self._holds[lease.partition, lease.key]
        return True

    async def write(self, partition: str, puts: Sequence[Put], *, keep_s: float) -> None:
        """See `RecordStore`."""
        self._put(partition, puts, keep_s)

    async def sessions(self, partition: str | None, *, limit: int) -> Sequence[Listed]:
        """See `RecordStore`."""
        self._forget_expired()
        places = self._groups if partition is None else self._groups.keys() & {partition}
        groups = ((place, name, group) for place in places for name, group in self._groups[place].items())
        newest = heapq.nlargest(limit, groups, key=lambda each: each[2].written)
        return [Listed(place, name, self._value(place, name), len(group.keys)) for place, name, group in newest]

    async def delete(self, partition: str, session: str | None) -> int:
        """See `RecordStore`."""
        self._forget_expired()
        groups = self._groups.get(partition, {})
        names = list(groups) if session is None else [session] if session in groups else []
        for name in names:
            for key in list(groups[name].keys):
                self._drop(partition, key)
                self._holds.pop((partition, key), None)
        revoked = [session] if session is not None else [key for place, key in self._holds if place == partition]
        for key in revoked:
            self._holds.pop((partition, key), None)
        return len(names)

    async def close(self) -> None:
        """See `RecordStore`."""
        self._records.clear()
        self._groups.clear()
        self._holds.clear()

    # --- for a store that this one stands in for

    def hold(self, lease: Lease, *, hold_s: float, keep_s: float) -> None:
        """Know of a lease that was taken elsewhere, whoever has held it here."""
        self._hold(lease, self._clock.now(), hold_s, keep_s)

    def free(self, lease: Lease) -> None:
        """Know of a lease that was given back, or lost, elsewhere."""
        if self._own(lease) is not None:
            del self._holds[lease.partition, lease.key]

    def is_held(self, lease: Lease) -> bool:
        """Whether it is its asker's, and nobody else's."""
        return self._own(lease) is not None

    def holder(self, lease: Lease) -> Lease | None:
        """Who was last granted what *lease* asks for, and has not given it back."""
        hold = self._holds.get((lease.partition, lease.key))
        return hold.lease if hold is not None else None

    def holds(self) -> Sequence[tuple[Lease, float, float]]:
        """The leases that were not given back: for how many seconds yet, and for how many that is told afterwards."""
        now = self._clock.now()
        known = [hold for hold in self._holds.values() if now < hold.forgotten]
        return [(hold.lease, max(0.0, hold.until - now), _keep_s(hold.forgotten - hold.until)) for hold in known]

    def late(self, partition: str, key: str) -> Late | None:
        """A record, and how long ago it was written."""
        now = self._clock.now()
        kept = self._records.get((partition, key))
        if kept is None or kept.expires <= now:
            return None
        return Late(Put(key, kept.session, kept.value), now - kept.written, _keep_s(kept.expires - now))

    def forget_records(self) -> None:
        """Keep the leases only."""
        self._records.clear()
        self._groups.clear()

    # --- leases

    def _own(self, lease: Lease) -> Hold | None:
        hold = self._holds.get((lease.partition, lease.key))
        return hold if hold is not None and hold.lease.token == lease.token else None

    def _hold(self, lease: Lease, now: float, hold_s: float, keep_s: float) -> None:
        self._tidy(now)
        until = now + hold_s
        self._holds[lease.partition, lease.key] = Hold(lease, until, until + (keep_s or inf))

    def _tidy(self, now: float) -> None:
        """Forget what crashed holders have left, once there is twice as much as after the last time."""
        if len(self._holds) >= self._tidy_at:
            self._holds = {place: hold for place, hold in self._holds.items() if now < hold.forgotten}
            self._tidy_at = max(FIRST_TIDY_LEASES, 2 * len(self._holds))

    # --- records

    def _read(self, partition: str, key: str, now: float, keep_s: float) -> bytes | None:
        kept = self._records.get((partition, key))
        if kept is None:
            return None
        if kept.expires <= now:
            self._drop(partition, key)
            return None
        kept.expires = now + (keep_s or inf)
        self._records.move_to_end((partition, key))
        return kept.value

    def _value(self, partition: str, key: str) -> bytes | None:
        kept = self._records.get((partition, key))
        return kept.value if kept is not None else None

    def _put(self, partition: str, puts: Iterable[Put], keep_s: float) -> None:
        now = self._clock.now()
        for put in puts:
            self._drop(partition, put.key)  # it may have stood in another group
            self._records[partition, put.key] = Kept(put.session, put.value, now, now + (keep_s or inf))
            group = self._groups.setdefault(partition, {}).setdefault(put.session, Group())
            group.keys.add(put.key)
            group.written = next(self._writes)
        self._evict(now)

    def _evict(self, now: float) -> None:
        """Make room; whoever was not used for longest is the likeliest to have expired, too."""
        while self._records:
            (partition, key), kept = next(iter(self._records.items()))
            if len(self._records) <= self._max_records and now < kept.expires:
                break
            self._drop(partition, key)

    def _forget_expired(self) -> None:
        now = self._clock.now()
        for partition, key in [place for place, kept in self._records.items() if kept.expires <= now]:
            self._drop(partition, key)

    def _drop(self, partition: str, key: str) -> None:
        kept = self._records.pop((partition, key), None)
        if kept is None:
            return
        groups = self._groups[partition]
        group = groups[kept.session]
        group.keys.discard(key)
        if not group.keys:
            del groups[kept.session]
            if not groups:
                del self._groups[partition]


def _keep_s(seconds: float) -> float:
    return 0.0 if seconds == inf else seconds
