"""How soon the upstream sees that a caller has left, in figures; and that a thousand who left leave nothing behind."""

import asyncio
import math
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import pytest
import pytest_asyncio

from proxy.testing.process import Daemon
from proxy.testing.raw import PING, ROLE, Repeat, Script, Stall, error, says, sse
from proxy.testing.raw_server import RawServer
from tests.contract.gateway import MAIN, body, serving
from tests.e2e.wire import Connection, Json, chat, connected, request, until_live

pytestmark = pytest.mark.asyncio(loop_scope="module")

CHAT = "/v1/chat/completions"
EACH = 40  # aborts in each of the five states
P99_S = 0.25
MANY = 1000
AT_ONCE = 25
SETTLED_S = 0.05  # from the daemon's last visible act to its rest in the state; the log line says whether it was enough
SETTLE_LIMIT_S = 5.0
POLL_S = 0.005
TCP_ESTABLISHED = 1  # first byte of struct tcp_info; tcp(7)

BEGUN: Script = (sse(), ROLE, says("Hel"), Stall())


@dataclass(frozen=True, slots=True)
class Case:
    """A state in which callers leave: what makes a request rest there, and the end of its path.

    *calls* is how many calls to the upstream each request makes; *seen* is what its caller has got by then.
    """

    script: Script
    path: str
    stream: bool = True
    calls: int = 1
    seen: bytes = b""
    cancels: bool = True
    """Whether a call is open then, so that the upstream sees the caller's leaving."""


