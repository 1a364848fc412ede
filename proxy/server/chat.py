"""The endpoints that answer: each request to them is one walk through the chart."""

from aiohttp import web

from proxy.exchange import Exchange
from proxy.server.client import HttpClient
from proxy.server.keys import GATEWAY
from proxy.server.peers import peer_of
from proxy.wire.answer import Surface
from proxy.wire.request import request_id


async def chat_completions(request: web.Request) -> web.StreamResponse:
    """POST /v1/chat/completions, and POST /."""
    return await walk(request, Surface.CHAT)


async def completions(request: web.Request) -> web.StreamResponse:
    """POST /v1/completions, mapped onto chat."""
    return await walk(request, Surface.COMPLETIONS)


async def walk(request: web.Request, surface: Surface) -> web.StreamResponse:
    """Walk the request through the chart; by the end the answer has been written."""
    gateway = request.app[GATEWAY]
    trusted = gateway.settings.server.trusted_proxies
    peer = peer_of(request.remote, request.headers.getall("x-forwarded-for", ()), trusted)
    client = HttpClient(request, gateway.ports.clock, peer)
    x = Exchange(
        client, gateway.ports.clock, request_id(request.headers.getall("x-request-id", ()), gateway.token_hex), surface
    )
    try:
        await gateway.walk(x)
    finally:
        client.close()
    return client.response or web.Response(status=499)  # nobody is left to read this one
