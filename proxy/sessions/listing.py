"""Conversations as they are listed: to their owner by the ids that the owner knows, to an operator by fingerprints."""

from collections.abc import Sequence
from dataclasses import dataclass

from proxy.sessions.keys import session_key
from proxy.sessions.record import Record
from proxy.sessions.store import Listed, RecordStore

MOST_LISTED = 1000
FINGERPRINT_CHARS = 12


@dataclass(frozen=True, slots=True)
class Summary:
    """One conversation: the partition and the group that it stands in, its head, and how many records it has."""

    partition: str
    group: str
    head: Record
    records: int

    @property
    def fingerprint(self) -> str:
        """What names it to an operator."""
        return self.group[:FINGERPRINT_CHARS]

    def told(self) -> dict[str, object]:
        """As its owner is told of it."""
        head = self.head
        return {
            "id": head.session_id,
            "object": "session",
            "model": head.model,
            "upstream": head.upstream,
            "turns": head.turns,
            "created": head.created_ms // 1000,
            "last_used": head.updated_ms // 1000,
        }


async def conversations(store: RecordStore, partition: str | None, limit: int = MOST_LISTED) -> list[Summary]:
    """The conversations of a partition, or of everyone, the last used first.  Raises `StoreFailed`."""
    return summaries(await store.sessions(partition, limit=limit))


async def conversation(store: RecordStore, partition: str, session_id: str) -> Summary | None:
    """One conversation of a partition, by its id.  Raises `StoreFailed`."""
    group = session_key(partition, session_id)
    return next((each for each in await conversations(store, partition) if each.group == group), None)


def summaries(listed: Sequence[Listed]) -> list[Summary]:
    """Those that can be read."""
    heads = ((each, Record.decoded(each.head)) for each in listed)
    return [Summary(each.partition, each.session, head, each.records) for each, head in heads if head is not None]
