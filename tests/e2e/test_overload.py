"""More requests than there is room for: some wait their turn, the rest are told at once; health is always told."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from proxy.testing.frames import read_stream, text_of_stream
from proxy.testing.process import Daemon, StartDaemon
from tests.e2e.configs import script_config
from tests.e2e.wire import Connection, ask, chat, connected, request, until_live

QUEUE_S = 0.4
SCRIPTS: dict[str, list[Any]] = {
    "stalled": [{"say": "Hel", "chunk": 0}, {"stall": True}],
    "short": [{"say": "Hello", "chunk": 0}, {"pause_ms": 200}],
    "quick": [{"say": "Hi"}],
    "one at a time": [{"say": "Hel", "chunk": 0}, {"pause_ms": 500}, {"say": "lo", "chunk": 0}],
}


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return script_config(
        SCRIPTS,
        server={"max_in_flight": 1, "max_queued": 2},
        clocks={"queue": QUEUE_S, "commit_headers_after": 0.1},
        retry={"attempts": 1},
    )


@asynccontextmanager
async def busy(gateway: Daemon, model: str = "stalled") -> AsyncIterator[Connection]:
    """A request that holds the one slot for as long as the block lasts."""
    async with connected(gateway.url) as connection:
        await connection.send(request("POST", "/", chat(model=model, stream=True)))
        assert (await connection.head())[0] == 200
        try:
            yield connection
        finally:
            connection.reset()
    await until_live(gateway.url, 0)


async def waiting(gateway: Daemon, stack: AsyncExitStack, number: int) -> list[Connection]:
    """So many requests in the queue."""
    connections = [await stack.enter_async_context(connected(gateway.url)) for _ in range(number)]
    for connection in connections:
        await connection.send(request("POST", "/", chat(model="quick")))
    await until_live(gateway.url, number + 1)
    return connections


async def test_health_is_told_under_full_load(gateway: Daemon) -> None:
    """A balancer that gets no answer takes the daemon for dead, and makes all of it worse."""
    async with busy(gateway), AsyncExitStack() as stack:
        await waiting(gateway, stack, 2)
        for path in ("/livez", "/readyz", "/health", "/healthz", "/v1/models"):
            assert (await ask(gateway.url, "GET", path)).status == 200
        assert (await ask(gateway.url, "GET", "/health")).json["live"] == 3


async def test_beyond_the_queue_a_request_is_turned_away_at_once(gateway: Daemon) -> None:
    """With a hint when to come back; its body is not read."""
    async with busy(gateway), AsyncExitStack() as stack:
        await waiting(gateway, stack, 2)
        began_s = asyncio.get_running_loop().time()
        for stream in (False, True):
            answer = await ask(gateway.url, "POST", "/", chat(model="quick", stream=stream))
            error = answer.error
            assert (answer.status, error["type"], error["code"]) == (503, "server_error", "overloaded")
            assert answer.headers["x-end-reason"] == "overloaded"
            assert 1 <= int(answer.headers["retry-after"]) <= 5
            assert "x-should-retry" not in answer.headers
            line = await gateway.logged(answer.headers["x-request-id"])
            assert line["path"] == "validate>overloaded"
        async with connected(gateway.url) as unread:
            await unread.send(request("POST", "/", headers={"Content-Length": "1000"}))
            assert (await unread.answer()).status == 503
        assert asyncio.get_running_loop().time() - began_s < QUEUE_S


async def test_the_queue_is_served_in_order_as_places_come_free(gateway: Daemon) -> None:
    async with busy(gateway, "short") as first, AsyncExitStack() as stack:
        second, third = await waiting(gateway, stack, 2)
        assert text_of_stream(await first.rest()) == "Hello"
        assert (await second.answer()).status == 200
        assert (await third.answer()).status == 200


async def test_waiting_in_the_queue_ends_with_its_clock(gateway: Daemon) -> None:
    """Longer, and callers would come back while their first request still waits."""
    async with busy(gateway):
        began_s = asyncio.get_running_loop().time()
        answer = await ask(gateway.url, "POST", "/", chat(model="quick"))
        assert QUEUE_S * 0.9 < asyncio.get_running_loop().time() - began_s < QUEUE_S * 3
    assert (answer.status, answer.error["code"]) == (503, "overloaded")
    assert int(answer.headers["retry-after"]) >= 1
    line = await gateway.logged(answer.headers["x-request-id"])
    assert (line["end_reason"], line["clock"], line["path"]) == ("overloaded", "queue", "validate>auth>overloaded")


async def test_who_leaves_the_queue_frees_a_place(gateway: Daemon) -> None:
    async with busy(gateway), AsyncExitStack() as stack:
        first, _second = await waiting(gateway, stack, 2)
        first.reset()
        await until_live(gateway.url, 2)
        third = await stack.enter_async_context(connected(gateway.url))
        await third.send(request("POST", "/", chat(model="quick")))
        await until_live(gateway.url, 3)


async def test_a_busy_upstream_is_waited_for_and_then_told_of(daemon: StartDaemon) -> None:
    """It has a limit of its own; the failure is told in the stream, which has begun with heartbeats meanwhile."""
    config = script_config(SCRIPTS, clocks={"queue": QUEUE_S, "commit_headers_after": 0.1, "heartbeat": 0.1})
    for upstream in config["upstreams"]:
        upstream["max_parallel"] = 1
    running = daemon(config)
    async with connected(running.url) as first:
        await first.send(request("POST", "/", chat(model="stalled", stream=True)))
        assert (await first.head())[0] == 200
        whole, streamed = await asyncio.gather(
            ask(running.url, "POST", "/", chat(model="stalled")),
            ask(running.url, "POST", "/", chat(model="stalled", stream=True)),
        )
        assert (await ask(running.url, "POST", "/", chat(model="quick"))).status == 200
    assert (whole.status, whole.error["code"]) == (503, "overloaded")
    error = read_stream(streamed.body).error
    assert error is not None
    assert error["code"] == "overloaded"
    line = await running.logged(whole.headers["x-request-id"])
    assert (line["clock"], line["path"]) == ("queue", "validate>auth>session>upstream>overloaded")


def resident_bytes(pid: int) -> int:
    """The memory that a process holds; proc_pid_statm(5)."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.deep
async def test_callers_that_read_nothing_cost_little_memory(daemon: StartDaemon) -> None:
    """Above a mark the upstream is not read, so what is held for each of them is bounded."""
    callers = 500
    flood = [{"say": "x" * 100_000, "chunk": 0}] * 100
    running = daemon(script_config({"flood": flood}, clocks={"client_write": 120}))
    before = resident_bytes(running.pid)
    async with AsyncExitStack() as stack:
        for _ in range(callers):
            connection = await stack.enter_async_context(connected(running.url))
            await connection.send(request("POST", "/", chat(model="flood", stream=True)))
        await until_live(running.url, callers)
        await asyncio.sleep(3)
        assert resident_bytes(running.pid) - before < 150_000_000
