"""Sentinel and Cluster, with real servers of each kind."""

import asyncio
import time

import pytest
import redis

from proxy.sessions.store import StoreFailed
from proxy.testing.redis_server import LOOPBACK, RedisServer, free_port
from tests.sessions.conftest import BINARIES
from tests.sessions.stores import ALICE, BOB, LASTS_S, PATIENCE_S, names, put, redis_store, take

pytestmark = pytest.mark.real

SLOTS = 16_384
PARTITIONS = (ALICE, BOB, *(f"{n}a" for n in range(8)))
SENTINEL = """
sentinel monitor mine {host} {port} 1
sentinel down-after-milliseconds mine 300
sentinel failover-timeout mine 2000
"""


@pytest.fixture(params=BINARIES)
def binary(request):
    """The server of one kind, then of the other."""
    return BINARIES[request.param]()


def until(so, limit_s=PATIENCE_S):
    """Look until it is so; nothing else has to go on meanwhile."""
    end = time.monotonic() + limit_s
    while not so():
        assert time.monotonic() < end, "it never was"
        time.sleep(0.01)


async def conversations(store):
    """Turns of several callers, whose records are wherever their partitions are."""
    for partition in PARTITIONS:
        lease, taken = await take(store, "aa", "aa", partition=partition)
        assert (taken.held, taken.records) == (True, (None,))
        assert await store.settle(lease, (put("aa", partition.encode(), session="aa"),), ("bb",), keep_s=LASTS_S)
        lease, taken = await take(store, "aa", "aa", partition=partition)
        assert taken.records == (partition.encode(),)
        assert await store.renew([lease], hold_s=LASTS_S) == [True]
    assert sorted(each.partition for each in await store.sessions(None, limit=99)) == sorted(PARTITIONS)
    assert names(await store.sessions(BOB, limit=9)) == ["aa"]
    assert await store.delete(BOB, "aa") == 1
    await store.probe()


async def test_a_cluster(binary, tmp_path):
    """Two nodes share the slots; the URL names one of them."""
    args = ("--cluster-enabled", "yes", "--cluster-node-timeout", "2000")
    with (
        RedisServer(binary, folder=tmp_path / "one", args=args) as one,
        RedisServer(binary, folder=tmp_path / "two", args=args) as two,
        redis.Redis(port=one.port) as first,
        redis.Redis(port=two.port) as second,
    ):
        first.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, SLOTS // 2 - 1)
        second.execute_command("CLUSTER", "ADDSLOTSRANGE", SLOTS // 2, SLOTS - 1)
        second.execute_command("CLUSTER", "MEET", LOOPBACK, one.port)
        for client in (first, second):
            until(lambda client=client: client.cluster("INFO")["cluster_state"] == "ok")
        store = redis_store(f"redis+cluster://{LOOPBACK}:{one.port}")
        try:
            await conversations(store)
            assert all(client.dbsize() > 0 for client in (first, second)), "all partitions fell on one node"
        finally:
            await store.close()


async def test_sentinel_leads_to_the_server_and_to_the_next_one(binary, tmp_path):
    """One of the two sentinels is not there at all."""
    with (
        RedisServer(binary, folder=tmp_path / "main") as main,
        RedisServer(binary, folder=tmp_path / "spare", args=("--replicaof", f"{LOOPBACK} {main.port}")) as spare,
    ):
        with redis.Redis(port=spare.port) as client:
            until(lambda: client.info("replication")["master_link_status"] == "up")
        with Sentinel(binary, main.port, tmp_path / "sentinel") as sentinel:
            url = f"redis+sentinel://{LOOPBACK}:{free_port()},{LOOPBACK}:{sentinel.port}/mine"
            store = redis_store(url)
            try:
                await conversations(store)
                with redis.Redis(port=sentinel.port) as client:
                    until(lambda: client.sentinel_master("mine")["num-slaves"] == 1)
                main.kill()
                async with asyncio.timeout(PATIENCE_S):
                    while not await works(store):  # noqa: ASYNC110 - nobody tells
                        await asyncio.sleep(0.05)
                assert (await take(store, "bb", "aa"))[1].records == (ALICE.encode(),)
                with redis.Redis(port=spare.port) as client:
                    assert client.info("replication")["role"] == "master"
            finally:
                await store.close()


async def works(store) -> bool:
    try:
        await store.probe()
    except StoreFailed:
        return False
    return True


class Sentinel(RedisServer):
    """A sentinel that watches the server on a port, under the name `mine`."""

    def __init__(self, binary, watched, folder):
        super().__init__(binary, folder=folder)
        self._watched = watched

    def _own_arguments(self):
        path = self.folder / "sentinel.conf"
        path.write_text(SENTINEL.format(host=LOOPBACK, port=self._watched))
        return [str(path), "--sentinel", "--bind", LOOPBACK, "--port", str(self.port), "--dir", str(self.folder)]
