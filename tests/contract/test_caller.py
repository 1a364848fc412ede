"""The caller's faults: a request that can't be taken, and a caller who leaves."""

import asyncio
import socket
from typing import Any

import pytest

from proxy.testing.raw import Repeat, Stall, answers, response, says
from proxy.testing.raw_server import BREAK_OFF, RawServer
from tests.contract.faults import BEGUN, HOLDS, SHORT_S, Fault, failing, holding
from tests.contract.gateway import MAIN, answer_text, body, expect_envelope, proves, serving
from tests.contract.table import Row
from tests.e2e.wire import Answer, Connection, connected, request

CHAT = "/v1/chat/completions"
LET_GO_S = 0.25
LARGE_BYTES = 8_000_000  # more than the kernel holds for a caller who does not read
KEYS: dict[str, Any] = {
    "mode": "keys",
    "keys": [
        {"name": "one", "key": "sk-one"},
        {"name": "elsewhere", "key": "sk-elsewhere", "models": ["other"]},
        {"name": "rare", "key": "sk-rare", "rpm": 1},
        {"name": "single", "key": "sk-single", "max_parallel": 1},
    ],
}
JSON = {"Content-Type": "application/json"}
CHUNKED = {**JSON, "Transfer-Encoding": "chunked"}
REJECTED: dict[str, list[bytes]] = {
    "C1a": [request("POST", CHAT, b'{"model":', JSON), request("POST", CHAT, b"", JSON)],
    "C1b": [request("POST", CHAT, body(temperature="hot"))],
    "C2a": [request("POST", CHAT, None, {**JSON, "Content-Length": "5000"})],
    "C2b": [request("POST", CHAT, None, CHUNKED) + b"800\r\n" + b" " * 2048 + b"\r\n"],
    "C3a": [request("POST", CHAT, body(), {"Content-Type": "text/plain"})],
    "C3b": [request("POST", CHAT, body(), {"Content-Encoding": "gzip"})],
    "C4": [request("POST", CHAT, body())[:-5], request("POST", CHAT, None, CHUNKED)],
}
CLOSES = {"C2a", "C2b", "C4"}


@proves(*REJECTED)
async def test_what_cannot_be_taken_is_refused_without_a_call(row: Row) -> None:
    """No upstream is asked for what is not a request."""
    tables: dict[str, Any] = {"server": {"max_body_bytes": 1024}, "clocks": {"body": SHORT_S}}
    async with failing(Fault("none", answers()), **tables) as (gateway, upstream, _):
        for raw in REJECTED[row.id]:
            async with connected(gateway.url) as connection:
                await connection.send(raw)
                answer = await connection.answer()
                expect_envelope(row, answer)
                assert ((await gateway.end()).state, upstream.received) == (row.ends, [])
                if row.id in CLOSES:
                    assert answer.headers["Connection"] == "close"
                    assert await connection.ended()


@proves("C4")
async def test_the_clock_is_named(row: Row) -> None:
    """Whoever reads the error learns which limit it was, and how long."""
    async with holding("validate", clocks={"body": SHORT_S}) as (gateway, _, connection):
        error = (await connection.answer()).error
        x = await gateway.end()

    assert "clock 'body'" in error["message"]
    assert f"{SHORT_S:g} seconds" in error["message"]
    assert x.failure is not None
    assert x.failure.clock == "body"


@proves("C5", "C6", "C7")
@pytest.mark.parametrize("stream", [True, False])
async def test_who_may_not_is_told_so_without_a_call(row: Row, stream: bool) -> None:
    keys = {"C5": ["", "Bearer", "Bearer sk-unknown"], "C6": ["Bearer sk-elsewhere"], "C7": ["Bearer sk-one"]}
    async with failing(Fault("none", answers()), auth=KEYS) as (gateway, upstream, _):
        for key in keys[row.id]:
            headers = {"Authorization": key} if key else {}
            model = "no-such-model" if row.id == "C7" else MAIN
            answer, x = await gateway.ask(headers=headers, stream=stream, model=model)

            expect_envelope(row, answer)
            assert (x.state, upstream.received) == (row.ends, [])
            assert answer.headers.get("WWW-Authenticate") == ("Bearer" if row.id == "C5" else None)


@proves("C8a")
async def test_requests_per_minute_are_counted(row: Row) -> None:
    async with failing(Fault("none", answers()), auth=KEYS) as (gateway, upstream, _):
        await gateway.ask(headers={"Authorization": "Bearer sk-rare"})
        answer, x = await gateway.ask(headers={"Authorization": "Bearer sk-rare"})

    expect_envelope(row, answer)
    assert 55 <= int(answer.headers["Retry-After"]) <= 60
    assert (x.state, len(upstream.received)) == (row.ends, 1)


