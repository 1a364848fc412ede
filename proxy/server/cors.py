"""CORS: which pages may call from a browser.

https://fetch.spec.whatwg.org/#http-cors-protocol
"""

from collections.abc import Mapping, Sequence

from aiohttp import web

from proxy.server.keys import GATEWAY

EXPOSED = "x-request-id, x-session-id, retry-after"
PREFLIGHT_MAX_AGE_S = 600


def cors_headers(origins: Sequence[str], request_headers: Mapping[str, str]) -> list[tuple[str, str]]:
    """The headers that let a page of the request's origin read the answer; none when it may not."""
    origin = request_headers.get("Origin")
    if not origins or origin is None or ("*" not in origins and origin not in origins):
        return []
    allowed = "*" if "*" in origins else origin
    return [
        ("Access-Control-Allow-Origin", allowed),
        ("Access-Control-Expose-Headers", EXPOSED),
        ("Vary", "Origin"),
    ]


async def add_cors_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Let the page that asked read the answer, whatever it is."""
    origins = request.app[GATEWAY].settings.server.cors_origins
    if origins:
        response.headers.extend(cors_headers(origins, request.headers))


def preflight(request: web.Request) -> web.Response:
    """The answer to a page that asks before it calls."""
    response = web.Response(status=204)
    if cors_headers(request.app[GATEWAY].settings.server.cors_origins, request.headers):
        response.headers["Access-Control-Allow-Methods"] = "GET, POST, OPTIONS"
        response.headers["Access-Control-Allow-Headers"] = "*, authorization"
        response.headers["Access-Control-Max-Age"] = str(PREFLIGHT_MAX_AGE_S)
    return response
