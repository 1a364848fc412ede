"""The plain client: aiohttp's `ClientSession`."""

import ssl
from collections.abc import Callable
from types import SimpleNamespace

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
from proxy.upstreams.http.port import KEEPALIVE_S, MAX_HEAD_BYTES, BytesSink, Headers, HttpAnswer

DNS_TTL_S = 10  # a moved upstream is found within seconds; a look-up per request would be felt


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

    async def flow(self, sink: BytesSink) -> bool:
        """Give the body to *sink*; see the port."""
        while data := await self.read():
            if not sink(data):
                return False
        return True

    def close(self) -> None:
        """Let go; see the port."""
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()


class AiohttpTransport:
    """One pool of connections for the calls to one origin."""

    def __init__(self, url: URL) -> None:
        self._url = url
        tracing = aiohttp.TraceConfig()
        tracing.on_connection_create_end.append(_connected)
        tracing.on_connection_reuseconn.append(_reused)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE_S, ttl_dns_cache=DNS_TTL_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            auto_decompress=False,
            skip_auto_headers=("User-Agent", "Accept-Encoding"),
            max_line_size=MAX_HEAD_BYTES,
            max_field_size=MAX_HEAD_BYTES,
            trace_configs=[tracing],
        )

    async def send(
        self,
        headers: Headers,
        body: bytes,
        on_connected: Callable[[], None],
        *,
        method: str = "POST",
        target: str | None = None,
    ) -> HttpAnswer:
        """Send; see the port."""
        url = self._url if target is None else self._url.join(URL(target, encoded=True))
        marks = SimpleNamespace(on_connected=on_connected, reused=False)
        while True:
            marks.reused = False
            try:
                response = await self._session.request(
                    method,
                    url,
                    data=body,
                    headers=CIMultiDict(headers),
                    allow_redirects=False,
                    trace_request_ctx=marks,
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
        case aiohttp.ClientConnectorError():
            return UpstreamUnreachable(detail=f"{detail}: {error.os_error.strerror or type(error.os_error).__name__}")
        case aiohttp.ClientResponseError():
            return UpstreamProtocolError(detail=f"{detail}: {error.message}"[:200])
        case aiohttp.ServerConnectionError() | aiohttp.ClientOSError() | aiohttp.ClientPayloadError() | OSError():
            return UpstreamDisconnected(detail=detail)
        case _:
            return UpstreamProtocolError(detail=detail)