@proves("C8b")
async def test_parallel_requests_are_counted_until_they_end(row: Row) -> None:
    """A place is free again as soon as its request has ended, however it did."""
    key = {"Authorization": "Bearer sk-single"}
    async with (
        RawServer((*BEGUN, Stall()), answers()) as upstream,
        serving({MAIN: upstream.base_url}, auth=KEYS) as gateway,
    ):
        async with connected(gateway.url) as first:
            await first.send(request("POST", CHAT, body(), key))
            await gateway.until("stream")
            answer, x = await gateway.ask(headers=key)
            expect_envelope(row, answer)
            assert x.state == row.ends
        assert (await gateway.end()).state == "client_abort"
        answer, _ = await gateway.ask(headers=key)
        assert answer_text(answer) == "Hello."


@proves("C9")
async def test_an_input_above_every_budget_is_refused_without_a_call(row: Row) -> None:
    async with failing(Fault("none", answers()), model={"max_input_tokens": 50}) as (gateway, upstream, _):
        messages = [{"role": "user", "content": "word " * 500}]
        answer, x = await gateway.ask(messages=messages)

    expect_envelope(row, answer)
    assert answer.error["param"] == "messages"
    assert (x.state, upstream.received) == (row.ends, [])


@proves("C10")
@pytest.mark.parametrize("how", ["FIN", "half-close", "RST"])
@pytest.mark.parametrize("state", HOLDS)
async def test_a_caller_who_leaves_is_noticed_in_every_state(row: Row, state: str, how: str) -> None:
    """What the upstream is still doing for nobody is stopped at once."""
    clock = asyncio.get_running_loop().time
    async with holding(state) as (gateway, upstream, connection):
        left_s = clock()
        leave(connection, how)
        x = await gateway.end()

        assert clock() - left_s < LET_GO_S
        assert x.state == row.ends
        if state in ("upstream", "stream", "read"):
            assert await (await upstream.call()).left() - left_s < LET_GO_S
        assert gateway.health() in ("ok", "resting")


@proves("C10")
@pytest.mark.parametrize("how", ["FIN", "half-close", "RST"])
async def test_a_caller_who_leaves_the_queue_makes_room_in_it(row: Row, how: str) -> None:
    tables = {"server": {"max_in_flight": 1, "max_queued": 1}}
    async with holding("stream", **tables) as (gateway, upstream, first):
        for _ in range(2):
            async with connected(gateway.url) as second:
                await second.send(request("POST", CHAT, body()))
                await gateway.until("auth", live=2)
                leave(second, how)
                assert (await gateway.end()).path == f"validate>auth>{row.ends}"
        assert len(upstream.received) == 1
        first.reset()
        await gateway.end()


@proves("C11")
async def test_a_stream_that_nobody_reads_is_broken_off(row: Row) -> None:
    """Nothing more can be told to who does not read: the connection is reset."""
    script = (*BEGUN, Repeat(says("x" * 60_000), 0.001))
    await expect_broken_off(row, Fault("flood", script), stream=True)


@proves("C11")
async def test_a_whole_answer_that_nobody_reads_is_broken_off(row: Row) -> None:
    choice = {"index": 0, "message": {"role": "assistant", "content": "x" * LARGE_BYTES}, "finish_reason": "stop"}
    await expect_broken_off(row, Fault("large", (response(200, {"choices": [choice]}),)), stream=False)


@proves("C12")
async def test_who_leaves_after_the_last_byte_was_served(row: Row) -> None:
    """The ending is settled by then, and no later event changes it."""
    async with failing(Fault("none", answers())) as (gateway, *_):
        async with connected(gateway.url) as connection:
            await connection.send(request("POST", CHAT, body()))
            answer: Answer = await connection.answer()
            connection.reset()
        x = await gateway.end()

    assert answer_text(answer) == "Hello."
    assert x.state == row.ends


def leave(connection: Connection, how: str) -> None:
    """Go away."""
    match how:
        case "FIN":
            connection.writer.close()
        case "half-close":
            connection.writer.write_eof()
        case _:
            raw: socket.socket = connection.writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, BREAK_OFF)
            connection.reset()


async def read_on(raw: socket.socket) -> None:
    """Read whatever there is."""
    while await asyncio.get_running_loop().sock_recv(raw, 1 << 20):
        pass


async def expect_broken_off(row: Row, fault: Fault, *, stream: bool) -> None:
    """A caller with a small buffer who does not read."""
    loop = asyncio.get_running_loop()
    async with failing(fault, clocks={"client_write": SHORT_S}) as (gateway, *_):
        with socket.socket() as raw:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            raw.settimeout(0)
            host, port = gateway.url.removeprefix("http://").split(":")
            await loop.sock_connect(raw, (host, int(port)))
            await loop.sock_sendall(raw, request("POST", CHAT, body(stream=stream)))
            x = await gateway.end()
            with pytest.raises(ConnectionResetError):
                await read_on(raw)

    assert x.state == row.ends
    assert x.failure is not None
    assert (x.failure.clock, (x.failure.detail or "").split(":")[0]) == ("client_write", "slow_reader")
