"""What a store on another host must be able to do besides, so that another can stand in for it meanwhile."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from proxy.sessions.store import Put, RecordStore


@dataclass(frozen=True, slots=True)
class Late:
    """A record that was written elsewhere *age_s* ago, and is to be kept for *keep_s* from now on (0 = for ever)."""

    put: Put
    age_s: float
    keep_s: float


@dataclass(frozen=True, slots=True)
class Dropped:
    """A record that was deleted elsewhere *age_s* ago."""

    key: str
    age_s: float


class RemoteStore(RecordStore, Protocol):
    """A `RecordStore` that may be out of reach."""

    async def probe(self) -> None:
        """Write something; raises `StoreFailed` while it is out of reach, or can't be written."""

    async def merge(self, partition: str, puts: Sequence[Late], drops: Sequence[Dropped]) -> None:
        """Write and delete, but for what has been written since."""
