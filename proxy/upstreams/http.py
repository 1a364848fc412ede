"""HTTP to upstreams, behind one small port; the first implementation is aiohttp's `ClientSession`.

Foreign exceptions stop here.  Redirects are never followed, nothing is decompressed, cookies are not kept, and no timer
runs in here: the clocks are those of the request.
"""

import ssl
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Protocol

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from proxy.errors import (
    TurnstileError,
    UpstreamDisconnected,
    UpstreamProtocolError,
    UpstreamTruncated,
    UpstreamUnreachable,
    UpstreamUntrusted,
)

KEEPALIVE_S = (
    30.0  # below the idle timeout of common servers and balancers (60–75 s), so that few pooled connections are dead
)
DNS_TTL_S = 10  # a moved upstream is found within seconds; a look-up per request would be felt
MAX_HEADER_BYTES = 64 * 1024


class HttpAnswer(Protocol):
    """An HTTP response under way."""

    @property
    def status(self) -> int:
        """The status code."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The header fields, whatever their case."""

    async def read(self) -> bytes:
        """The next bytes of the body as they came, none at its end.  Raises `UpstreamTruncated` when it breaks off."""

    def close(self) -> None:
        """Let go.  A connection whose body was not read to its end is closed, never used again."""


class HttpTransport(Protocol):
    """What adapters need of HTTP."""

    async def post(
        self, url: URL, headers: CIMultiDict[str], body: bytes, on_connected: Callable[[], None]
    ) -> HttpAnswer:
        """Send, and wait for the response's head.  Raises the typed errors of an unreachable or broken upstream."""

    async def close(self) -> None:
        """Close every connection."""


class AiohttpAnswer:
    """An `HttpAnswer` over aiohttp."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status = response.status
        self.headers = response.headers

    async def read(self) -> bytes:
        """The next bytes of the body; see the port."""
        try:
            return await self._response.content.readany()
        except (aiohttp.ClientError, ConnectionError) as error:
            raise UpstreamTruncated(detail=type(error).__name__) from error

    def close(self) -> None:
        """Let go; see the port."""
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()


class AiohttpTransport:
    """One pool of connections for all calls to an upstream."""

    def __init__(self) -> None:
        tracing = aiohttp.TraceConfig()
        tracing.on_connection_create_end.append(_connected)
        tracing.on_connection_reuseconn.append(_reused)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE_S, ttl_dns_cache=DNS_TTL_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            auto_decompress=False,
            skip_auto_headers=("User-Agent", "Accept-Encoding"),
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
            trace_configs=[tracing],
        )

    async def post(
        self, url: URL, headers: CIMultiDict[str], body: bytes, on_connected: Callable[[], None]
    ) -> HttpAnswer:
        """Send; see the port.  A pooled connection that turns out to be dead is replaced once, unseen."""
        marks = SimpleNamespace(on_connected=on_connected, reused=False)
        while True:
            marks.reused = False
            try:
                response = await self._session.post(
                    url, data=body, headers=headers, allow_redirects=False, trace_request_ctx=marks
                )
            except (aiohttp.ClientError, OSError) as error:
                fault = fault_of_transport(error)
                if marks.reused and isinstance(fault, UpstreamDisconnected):
                    continue
                raise fault from error
            return AiohttpAnswer(response)

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()


async def _connected(_session: object, context: SimpleNamespace, _params: object) -> None:
    context.trace_request_ctx.on_connected()


async def _reused(_session: object, context: SimpleNamespace, _params: object) -> None:
    context.trace_request_ctx.reused = True
    context.trace_request_ctx.on_connected()


def fault_of_transport(error: Exception) -> TurnstileError:
    """The typed error for what goes wrong before a response's head has come; the detail names no address."""
    detail = type(error).__name__
    match error:
        case aiohttp.ClientConnectorCertificateError() | ssl.SSLCertVerificationError():
            return UpstreamUntrusted(detail=detail)
        case aiohttp.ClientConnectorError() | aiohttp.ClientConnectorDNSError():
            return UpstreamUnreachable(detail=f"{detail}: {error.os_error.strerror or type(error.os_error).__name__}")
        case aiohttp.ClientResponseError():
            return UpstreamProtocolError(detail=f"{detail}: {error.message}"[:200])
        case aiohttp.ServerConnectionError() | aiohttp.ClientOSError() | OSError() | aiohttp.ClientPayloadError():
            return UpstreamDisconnected(detail=detail)
        case _:
            return UpstreamProtocolError(detail=detail)