CASES = {
    "first-token": Case((sse(), ROLE, Stall()), "upstream"),
    "stream": Case(BEGUN, "upstream>stream", seen=b'"Hel"'),
    "read": Case(BEGUN, "upstream>read", stream=False),
    "backoff": Case((error(503, retry_after_ms="4000"),), "upstream>backoff", cancels=False),
    "queue": Case(BEGUN, "upstream", calls=0, cancels=False),
}
QUICK = "quick"
BABBLING: Script = (sse(), ROLE, says("Hel"), Repeat(PING, 0.05))
"""Without end, but not silent: what writes finds out that nobody listens, and does not hold its own socket for long."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def upstreams() -> AsyncIterator[dict[str, RawServer]]:
    scripts = {name: case.script for name, case in CASES.items()} | {QUICK: BABBLING}
    async with AsyncExitStack() as stack:
        yield {name: await stack.enter_async_context(RawServer(script)) for name, script in scripts.items()}


@pytest.fixture(scope="module")
def config(upstreams: dict[str, RawServer]) -> Json:
    listed = [{"name": name, "base_url": each.base_url} for name, each in upstreams.items()]
    return {
        "auth": {"mode": "none"},
        "upstreams": [{**each, "max_parallel": 1 if each["name"] == "queue" else 0} for each in listed],
        "models": [{"id": name, "upstream": name} for name in upstreams],
        "clocks": {"failover": 0, "queue": 60},
        "breaker": {"failures": 0},
    }


def leave(connection: Connection, number: int) -> float:
    """Leave by RST or by FIN, in turns; when (loop time)."""
    if number % 2:
        raw: socket.socket = connection.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.reset()
    else:
        connection.writer.close()
    return asyncio.get_running_loop().time()


async def begin(connection: Connection, model: str, request_id: str, *, stream: bool = True) -> None:
    await connection.send(request("POST", CHAT, chat(model=model, stream=stream), {"x-request-id": request_id}))


async def abort_each(gateway: Daemon, name: str, upstream: RawServer) -> list[float]:
    """Begin and leave EACH times, one after the other: seconds until the upstream saw it, where it can."""
    case = CASES[name]
    before = len(upstream.received)
    took_s = []
    for number in range(1, EACH + 1):
        async with connected(gateway.url) as connection:
            await begin(connection, name, f"{name}-{number}", stream=case.stream)
            if case.calls:
                call = await upstream.call(before + number)
            if case.seen:
                await connection.head()
                assert case.seen in await connection.chunk()
            else:
                await asyncio.sleep(SETTLED_S)
            left_s = leave(connection, number)
            if case.cancels:
                took_s.append(await call.left() - left_s)
    for number in range(1, EACH + 1):
        line = await gateway.logged(f"{name}-{number}")
        assert (line["end_reason"], line["http_status"]) == ("client_abort", 499)
        assert line["path"] == f"validate>auth>session>{case.path}>client_abort"
    assert len(upstream.received) == before + case.calls * EACH, "no call is made for somebody who is gone"
    return took_s


def p99_s(values_s: list[float]) -> float:
    """The value that 99 of 100 do not exceed: the nearest rank."""
    return sorted(values_s)[math.ceil(0.99 * len(values_s)) - 1]


async def settled(read: Callable[[], int], at_most: int) -> None:
    """Wait until a count has come down to where it was."""
    async with asyncio.timeout(SETTLE_LIMIT_S):
        while read() > at_most:  # noqa: ASYNC110 - nobody tells of it
            await asyncio.sleep(POLL_S)


async def test_the_upstream_sees_the_caller_leave_within_a_quarter_second(
    gateway: Daemon, upstreams: dict[str, RawServer], record_testsuite_property: Callable[[str, object], None]
) -> None:
    """All states at the same time; who waits in a queue or for another attempt has no call that could be cut."""
    queue = upstreams["queue"]
    async with connected(gateway.url) as holder, connected(gateway.url) as successor:
        await begin(holder, "queue", "holder")
        held = await queue.call()
        by_state = await asyncio.gather(*(abort_each(gateway, name, upstreams[name]) for name in CASES))
        await begin(successor, "queue", "successor")
        leave(holder, 0)
        await held.left()
        assert (await queue.call(2)).json["messages"], "those who left the queue keep no place in it"
        leave(successor, 0)
    await until_live(gateway.url, 0)
    took_s = [each_s for state_s in by_state for each_s in state_s]
    figures = {name: round(p99_s(state_s) * 1000, 1) for name, state_s in zip(CASES, by_state, strict=True) if state_s}
    figures["all"] = round(p99_s(took_s) * 1000, 1)
    for name, figure_ms in figures.items():
        record_testsuite_property(f"abort_p99_ms_{name}", figure_ms)
    print(f"\nabort to upstream, p99 in ms: {figures}; median {median(took_s) * 1000:.1f} of {len(took_s)}")  # noqa: T201 - a figure to be seen with -s

    assert len(took_s) == EACH * sum(case.cancels for case in CASES.values())
    assert p99_s(took_s) <= P99_S


# --- nothing stays behind


async def abort_quickly(url: str, number: int) -> None:
    """Leave with the last byte of the request, a moment after it, or with the first piece of the answer."""
    async with connected(url) as connection:
        await begin(connection, QUICK, f"quick-{number}", stream=bool(number % 4))
        match number % 3:
            case 1:
                await asyncio.sleep(number % 10 / 1000)
            case 2 if number % 4:
                await connection.head()
                await connection.chunk()
        leave(connection, number)


async def abort_many(abort: Callable[[int], Awaitable[None]], count: int) -> None:
    """So many aborts, AT_ONCE at a time."""
    for start in range(0, count, AT_ONCE):
        await asyncio.gather(*map(abort, range(start, start + AT_ONCE)))


def open_sockets(upstream: RawServer) -> int:
    """How many connections the daemon has not closed; the upstream may not have closed its own side yet."""
    raw = (connection.transport.get_extra_info("socket") for connection in upstream._connections)
    return sum(each.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == TCP_ESTABLISHED for each in raw)


def open_files(daemon: Daemon) -> int:
    """How many files and sockets it has open."""
    return len(list(Path(f"/proc/{daemon.pid}/fd").iterdir()))


async def test_nothing_stays_open_after_a_thousand_aborts(gateway: Daemon, upstreams: dict[str, RawServer]) -> None:
    """A socket lost per abort is a daemon that is dead within a week."""
    await abort_quickly(gateway.url, 2)
    await until_live(gateway.url, 0)
    await gateway.logged("quick-2")
    sockets = {name: open_sockets(upstream) for name, upstream in upstreams.items()}
    files = open_files(gateway)

    await abort_many(partial(abort_quickly, gateway.url), MANY)

    await until_live(gateway.url, 0)
    for name, upstream in upstreams.items():
        await settled(partial(open_sockets, upstream), sockets[name])
    await settled(partial(open_files, gateway), files)
    ended = [await gateway.logged(f"quick-{number}") for number in range(MANY)]
    assert {line["end_reason"] for line in ended} == {"client_abort"}
    assert len(upstreams[QUICK].received) > MANY / 4, "a good part of them had a call that was cut"


async def test_no_task_stays_after_many_aborts() -> None:
    """Tasks can be counted from within alone, hence a gateway in this process."""
    async with (
        RawServer(BABBLING) as upstream,
        serving({MAIN: upstream.base_url}, server={"max_in_flight": 100}) as gateway,
    ):

        async def abort(number: int) -> None:
            async with connected(gateway.url) as connection:
                await connection.send(request("POST", CHAT, body(stream=bool(number % 4))))
                await asyncio.sleep(number % 10 / 1000)
                leave(connection, number)

        await abort(9)
        await settled(lambda: len(gateway.gateway.live), 0)
        await settled(partial(open_sockets, upstream), 0)
        await asyncio.sleep(SETTLED_S)
        before = asyncio.all_tasks()
        await abort_many(abort, MANY // 5)
        await settled(lambda: len(gateway.gateway.live), 0)
        await settled(partial(open_sockets, upstream), 0)
        await settled(lambda: len(asyncio.all_tasks() - before), 0)
