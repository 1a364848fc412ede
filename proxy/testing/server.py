"""Plays scripts over a socket: an upstream that speaks Chat Completions, as badly as a test wants it to.

    async with ScriptedServer(Upstream.answers("Hel").then_breaks()) as server:
        ...                                   # talk to server.base_url
        server.requests[0].gone_s             # when the other side was seen to leave

Bytes, their cuts, statuses, headers, resets and silences are exactly what the script says.
"""

import asyncio
import contextlib
import socket
import struct
import time
from dataclasses import dataclass, field
from typing import Any, Self

import orjson
from multidict import CIMultiDict

from proxy.testing.http_answer import Telling
from proxy.testing.script import Upstream

RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, for 0 s: closing sends RST; socket(7)

Json = dict[str, Any]


@dataclass(slots=True)
class Received:
    """A request as it came.  Times are those of `time.monotonic`."""

    method: str
    path: str
    headers: CIMultiDict[str]
    body: bytes
    seen_s: float
    connection: int
    gone_s: float | None = None  # when the other side was seen to have left before the end of the answer
    sent_bytes: int = 0  # of the answer, head included
    answered: bool = False
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def json(self) -> Json:
        """The body."""
        told: Json = orjson.loads(self.body)
        return told

    async def end(self, limit_s: float = 2.0) -> Self:
        """Wait until the answer has ended, or the other side has left.  Raises TimeoutError."""
        await asyncio.wait_for(self.ended.wait(), limit_s)
        return self


class ScriptedServer:
    """An upstream on 127.0.0.1 that plays one script per request, in turn; the last one repeats."""

    def __init__(self, *scripts: Upstream) -> None:
        self.requests: list[Received] = []
        self.accepted = 0
        self.connections: set[Connection] = set()
        self._scripts = scripts or (Upstream.answers("Hello."),)
        self._server: asyncio.Server | None = None
        self._came = asyncio.Event()

    async def __aenter__(self) -> Self:
        """Listen on a free port."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self), "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_error: object) -> None:
        """End every connection."""
        assert self._server is not None  # noqa: S101 - entered
        self._server.close()
        for connection in list(self.connections):
            connection.end()
        await asyncio.gather(*(connection.lost for connection in self.connections))

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None, "not started"  # noqa: S101 - a mistake of the test that uses this
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def base_url(self) -> str:
        """What a configuration calls it."""
        return f"http://127.0.0.1:{self.port}/v1"

    async def request(self, number: int = 0, limit_s: float = 2.0) -> Received:
        """The request of that *number*, counted from 0, as soon as it has come.  Raises TimeoutError."""
        async with asyncio.timeout(limit_s):
            while len(self.requests) <= number:
                self._came.clear()
                await self._came.wait()
        return self.requests[number]

    def drop_idle(self) -> None:
        """Close every connection, as a server does whose patience with idle ones is over."""
        for connection in self.connections:
            connection.close()

    def came(self, received: Received) -> Upstream:
        """Keep a request, and give the script that answers it."""
        self.requests.append(received)
        self._came.set()
        return self._scripts[min(len(self.requests), len(self._scripts)) - 1]


class Connection(asyncio.Protocol):
    """One connection: takes requests one after the other, and plays a script for each."""

    def __init__(self, server: ScriptedServer) -> None:
        self._server = server
        self._transport: Any = None
        self._data = bytearray()
        self._playing: asyncio.Task[None] | None = None
        self._received: Received | None = None
        self._room = asyncio.Event()
        self._room.set()
        self.lost = asyncio.get_running_loop().create_future()

    # --- the loop's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody has come."""
        self._transport = transport
        self._server.accepted += 1
        self.number = self._server.accepted
        self._server.connections.add(self)

    def data_received(self, data: bytes) -> None:
        """More of a request."""
        self._data += data
        if self._playing is None:
            self._begin()

    def eof_received(self) -> bool:
        """The other side has said its last word; it has left, even if it still listens."""
        self._left()
        return False

    def connection_lost(self, _error: Exception | None) -> None:
        """The connection is gone."""
        self._left()
        self._room.set()
        self._server.connections.discard(self)
        self.lost.set_result(None)
        if self._playing is not None:
            self._playing.cancel()

    def pause_writing(self) -> None:
        """The other side does not read."""
        self._room.clear()

    def resume_writing(self) -> None:
        """It does again."""
        self._room.set()

    def _left(self) -> None:
        if self._received is not None and not self._received.answered and self._received.gone_s is None:
            self._received.gone_s = time.monotonic()
            self._received.ended.set()

    # --- requests

    def _begin(self) -> None:
        received = self._take()
        if received is None:
            return
        self._received = received
        script = self._server.came(received)
        loop = asyncio.get_running_loop()
        self._playing = loop.create_task(self._play(script, received), name="scripted upstream")

    def _take(self) -> Received | None:
        """The next request, if it is whole; of its framings only Content-Length is understood."""
        head, blank, rest = bytes(self._data).partition(b"\r\n\r\n")
        if not blank:
            return None
        line, *fields = head.decode("latin-1").split("\r\n")
        method, path, _version = line.split(" ")
        headers: CIMultiDict[str] = CIMultiDict()
        for each in fields:
            name, _colon, value = each.partition(":")
            headers.add(name, value.strip())
        length = int(headers.get("Content-Length", "0"))
        if len(rest) < length:
            return None
        self._data[:] = rest[length:]
        return Received(method, path, headers, rest[:length], time.monotonic(), self.number)

    # --- answers

    async def _play(self, script: Upstream, received: Received) -> None:
        try:
            stays = await Telling(self, script, received.body).tell()
        finally:
            received.answered = received.gone_s is None
            received.ended.set()
        self._playing = None
        if stays and not self._transport.is_closing():
            self._begin()
        else:
            self.close()

    async def send(self, data: bytes) -> None:
        """Write *data*, as soon as the other side has room for it."""
        assert self._received is not None  # noqa: S101 - an answer is under way
        self._transport.write(data)
        self._received.sent_bytes += len(data)
        await self._room.wait()

    def close(self) -> None:
        """End in good order."""
        self._transport.close()

    def reset(self) -> None:
        """Break off."""
        sock = self._transport.get_extra_info("socket")
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self._transport.abort()

    def end(self) -> None:
        """End at once, whatever is under way."""
        if self._playing is not None:
            self._playing.cancel()
        self._transport.abort()
