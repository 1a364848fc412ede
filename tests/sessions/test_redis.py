"""What is said of the Redis store alone, on real servers: round trips, keys, failures, and what is never mixed up."""

import asyncio
import re
import socket
import ssl
import traceback
from contextlib import closing

import pytest
import trustme

from proxy.sessions.redis import CONNECTIONS
from proxy.sessions.store import Listed, StoreFailed
from proxy.testing.redis_server import LOOPBACK, answers, free_port
from tests.sessions.stores import ALICE, BOB, LASTS_S, put, take, whole_turn

pytestmark = pytest.mark.real


# --- round trips


async def test_a_turn_is_one_round_trip_before_and_one_after(server, client, opened):
    store = opened(server.url)
    await whole_turn(store)
    client.config_resetstat()

    for _ in range(10):
        await whole_turn(store)

    stats = client.info("commandstats")
    sent = {name.removeprefix("cmdstat_"): stats[name]["calls"] for name in stats}
    assert sent["evalsha"] == 20
    assert "eval" not in sent
    assert client.info("stats")["total_connections_received"] == 0
    inside = {"get", "set", "pexpire", "pttl", "time", "sadd", "srem", "zadd", "zrem", "del", "getrange", "exists"}
    assert sent.keys() - inside <= {"evalsha", "config|resetstat", "info"}


async def test_a_server_that_was_started_anew_is_told_the_scripts_again(server, client, opened):
    store = opened(server.url)
    await whole_turn(store)

    client.script_flush()

    await whole_turn(store)


async def test_leases_are_renewed_in_one_round_trip_for_each_partition(server, client, opened):
    store = opened(server.url)
    leases = [(await take(store, f"{n:x}", partition=partition))[0] for partition in (ALICE, BOB) for n in range(20)]
    await store.renew(leases, hold_s=LASTS_S)
    client.config_resetstat()

    assert all(await store.renew(leases, hold_s=LASTS_S))

    assert client.info("commandstats")["cmdstat_evalsha"]["calls"] == 2


async def test_connections_are_bounded(server, client, opened):
    store = opened(server.url)

    await asyncio.gather(*(whole_turn(store, f"{n:x}") for n in range(20 * CONNECTIONS)))

    ours = [each for each in client.client_list() if each["cmd"].startswith("eval")]
    assert len(ours) == CONNECTIONS


# --- keys


async def test_all_keys_of_a_partition_share_a_slot(server, client, opened):
    store = opened(server.url, prefix="its:own")
    lease, _ = await take(store, "aa")
    await store.write(ALICE, (put("bb"),), keep_s=0)

    keys = client.keys("*")

    assert len(keys) == 4
    assert all(re.fullmatch(r"its:own:\{a11ce0\}:(groups|[grl]:[0-9a-f]+)", key) for key in keys), keys
    assert await store.settle(lease, (), (), keep_s=0)


async def test_one_server_holds_several_daemons_apart(server, opened):
    ours, theirs = opened(server.url, prefix="ours"), opened(server.url, prefix="theirs")
    await whole_turn(ours)

    assert await theirs.sessions(None, limit=9) == []
    assert (await take(theirs, "aa", "aa"))[1].records == (None,)


async def test_databases_are_apart(server, opened):
    await whole_turn(opened(server.url))

    assert await opened(server.url[:-1] + "1").sessions(None, limit=9) == []


async def test_using_a_record_keeps_what_it_is_found_by(server, client, opened):
    store = opened(server.url)
    await store.write(ALICE, (put("aa"),), keep_s=LASTS_S)
    for key in client.keys("*"):
        assert client.pexpire(key, int(LASTS_S * 100))

    await take(store, "bb", "aa", keep_s=LASTS_S)

    assert {key for key in client.keys("*") if client.pttl(key) <= LASTS_S * 500} == set()


async def test_an_index_outlives_its_longest_record(server, client, opened):
    """Whichever is written first."""
    store = opened(server.url)
    for order in ((LASTS_S, 10.0), (10.0, LASTS_S), (0, 10.0), (10.0, 0)):
        client.flushall()
        for n, keep_s in enumerate(order):
            await store.write(ALICE, (put(f"{n}"),), keep_s=keep_s)

        left = {client.pttl("test:{a11ce0}:groups"), client.pttl("test:{a11ce0}:g:5e55")}
        assert all(each == -1 if 0 in order else each > 0.9 * LASTS_S * 1000 for each in left), order


async def test_nothing_stays_for_ever_that_was_not_asked_to(server, client, opened):
    store = opened(server.url)
    await whole_turn(store, keep_s=LASTS_S)
    await take(store, "cc", hold_s=LASTS_S)
    await store.probe()

    assert [key for key in client.keys("*") if client.pttl(key) < 0] == []


async def test_deleting_a_partition_leaves_nothing(server, client, opened):
    store = opened(server.url)
    await whole_turn(store)
    await take(store, "aa")

    await store.delete(ALICE, None)

    assert client.keys("*") == []


async def test_what_is_no_record_is_no_answer(server, client, opened):
    """Whoever else writes under our prefix."""
    store = opened(server.url)
    client.hset("test:{a11ce0}:r:aa", "not", "ours")

    with pytest.raises(StoreFailed):
        await take(store, "aa", "aa")


# --- failures


