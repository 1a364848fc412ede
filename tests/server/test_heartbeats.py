"""Heartbeats over a socket: they fill silences, and nothing follows the end."""

from collections.abc import Awaitable, Callable

import pytest

from proxy.server.client import HttpClient
from proxy.testing.clock import ManualClock

Told = Callable[..., Awaitable[bytes]]


async def test_silence_is_filled_once_the_headers_have_left(told: Told) -> None:
    async def handler(client: HttpClient, clock: ManualClock) -> None:
        await clock.advance(14)
        assert not client.committed
        await clock.advance(22)
        assert client.committed
        await client.end(b"data: [DONE]\n\n")

    heard = await told(handler)
    assert heard.startswith(b"HTTP/1.1 200 OK\r\n")
    assert heard.count(b": ping\n") == 3
    assert heard.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")


async def test_a_piece_puts_the_next_heartbeat_off(told: Told) -> None:
    async def handler(client: HttpClient, clock: ManualClock) -> None:
        await client.begin(b"data: 1\n\n")
        for _ in range(4):
            await clock.advance(9)
            client.put(b"data: 2\n\n")
        await client.end()

    assert b": ping" not in await told(handler)


@pytest.mark.parametrize("begun", [True, False])
async def test_one_that_is_due_as_the_stream_ends_does_not_follow_its_end(told: Told, *, begun: bool) -> None:
    """It would be read as the beginning of the next response on the connection."""

    async def handler(client: HttpClient, clock: ManualClock) -> None:
        if begun:
            await client.begin(b"data: 1\n\n")
        clock._now_s += 20
        client._pulse()
        await client.end(b"data: [DONE]\n\n")

    assert (await told(handler)).endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")


async def test_nor_does_it_follow_an_answer_with_a_status(told: Told) -> None:
    async def handler(client: HttpClient, clock: ManualClock) -> None:
        clock._now_s += 20
        client._pulse()
        await client.answer(502, [("Content-Type", "application/json")], b"{}")

    heard = await told(handler)
    assert heard.startswith(b"HTTP/1.1 502 ")
    assert heard.endswith(b"\r\n\r\n{}")


async def test_nor_does_it_follow_a_reset(told: Told) -> None:
    async def handler(client: HttpClient, clock: ManualClock) -> None:
        await client.begin(b"data: 1\n\n")
        clock._now_s += 20
        client._pulse()
        client.reset()

    with pytest.raises(ConnectionResetError):
        await told(handler)
