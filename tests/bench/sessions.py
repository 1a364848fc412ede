"""What a turn of a conversation costs in each store: `python -m tests.bench.sessions`.

CPU is that of the thread of the event loop, for a look-up under a lease and what settles it, two records each.
Measured with one turn at a time, where waking an idle loop is most of it; with many at once; and at a steady rate, less
what the loop spends on the rate itself.  How late the loop is, is told for that rate, beside an idle one's.
"""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

import redis
import uvloop

from proxy.clock import LoopClock
from proxy.sessions.degraded import DegradingStore
from proxy.sessions.memory import MemoryStore
from proxy.sessions.redis import RedisStore
from proxy.sessions.redis_url import parsed
from proxy.sessions.sqlite import SQLiteStore
from proxy.sessions.store import Lease, Put, RecordStore
from proxy.tasks import spawn
from proxy.testing.redis_server import RedisServer, valkey

TURNS = 2_000
AT_ONCE = 16
RATE_PER_S = 200
RATE_TURNS = 1_000
LOOK_S = 0.002
KEEP_S = 1800.0
VALUE = b"x" * 400

_numbers = count()


async def turn(store: RecordStore) -> None:
    """One turn of a conversation of its own."""
    key = f"{next(_numbers):032x}"
    lease = Lease("a11ce0", key, key)
    await store.take(lease, (key, "ff"), hold_s=30.0, keep_s=KEEP_S)
    await store.settle(lease, (Put(key, "5e55", VALUE), Put(f"{key}aa", "5e55", VALUE)), (), keep_s=KEEP_S)


async def nothing() -> None:
    """What a turn would be if it cost nothing."""


async def closed_loop(store: RecordStore, at_once: int) -> float:
    """Microseconds of CPU for each turn."""

    async def worker() -> None:
        for _ in range(TURNS // at_once):
            await turn(store)

    began = time.thread_time()
    await asyncio.gather(*(worker() for _ in range(at_once)))
    return (time.thread_time() - began) / TURNS * 1e6


async def at_a_rate(work: Callable[[], Awaitable[None]]) -> tuple[float, float]:
    """Microseconds of CPU for each turn, and how many milliseconds the loop is late, p99."""
    late: list[float] = []
    looking = spawn(look(late), name="look how late the loop is")
    loop = asyncio.get_running_loop()
    tasks, began, cpu = [], loop.time(), time.thread_time()
    for n in range(RATE_TURNS):
        await asyncio.sleep(max(0.0, began + n / RATE_PER_S - loop.time()))
        tasks.append(spawn(run(work), name="turn"))
    await asyncio.gather(*tasks)
    cpu = time.thread_time() - cpu
    looking.cancel()
    await asyncio.wait([looking])
    late.sort()
    return cpu / RATE_TURNS * 1e6, late[int(len(late) * 0.99)] * 1000


async def run(work: Callable[[], Awaitable[None]]) -> None:
    """A coroutine, as tasks want one."""
    await work()


async def look(late: list[float]) -> None:
    """Note again and again by how much a timer is late."""
    while True:
        due = time.perf_counter() + LOOK_S
        await asyncio.sleep(LOOK_S)
        late.append(time.perf_counter() - due)


@asynccontextmanager
async def stores(folder: Path) -> AsyncIterator[tuple[dict[str, RecordStore], RedisServer]]:
    """One of each kind."""
    clock = LoopClock()
    with RedisServer(valkey(), folder=folder / "valkey") as server:
        made: dict[str, RecordStore] = {
            "memory": MemoryStore(clock, max_records=100_000),
            "sqlite": SQLiteStore(folder / "sessions.db", clock, max_records=100_000),
            "redis": DegradingStore(
                RedisStore(parsed(server.url), prefix="bench", timeout_s=5.0), clock, max_records=100_000
            ),
        }
        try:
            yield made, server
        finally:
            for store in made.values():
                await store.close()


async def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        async with stores(Path(folder)) as (made, server):
            idle_us, idle_ms = await at_a_rate(nothing)
            say(f"at {RATE_PER_S} turns/s of nothing: {idle_us:.0f} us of the loop each, late p99 {idle_ms:.2f} ms")
            for name, store in made.items():
                await closed_loop(store, AT_ONCE)  # warm
                one, many = await closed_loop(store, 1), await closed_loop(store, AT_ONCE)
                rate_us, rate_ms = await at_a_rate(lambda store=store: turn(store))  # type: ignore[misc]  # bound
                say(
                    f"{name}: {one:.0f} us of the loop for a turn alone, {many:.0f} us with {AT_ONCE} at once,"
                    f" {rate_us - idle_us:.0f} us at {RATE_PER_S}/s; the loop is late p99 {rate_ms:.2f} ms"
                )
            say(f"redis: {await round_trips(made['redis'], server.port):.2f} round trips a turn")


async def round_trips(store: RecordStore, port: int) -> float:
    """Commands that a turn sends."""
    with redis.Redis(port=port) as client:
        client.config_resetstat()
        for _ in range(100):
            await turn(store)
        return float(client.info("commandstats")["cmdstat_evalsha"]["calls"]) / 100  # type: ignore[index]  # the library's


def say(line: str) -> None:
    """Print a line of the report."""
    print(line, flush=True)  # noqa: T201 - it is what the command is for


if __name__ == "__main__":
    uvloop.run(main())