async def test_a_server_that_is_not_there_is_asked_once(opened):
    """The library's own idea would be to try for seconds."""
    with socket.create_server((LOOPBACK, 0)) as listening:
        port = listening.getsockname()[1]
        listening.settimeout(0.0)
        hangs_up = asyncio.get_running_loop().create_task(accepted_and_closed(listening))
        with pytest.raises(StoreFailed):
            await take(opened(f"redis://{LOOPBACK}:{port}"), "aa")
        hangs_up.cancel()
        assert await asyncio.gather(hangs_up, return_exceptions=True) != [None]
        assert CONNECTED == [1]


CONNECTED: list[int] = []


async def accepted_and_closed(listening) -> None:
    CONNECTED[:] = [0]
    while True:
        connection, _ = await asyncio.get_running_loop().sock_accept(listening)
        CONNECTED[0] += 1
        connection.close()


async def test_nobody_listens(opened):
    with pytest.raises(StoreFailed) as raised:
        await take(opened(f"redis://{LOOPBACK}:{free_port()}"), "aa")

    assert str(raised.value) == "Redis: ConnectionError"


async def test_a_frozen_server_costs_one_deadline(server, opened):
    """Connected or not, and however many wait for a connection."""
    store = opened(server.url, timeout_s=0.1)
    await take(store, "aa")
    server.freeze()
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        failed = await asyncio.gather(*(take(store, f"{n:x}") for n in range(3 * CONNECTIONS)), return_exceptions=True)
    finally:
        server.thaw()

    assert {str(each) for each in failed} == {"Redis: no answer in time"}
    assert loop.time() - began < 2.0, "a deadline after the other would be seconds"
    patient = opened(server.url)
    assert (await take(patient, "bb"))[1].held


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (("--requirepass", "s3cr3t"), "AuthenticationError"),
        (("--maxmemory", "1", "--maxmemory-policy", "noeviction"), "OutOfMemoryError"),
        (("--replicaof", f"{LOOPBACK} 1"), "ReadOnlyError"),
    ],
    ids=["password", "memory", "replica"],
)
async def test_a_server_that_refuses(started, opened, args, told):
    """It answers reads, or pings; but a store that can't be written is lost, and a probe must see that, too."""
    store = opened(started(*args).url)

    for asked in (take(store, "aa"), store.probe()):
        with pytest.raises(StoreFailed) as raised:
            await asked
        assert str(raised.value) == f"Redis: {told}"


async def test_no_failure_tells_a_secret_or_an_address(started, opened):
    """Nor does anything that it stands on."""
    server = started("--requirepass", "right")
    url = f"redis://u5er:s3cr3t@{LOOPBACK}:{server.port}/0"
    store = opened(url)
    with pytest.raises(StoreFailed) as raised:
        await take(store, "aa")

    told = f"{store!r} {store} {''.join(traceback.format_exception(raised.value))}"

    assert "u5er" not in told
    assert "s3cr3t" not in told
    assert str(server.port) not in f"{store!r} {raised.value!r}"


# --- ways in


async def test_a_socket_of_this_host(server, opened, tmp_path):
    link = tmp_path / "s"
    link.symlink_to(server.socket_path)
    await whole_turn(opened(f"unix://{link}"))

    assert len(await opened(server.url).sessions(None, limit=9)) == 1


async def test_a_password(started, opened):
    server = started("--requirepass", "s3cr3t/@")

    await whole_turn(opened(f"redis://:s3cr3t%2F%40@{LOOPBACK}:{server.port}"))
    await whole_turn(opened(f"redis://default:s3cr3t%2F%40@{LOOPBACK}:{server.port}/1"))


async def test_tls(server, opened, tmp_path):
    """Neither wheel's server was built with it, so somebody else ends it in front of one."""
    authority, certificates = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(LOOPBACK).configure_cert(certificates)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))

    async def relay(reader, writer) -> None:
        its_reader, its_writer = await asyncio.open_connection(LOOPBACK, server.port)
        await asyncio.gather(pipe(reader, its_writer), pipe(its_reader, writer))

    async with await asyncio.start_server(relay, LOOPBACK, 0, ssl=certificates) as listening:
        url = f"rediss://{LOOPBACK}:{listening.sockets[0].getsockname()[1]}"
        trusting = opened(f"{url}?ssl_ca_certs={tmp_path}/ca.pem")
        await whole_turn(trusting)
        with pytest.raises(StoreFailed):
            await whole_turn(opened(url))
        await trusting.close()


async def pipe(reader, writer) -> None:
    while piece := await reader.read(65536):
        writer.write(piece)
    writer.close()


# --- the harness


def test_a_server_of_the_harness_is_killed_frozen_and_started_anew(started):
    server = started()
    server.kill()
    with closing(socket.socket()) as connection:
        assert connection.connect_ex((LOOPBACK, server.port)) != 0
    server.start()
    assert answers(server.port)
    server.freeze()
    assert not answers(server.port)
    server.thaw()
    assert answers(server.port)


async def test_many_partitions_are_listed_together(server, opened):
    store = opened(server.url)
    for n in range(50):
        await store.write(f"{n:x}", (put("aa", session="aa"),), keep_s=LASTS_S)
        await asyncio.sleep(0.002)

    listed = await store.sessions(None, limit=3)

    assert listed == [Listed(f"{n:x}", "aa", b"value", 1) for n in (49, 48, 47)]
