"""What the tests of the caller's side share: a handler over a socket, and all that its caller hears."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web

from proxy.server.client import HttpClient
from proxy.testing.clock import ManualClock

REQUEST = b"POST / HTTP/%b\r\nHost: gateway\r\nContent-Length: 0\r\n\r\n"
Handler = Callable[[HttpClient, ManualClock], Awaitable[None]]


@pytest.fixture
async def told() -> AsyncIterator[Callable[..., Awaitable[bytes]]]:
    """A server for one handler at a time, and a caller who hears it to its end."""
    runners: list[web.AppRunner] = []

    async def hear(handler: Handler, version: bytes = b"1.1") -> bytes:
        async def answer(request: web.Request) -> web.StreamResponse:
            clock = ManualClock()
            client = HttpClient(request, clock)
            client.hold(lambda: [("Content-Type", "text/event-stream")], commit_after_s=15, heartbeat_s=10)
            await handler(client, clock)
            await asyncio.sleep(0.01)
            client.close()
            request.protocol.close()
            assert client.response is not None
            return client.response

        app = web.Application()
        app.router.add_post("/", answer)
        runners.append(web.AppRunner(app))
        await runners[-1].setup()
        await web.TCPSite(runners[-1], "127.0.0.1", 0).start()
        reader, writer = await asyncio.open_connection("127.0.0.1", runners[-1].addresses[0][1])
        writer.write(REQUEST % version)
        heard = await asyncio.wait_for(reader.read(), 2)
        writer.close()
        await writer.wait_closed()
        return heard

    yield hear
    for runner in runners:
        await runner.cleanup()
