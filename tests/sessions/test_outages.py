"""A real server is frozen, killed and started anew under load: turns go on, and each pays for it once at most."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from proxy.clock import LoopClock
from proxy.sessions.degraded import LONGEST_PROBE_S, DegradingStore
from proxy.testing.redis_server import RedisServer
from tests.sessions.conftest import BINARIES
from tests.sessions.stores import LASTS_S, PATIENCE_S, put, redis_store, take

pytestmark = pytest.mark.real

TIMEOUT_S = 0.25
MARGIN_S = 1.0  # the machine may be busy
CALLERS = 20


@pytest.fixture(params=BINARIES)
def server(request, tmp_path):
    """A server of the test's own."""
    with RedisServer(BINARIES[request.param](), folder=tmp_path / "server") as running:
        yield running


@pytest.fixture
async def store(server):
    """As a worker has it."""
    made = DegradingStore(redis_store(server.url, timeout_s=TIMEOUT_S), LoopClock(), max_records=1_000)
    yield made
    await made.close()


@dataclass
class Load:
    """Callers who take turns, one after another, each in a conversation of its own; and what becomes of it."""

    store: DegradingStore
    stopped: bool = False
    turns: int = 0
    lost: int = 0
    wrong: list[tuple[bytes | None, bytes]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    last: dict[int, bytes] = field(default_factory=dict)

    async def run(self) -> None:
        """Until it is stopped."""
        await asyncio.gather(*(self._caller(number) for number in range(CALLERS)))

    async def _caller(self, number: int) -> None:
        rng, key = random.Random(number), f"{number:x}"
        while not self.stopped:
            lease, taken = await self._timed(take(self.store, key, key))
            expected = self.last.get(number, b"")
            if taken.records[0] not in (None, expected):
                self.wrong.append((taken.records[0], expected))
            await asyncio.sleep(rng.random() * 0.02)
            value = b"%d %d" % (number, self.turns)
            done = await self._timed(self.store.settle(lease, (put(key, value),), (), keep_s=LASTS_S))
            self.turns += 1
            self.lost += not (taken.held and done)
            self.last[number] = value

    async def _timed(self, call):
        began = asyncio.get_running_loop().time()
        answer = await call
        self.seconds.append(asyncio.get_running_loop().time() - began)
        return answer

    async def more(self) -> None:
        """Let every caller have some turns."""
        turns = self.turns
        await until(lambda: self.turns >= turns + 3 * CALLERS, limit_s=PATIENCE_S)


async def until(so: Callable[[], bool], *, limit_s: float) -> None:
    """Look until it is so."""
    async with asyncio.timeout(limit_s):
        while not so():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.005)


async def lost(store, limit_s: float = TIMEOUT_S + MARGIN_S) -> None:
    """Wait until the store has noticed."""
    await until(lambda: store.degraded, limit_s=limit_s)


async def found(store, limit_s: float = LONGEST_PROBE_S + MARGIN_S) -> None:
    """Wait until it has noticed that, too."""
    await until(lambda: not store.degraded, limit_s=limit_s)


@pytest.mark.parametrize("how", ["freeze", "kill"])
async def test_turns_go_on_while_the_server_does_not(server, store, how):
    load = Load(store)
    running = asyncio.ensure_future(load.run())  # noqa: TID251 - a test's own
    await load.more()
    assert not store.degraded

    getattr(server, how)()
    await lost(store)
    await load.more()
    assert store.degraded
    server.thaw() if how == "freeze" else server.start()
    await found(store)
    await load.more()
    load.stopped = True
    await running

    assert (load.lost, load.wrong) == (0, [])
    assert [each for each in load.seconds if each > TIMEOUT_S + MARGIN_S] == []
    assert sum(each > 0.8 * TIMEOUT_S for each in load.seconds) <= CALLERS
    elsewhere = redis_store(server.url)
    keys = [f"{number:x}" for number in range(CALLERS)]
    records = (await take(elsewhere, "ffff", *keys))[1].records
    await elsewhere.close()
    assert records == tuple(load.last[number] for number in range(CALLERS))


async def test_a_server_that_comes_and_goes(server, store):
    """However often."""
    load = Load(store)
    running = asyncio.ensure_future(load.run())  # noqa: TID251 - a test's own
    for _ in range(4):
        server.freeze()
        await lost(store)
        server.thaw()
        await found(store)
    load.stopped = True
    await running

    assert (load.lost, load.wrong) == (0, [])
    assert [each for each in load.seconds if each > TIMEOUT_S + MARGIN_S] == []


async def test_a_server_that_was_gone_at_the_start(server, store):
    server.kill()
    lease, taken = await take(store, "aa")
    assert taken.held
    assert taken.degraded
    assert await store.settle(lease, (put("aa", b"1"),), (), keep_s=LASTS_S)

    server.start()
    await found(store)

    elsewhere = redis_store(server.url)
    assert (await take(elsewhere, "aa", "aa"))[1].records == (b"1",)
    await elsewhere.close()


async def test_two_hosts_find_each_others_turns_after_an_outage(server, store):
    other = DegradingStore(redis_store(server.url, timeout_s=TIMEOUT_S), LoopClock(), max_records=1_000)
    await take(store, "aa"), await take(other, "bb")
    server.freeze()
    for each, key in ((store, "cc"), (other, "dd")):
        lease, _ = await take(each, key)
        assert await each.settle(lease, (put(key, key.encode()),), (), keep_s=LASTS_S)
    server.thaw()
    for each in (store, other):
        await found(each)

    assert (await take(store, "ee", "dd"))[1].records == (b"dd",)
    assert (await take(other, "ff", "cc"))[1].records == (b"cc",)
    assert not (await take(other, "aa"))[1].held
    await other.close()
