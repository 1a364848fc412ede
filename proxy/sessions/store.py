"""What conversations need of a store: records under a caller, and leases with a fence.

A store knows nothing of conversations: keys and values are opaque to it.  Everything of one caller stands in one
*partition*, so that a shared store can keep it in one place, and each operation is one atomic step there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Lease:
    """One turn's hold on one key of a partition; *token* is what nobody else can give it back, or write under it, by.

    All three are hexadecimal digits.
    """

    partition: str
    key: str
    token: str


@dataclass(frozen=True, slots=True)
class Taken:
    """What taking a lease has brought.

    *held*: the lease is the asker's; otherwise another's, which has not run out.  *abandoned*: its last holder never
    gave it back, and it ran out: a worker died in the middle of a turn.  *records*: the values of the keys that were
    to be read, in order, None where there is none; they are read in the same step, whether or not the lease is held.
    *degraded*: another store stood in for the one that was to be asked.
    """

    held: bool
    abandoned: bool
    records: tuple[bytes | None, ...]
    degraded: bool = False


@dataclass(frozen=True, slots=True)
class Put:
    """A record to be written: *session* is the hexadecimal name of the group that it is listed and deleted with."""

    key: str
    session: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Listed:
    """A group of records, as far as a list tells of it: *head* is the value of the record whose key is its name."""

    partition: str
    session: str
    head: bytes | None
    records: int


class RecordStore(Protocol):
    """Where records and leases are kept.

    *keep_s* is the seconds that a record is kept after its last use, 0 = for ever; reading a record is using it.
    Foreign exceptions stop here: whatever goes wrong is raised as `StoreFailed`.
    """

    @property
    def degraded(self) -> bool:
        """Whether another store stands in for it at the moment."""

    async def take(self, lease: Lease, reads: Sequence[str], *, hold_s: float, keep_s: float) -> Taken:
        """Take *lease* for *hold_s* seconds, unless another holds it, and read, in one step."""

    async def renew(self, leases: Sequence[Lease], *, hold_s: float) -> Sequence[bool]:
        """Hold each lease for *hold_s* seconds from now on; false for one that is another's by now, or nobody's."""

    async def settle(self, lease: Lease, puts: Sequence[Put], drops: Sequence[str], *, keep_s: float) -> bool:
        """Write *puts*, delete *drops*, and give the lease back, in one step.

        When the lease is no longer the asker's nothing is done at all, and the answer is false.
        """

    async def write(self, partition: str, puts: Sequence[Put], *, keep_s: float) -> None:
        """Write records that no lease protects."""

    async def sessions(self, partition: str | None, *, limit: int) -> Sequence[Listed]:
        """The groups of a partition, or of all (None), the most recently written first, *limit* at most."""

    async def delete(self, partition: str, session: str | None) -> int:
        """Delete a group's records, or all of the partition; returns how many groups there were."""

    async def close(self) -> None:
        """Give everything back."""


class StoreFailed(Exception):
    """The store could not be asked, or did not answer in time.  The message names no address and no secret."""
