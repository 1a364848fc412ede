"""The caller leaves: in every state of its request the upstream is let go of at once, and nothing stays behind."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from proxy.testing.process import Daemon
from tests.e2e.upstream import Call, HandUpstream, by_hand
from tests.e2e.wire import Connection, Json, chat, connected, request, until_live

pytestmark = pytest.mark.asyncio(loop_scope="module")

LET_GO_S = 0.25
CLIENT_WRITE_S = 0.4

Leave = Callable[[Connection], None]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def upstream() -> AsyncIterator[HandUpstream]:
    async with by_hand() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def unanswered() -> Iterator[int]:
    """A port on which connections are neither accepted nor refused: its queue is full."""
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port: int = listener.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.settimeout(0)
            filler.connect_ex(("127.0.0.1", port))
        yield port
        for filler in fillers:
            filler.close()


@pytest.fixture(scope="module")
def config(upstream: HandUpstream, unanswered: int) -> dict[str, Any]:
    return {
        "auth": {"mode": "none"},
        "upstreams": [
            {"name": "by-hand", "kind": "openai", "base_url": upstream.base_url},
            {"name": "unanswered", "kind": "openai", "base_url": f"http://127.0.0.1:{unanswered}/v1"},
        ],
        "models": [{"id": "by-hand", "upstream": "by-hand"}, {"id": "unanswered", "upstream": "unanswered"}],
        "clocks": {"client_write": CLIENT_WRITE_S},
        "log": {"level": "debug"},
    }


def reset(connection: Connection) -> None:
    """Break the connection off: RST."""
    raw: socket.socket = connection.writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    connection.reset()


def close(connection: Connection) -> None:
    """Close it in good order: FIN."""
    connection.writer.close()


def half_close(connection: Connection) -> None:
    """Say that nothing more will be sent, as a client does that was told to give up."""
    connection.writer.write_eof()


WAYS = pytest.mark.parametrize("leave", [reset, close, half_close])


async def begin(connection: Connection, asked: Json, request_id: str, **headers: str) -> None:
    await connection.send(request("POST", "/", asked, {"x-request-id": request_id, **headers}))


async def leave_and_check(
    gateway: Daemon, connection: Connection, call: Call, request_id: str, leave: Leave = reset
) -> Json:
    """Leave; the upstream must see it in time, and the log must say so.  Gives the line."""
    left_s = asyncio.get_running_loop().time()
    leave(connection)
    assert await call.let_go() - left_s < LET_GO_S
    line = await gateway.logged(request_id)
    assert gateway.lines(request_id=request_id) == [line]
    assert (line["end_reason"], line["http_status"], line["code"]) == ("client_abort", 499, "client_abort")
    await until_live(gateway.url, 0)
    return line


@WAYS
async def test_in_the_middle_of_a_stream(gateway: Daemon, upstream: HandUpstream, leave: Leave) -> None:
    request_id = f"stream-{leave.__name__}"
    async with connected(gateway.url) as connection:
        await begin(connection, chat(model="by-hand", stream=True), request_id)
        call = await upstream.call()
        assert call.asked["stream"] is True
        await call.open()
        await call.say("Hel")
        await connection.head()
        assert b'"Hel"' in await connection.chunk()
        line = await leave_and_check(gateway, connection, call, request_id, leave)
    assert line["path"] == "validate>auth>session>upstream>stream>client_abort"


@WAYS
async def test_while_the_first_token_is_waited_for(gateway: Daemon, upstream: HandUpstream, leave: Leave) -> None:
    """The dearest moment to waste: the upstream works on the prompt, and nothing would tell it otherwise."""
    request_id = f"first-{leave.__name__}"
    async with connected(gateway.url) as connection:
        await begin(connection, chat(model="by-hand", stream=True), request_id)
        call = await upstream.call()
        await call.open()
        line = await leave_and_check(gateway, connection, call, request_id, leave)
    assert line["path"] == "validate>auth>session>upstream>client_abort"


@pytest.mark.parametrize("stream", [False, True])
async def test_before_the_upstream_has_said_anything(gateway: Daemon, upstream: HandUpstream, *, stream: bool) -> None:
    request_id = f"nothing-{stream}"
    async with connected(gateway.url) as connection:
        await begin(connection, chat(model="by-hand", stream=stream), request_id)
        call = await upstream.call()
        line = await leave_and_check(gateway, connection, call, request_id)
    assert line["path"] == "validate>auth>session>upstream>client_abort"


@WAYS
async def test_in_the_middle_of_an_answer_that_is_not_streamed(
    gateway: Daemon, upstream: HandUpstream, leave: Leave
) -> None:
    """Nothing is written to the caller then, so a failed write can't be what tells of it."""
    request_id = f"whole-{leave.__name__}"
    async with connected(gateway.url) as connection:
        await begin(connection, chat(model="by-hand"), request_id)
        call = await upstream.call()
        assert not call.asked.get("stream")
        await call.send(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 999\r\n\r\n{"id":')
        line = await leave_and_check(gateway, connection, call, request_id, leave)
    assert line["path"] == "validate>auth>session>upstream>client_abort"


async def test_while_an_answer_is_collected_before_it_is_told(gateway: Daemon, upstream: HandUpstream) -> None:
    async with connected(gateway.url) as connection:
        await begin(connection, chat(model="by-hand", stream=True), "assured", **{"x-delivery": "assured"})
        call = await upstream.call()
        await call.open()
        await call.say("Hel")
        await asyncio.sleep(0.05)
        line = await leave_and_check(gateway, connection, call, "assured")
    assert line["path"] == "validate>auth>session>upstream>read>client_abort"


async def test_between_two_attempts(gateway: Daemon, upstream: HandUpstream) -> None:
    """No further attempt is made for somebody who is gone."""
    async with connected(gateway.url) as connection:
        await begin(connection, chat(model="by-hand", stream=True), "backoff")
        call = await upstream.call()
        await call.answer("503 Service Unavailable", {"error": {"message": "busy"}}, retry_after_ms="400")
        await asyncio.sleep(0.1)
        reset(connection)
        line = await gateway.logged("backoff")
    assert line["path"] == "validate>auth>session>upstream>backoff>client_abort"
    assert line["attempts"] == 1
    assert await upstream.no_call(0.5)


async def test_while_a_connection_to_the_upstream_is_being_made(gateway: Daemon) -> None:
    async with connected(gateway.url) as connection:
        await begin(connection, chat(model="unanswered"), "connecting")
        await until_live(gateway.url, 1)
        await asyncio.sleep(0.05)
        reset(connection)
        line = await gateway.logged("connecting")
    assert line["path"] == "validate>auth>session>upstream>client_abort"
    await until_live(gateway.url, 0)


async def test_while_the_body_is_being_sent(gateway: Daemon) -> None:
    for number, leave in enumerate((reset, close)):
        async with connected(gateway.url) as connection:
            head = request("POST", "/", headers={"Content-Length": "1000", "x-request-id": f"body-{number}"})
            await connection.send(head + b'{"model":')
            await until_live(gateway.url, 1)
            leave(connection)
            line = await gateway.logged(f"body-{number}")
        assert (line["end_reason"], line["path"]) == ("client_abort", "validate>client_abort")


async def fill_up(call: Call) -> None:
    """Send until the gateway reads no more, since its own caller does not."""
    with_room = True
    while with_room:
        try:
            async with asyncio.timeout(0.1):
                await call.say("x" * 50_000)
        except TimeoutError:
            with_room = False


async def test_while_a_write_waits_for_the_caller_to_read(gateway: Daemon, upstream: HandUpstream) -> None:
    async with connected(gateway.url) as connection:
        await begin(connection, chat(model="by-hand", stream=True), "drain")
        call = await upstream.call()
        await call.open()
        await fill_up(call)
        line = await leave_and_check(gateway, connection, call, "drain")
    assert line["path"].endswith("stream>client_abort")
    assert line["clock"] is None


async def test_a_caller_that_reads_nothing_is_let_go_of_after_its_clock(
    gateway: Daemon, upstream: HandUpstream
) -> None:
    """It holds memory and an upstream; its socket is reset, so that nothing truncated can look whole."""
    async with connected(gateway.url) as connection:
        await begin(connection, chat(model="by-hand", stream=True), "deaf")
        call = await upstream.call()
        await call.open()
        await fill_up(call)
        began_s = asyncio.get_running_loop().time()
        assert await call.let_go() - began_s < CLIENT_WRITE_S + LET_GO_S
        line = await gateway.logged("deaf")
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await connection.answer()
    assert (line["end_reason"], line["clock"]) == ("client_abort", "client_write")
    assert line["detail"].startswith("slow_reader")


async def test_another_caller_is_not_slowed_down_by_one_that_does_not_read(
    gateway: Daemon, upstream: HandUpstream
) -> None:
    async with connected(gateway.url) as deaf, connected(gateway.url) as quick:
        await begin(deaf, chat(model="by-hand", stream=True), "deaf-2")
        flood = await upstream.call()
        await flood.open()
        await fill_up(flood)
        await begin(quick, chat(model="by-hand", stream=True), "quick")
        call = await upstream.call()
        await call.open()
        for text in "abc":
            before_s = asyncio.get_running_loop().time()
            await call.say(text)
            if text == "a":
                await quick.head()
            assert f'"{text}"'.encode() in await quick.chunk()
            assert asyncio.get_running_loop().time() - before_s < 0.2
        await call.finish()
        assert (await quick.rest()).endswith(b"data: [DONE]\n\n")
    await gateway.logged("deaf-2")


async def test_leaving_after_the_last_frame_changes_nothing(gateway: Daemon, upstream: HandUpstream) -> None:
    async with connected(gateway.url) as connection:
        await begin(connection, chat(model="by-hand", stream=True), "late")
        call = await upstream.call()
        await call.open()
        await call.say("Hello")
        await call.finish()
        await connection.head()
        assert (await connection.rest()).endswith(b"data: [DONE]\n\n")
        reset(connection)
    assert (await gateway.logged("late"))["end_reason"] == "done"


@pytest.mark.parametrize("many", [100, pytest.param(2000, marks=pytest.mark.deep)])
async def test_nothing_stays_behind_after_many_have_left(gateway: Daemon, upstream: HandUpstream, many: int) -> None:
    """Sockets above all: a daemon that loses one per abort is dead within a week."""

    async def abort(number: int) -> None:
        async with connected(gateway.url) as connection:
            await begin(connection, chat(model="by-hand", stream=bool(number % 2)), f"many-{many}-{number}")
            call = await upstream.call()  # of any of those who are at it, and who may be gone by now
            with suppress(ConnectionError):
                if call.asked.get("stream"):
                    await call.open()
                    await call.say("Hel")
            reset(connection)
            await call.let_go()
            call.close()

    await abort(0)
    await gateway.logged(f"many-{many}-0")
    before = open_files(gateway.pid)
    for start in range(1, many + 1, 20):
        await asyncio.gather(*map(abort, range(start, start + 20)))
    await gateway.logged(f"many-{many}-{many}")
    await until_live(gateway.url, 0)
    async with asyncio.timeout(2.0):
        while True:
            if open_files(gateway.pid) <= before:
                break
            await asyncio.sleep(0.01)


def open_files(pid: int) -> int:
    """How many files and sockets a process has open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))
