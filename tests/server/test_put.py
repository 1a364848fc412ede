"""A piece of a stream goes past the library's layers: nobody can tell, and nothing is left behind."""

import gc
import re
import weakref
from collections.abc import Awaitable, Callable

import pytest

from proxy.errors import ClientGone
from proxy.server.client import HttpClient
from proxy.testing.clock import ManualClock

Told = Callable[..., Awaitable[bytes]]

PIECES = [b"data: 1\n\n", b"d" * 15, b"d" * 16, b"data: \xe2\x82\xac\n\n", b"d" * 70_000]


@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
async def test_a_piece_leaves_as_the_library_would_write_it(told: Told, version: bytes) -> None:
    async def ours(client: HttpClient, _clock: ManualClock) -> None:
        await client.begin(b"first")
        for piece in PIECES:
            if not client.put(piece):
                await client.drain()
        await client.end(b"last")

    async def theirs(client: HttpClient, _clock: ManualClock) -> None:
        await client.begin(b"first")
        assert client.response is not None
        for piece in PIECES:
            await client.response.write(piece)
        await client.end(b"last")

    assert undated(await told(ours, version)) == undated(await told(theirs, version))


def undated(response: bytes) -> bytes:
    return re.sub(rb"\r\nDate: [^\r]+", b"", response)


async def test_what_was_put_is_counted(told: Told) -> None:
    async def handler(client: HttpClient, _clock: ManualClock) -> None:
        await client.begin(b"12345")
        client.put(b"123")
        assert client.bytes_sent == 8
        await client.end(b"12")
        assert client.bytes_sent == 10

    await told(handler)


async def test_a_full_socket_is_told(told: Told) -> None:
    async def handler(client: HttpClient, _clock: ManualClock) -> None:
        await client.begin(b"first")
        assert client.put(b"small")
        while client.put(b"x" * 1_000_000):
            pass
        await client.drain()
        assert client.put(b"small")
        await client.end()

    assert (await told(handler)).endswith(b"\r\n5\r\nsmall\r\n0\r\n\r\n")


async def test_nothing_can_be_put_to_a_caller_who_has_left(told: Told) -> None:
    refused: list[ClientGone] = []

    async def handler(client: HttpClient, _clock: ManualClock) -> None:
        await client.begin(b"first")
        client.reset()
        try:
            client.put(b"more")
        except ClientGone as error:
            refused.append(error)

    with pytest.raises(ConnectionResetError):
        await told(handler)
    assert len(refused) == 1


class Walk:
    """Knows its client, as an exchange does, and is known by what makes the headers."""

    def __init__(self, client: HttpClient) -> None:
        self.client = client

    def headers(self) -> list[tuple[str, str]]:
        return [("X-Sent", str(self.client.bytes_sent))]


@pytest.mark.parametrize("streamed", [True, False])
async def test_a_request_leaves_nothing_to_the_garbage_collector(told: Told, *, streamed: bool) -> None:
    """With thousands of streams it has much to look through, and holds all of them up meanwhile."""
    walks: list[weakref.ref[Walk]] = []

    async def handler(client: HttpClient, _clock: ManualClock) -> None:
        walk = Walk(client)
        walks.append(weakref.ref(walk))
        client.hold(walk.headers, commit_after_s=15, heartbeat_s=10)
        if streamed:
            await client.begin(b"data: 1\n\n")
            await client.end()
        else:
            await client.answer(502, [], b"{}")

    gc.disable()
    try:
        await told(handler)
        assert [walk() for walk in walks] == [None]
    finally:
        gc.enable()
