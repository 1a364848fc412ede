"""CORS: which pages may call from a browser.  <https://fetch.spec.whatwg.org/#http-cors-protocol>"""

from collections.abc import Mapping, Sequence

from aiohttp import web

from proxy.server.keys import GATEWAY

EXPOSED = "x-request-id, x-session-id, retry-after"
PREFLIGHT_MAX_AGE_S = 600


def cors_headers(origins: Sequence[str], request_headers: Mapping[str, str]) -> list[tuple[str, str]]:
    """The headers that let a page of the request's origin read the answer; none when it may not."""
    origin = request_headers.get("origin")
    if not origins or origin is None or ("*" not in origins and origin not in origins):
        return []
    allowed = "*" if "*" in origins else origin
    return [
        ("Access-Control-Allow-Origin", allowed),
        ("Access-Control-Expose-Headers", EXPOSED),
        ("Vary", "Origin"),
    ]


async def preflight(request: web.Request) -> web.Response:
    """What a page asks before it calls."""
    headers = cors_headers(request.app[GATEWAY].settings.server.cors_origins, request.headers)
    if headers:
        headers += [
            ("Access-Control-Allow-Methods", "GET, POST, OPTIONS"),
            ("Access-Control-Allow-Headers", "*, authorization"),
            ("Access-Control-Max-Age", str(PREFLIGHT_MAX_AGE_S)),
        ]
    return web.Response(status=204, headers=headers)
