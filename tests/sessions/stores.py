"""The stores that every contract holds for, each with two ways in and a way to let time pass."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from proxy.clock import LoopClock
from proxy.sessions.degraded import DegradingStore
from proxy.sessions.memory import MemoryStore
from proxy.sessions.redis import RedisStore
from proxy.sessions.redis_url import parsed
from proxy.sessions.sqlite import SQLiteStore
from proxy.sessions.store import Lease, Put, RecordStore, Taken
from proxy.testing.clock import ManualClock

ALICE, BOB = "a11ce0", "b0b0"
PASSES_S = 0.02
"""What passes at once, in tests of stores whose clock can't be moved."""

LASTS_S = 600.0
"""What does not pass within a test, however slow the machine."""

FREE = Taken(held=True, abandoned=False, records=())
BUSY = Taken(held=False, abandoned=False, records=())
ABANDONED = Taken(held=True, abandoned=True, records=())
"""What taking a lease brings, when nothing is read."""

PATIENCE_S = 20.0
"""How long a server may take where that is not the question: the machine may be busy."""

_tokens = count(1)


@dataclass(frozen=True)
class Subject:
    """A store under test; *other* is another worker's way into the same records."""

    store: RecordStore
    other: RecordStore
    elapse: Callable[[float], Awaitable[None]]
    """Lets seconds pass."""

    moves_time: bool = False
    """Whether much of it can pass at once."""

    async def take(self, key: str, *reads: str, **options: object) -> tuple[Lease, Taken]:
        """Take a lease as somebody new."""
        return await take(self.store, key, *reads, **options)

    async def recorded(self, *puts: Put, partition: str = ALICE, keep_s: float = LASTS_S) -> None:
        """Write records that no lease protects."""
        await self.store.write(partition, puts, keep_s=keep_s)

    async def read(self, *keys: str, partition: str = ALICE, keep_s: float = LASTS_S) -> tuple[bytes | None, ...]:
        """What stands under *keys*; leaves no lease."""
        lease, taken = await take(self.store, "ead0", *keys, partition=partition, keep_s=keep_s)
        assert await self.store.settle(lease, (), (), keep_s=keep_s)
        return taken.records


async def take(
    store: RecordStore,
    key: str,
    *reads: str,
    partition: str = ALICE,
    hold_s: float = LASTS_S,
    keep_s: float = LASTS_S,
    token: str | None = None,
) -> tuple[Lease, Taken]:
    """Take a lease on *key*, as somebody new unless there is a *token*."""
    lease = new_lease(key, partition=partition, token=token)
    return lease, await store.take(lease, reads, hold_s=hold_s, keep_s=keep_s)


def new_lease(key: str, *, partition: str = ALICE, token: str | None = None) -> Lease:
    """A lease that nobody has asked for yet."""
    return Lease(partition, key, token or f"{next(_tokens):032x}")


def put(key: str, value: bytes = b"value", *, session: str = "5e55") -> Put:
    """A record."""
    return Put(key, session, value)


def names(listed: Sequence[object]) -> list[str]:
    """The names of listed groups, in order."""
    return [each.session for each in listed]  # type: ignore[attr-defined]  # they are `Listed`


def memory(max_records: int = 1_000) -> Subject:
    """A memory store; whoever is in the process has the same one."""
    clock = ManualClock()
    store = MemoryStore(clock, max_records=max_records)
    return Subject(store, store, clock.advance, moves_time=True)


def sqlite(folder: Path, max_records: int = 1_000) -> Subject:
    """A SQLite store, as two processes of one host have it open."""
    clock = ManualClock()
    path = folder / "sessions.db"
    stores = [SQLiteStore(path, clock, max_records=max_records) for _ in range(2)]
    return Subject(stores[0], stores[1], clock.advance, moves_time=True)


def redis_store(url: str, *, prefix: str = "test", timeout_s: float = PATIENCE_S) -> RedisStore:
    """A worker's way into a server."""
    return RedisStore(parsed(url), prefix=prefix, timeout_s=timeout_s)


def redis(url: str) -> Subject:
    """A server, as two processes have it open."""
    return Subject(redis_store(url), redis_store(url), really)


def degrading(url: str) -> Subject:
    """The same, as workers really have it: with memory that would stand in."""
    both = [DegradingStore(redis_store(url), LoopClock(), max_records=1_000) for _ in range(2)]
    return Subject(both[0], both[1], really)


async def really(seconds: float) -> None:
    """Let time pass where there is only real time."""
    await asyncio.sleep(seconds * 1.5)


async def whole_turn(store, key="aa", *, reads=("aa", "bb"), partition=ALICE, keep_s=LASTS_S):
    lease, taken = await take(store, key, *reads, partition=partition, keep_s=keep_s)
    assert taken.held
    puts = (put(reads[0]), put(f"{key}e"))
    assert await store.settle(lease, puts, reads[1:], keep_s=keep_s)
