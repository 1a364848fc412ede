"""The client of the hot path: a pool of connections to one origin, and nothing else."""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable

from yarl import URL

from proxy.errors import TurnstileError, UpstreamDisconnected, UpstreamUnreachable, UpstreamUntrusted
from proxy.upstreams.http.connection import Connection
from proxy.upstreams.http.guarded import Connect, connect
from proxy.upstreams.http.port import KEEPALIVE_S, Headers, HttpAnswer

MAX_IDLE = 512  # connections kept for the next calls; more are closed when their call is over


class PooledTransport:
    """An `HttpTransport` over connections that are used again, the most recently used first."""

    def __init__(self, url: URL, connect: Connect = connect) -> None:
        self._connect_to = connect
        self._retired = False
        self._host = url.raw_host or ""
        self._port = url.port or (443 if url.scheme == "https" else 80)
        self._tls = ssl.create_default_context() if url.scheme == "https" else None
        self._target = url.raw_path_qs
        self._host_field = f" HTTP/1.1\r\nHost: {url.raw_authority}\r\n"
        self._idle: deque[tuple[float, Connection]] = deque()
        self._open: set[Connection] = set()
        self._sweep: asyncio.TimerHandle | None = None

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
        head = self._head(f"{method} {target or self._target}", headers, len(body))
        while True:
            connection = self._pooled() or await self._connect()
            on_connected()
            try:
                return await connection.call(head, body)
            except UpstreamDisconnected:
                if connection.calls == 1:
                    raise
                # It was dead when it was taken from the pool: the next one, or a new one, is tried.

    async def close(self) -> None:
        """Close every connection."""
        if self._sweep is not None:
            self._sweep.cancel()
        for connection in list(self._open):
            connection.abort()
        await asyncio.sleep(0)  # lets the loop tell the connections

    def retire(self) -> None:
        """Close what is idle, and each other connection when its call is over."""
        self._retired = True
        while self._idle:
            self._idle.popleft()[1].abort()

    def _head(self, start: str, headers: Headers, length: int) -> bytes:
        fields = "".join(f"{name}: {value}\r\n" for name, value in headers)
        return f"{start}{self._host_field}{fields}Content-Length: {length}\r\n\r\n".encode("latin-1")

    def _pooled(self) -> Connection | None:
        while self._idle:
            _since, connection = self._idle.pop()
            if connection.usable:
                return connection
        return None

    async def _connect(self) -> Connection:
        try:
            _transport, connection = await self._connect_to(
                lambda: Connection(self._kept, self._open.discard), self._host, self._port, self._tls
            )
        except (OSError, ssl.SSLError) as error:
            raise fault_of_connect(error) from error
        made: Connection = connection
        self._open.add(made)
        return made

    def _kept(self, connection: Connection) -> None:
        """Keep a connection whose call is over, for a while."""
        if self._retired or len(self._idle) >= MAX_IDLE:
            connection.abort()
            return
        loop = asyncio.get_running_loop()
        self._idle.append((loop.time(), connection))
        if self._sweep is None:
            self._sweep = loop.call_later(KEEPALIVE_S, self._close_stale)

    def _close_stale(self) -> None:
        loop = asyncio.get_running_loop()
        while self._idle and self._idle[0][0] <= loop.time() - KEEPALIVE_S:
            self._idle.popleft()[1].abort()
        self._sweep = loop.call_later(KEEPALIVE_S / 2, self._close_stale) if self._idle else None


def fault_of_connect(error: Exception) -> TurnstileError:
    """The typed error for a connection that did not come about; the detail names no address."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return UpstreamUntrusted(detail=type(error).__name__)
    reason = error.strerror if isinstance(error, OSError) and error.strerror else ""
    return UpstreamUnreachable(detail=f"{type(error).__name__}: {reason}"[:200])
