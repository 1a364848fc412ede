"""An upstream on a loopback port that does to each call exactly what a script says, byte by byte.

    async with RawServer((sse(), says("Hel"), Reset())) as upstream:
        ...                                      # call upstream.base_url
        assert (await upstream.call()).json["stream"]

Of several scripts each stands for one call, and the last one repeats.  `proxy.testing.raw` has the actions.
"""

import asyncio
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, Self, assert_never

from multidict import CIMultiDict

from proxy.testing.raw import KeepAlive, Repeat, Reset, Script, Send, Sleep, Stall, answers

WAIT_LIMIT_S = 5.0  # nothing that a test waits for takes so long; a wait beyond it is a hang
BREAK_OFF = b"\1\0\0\0\0\0\0\0"  # struct linger: on, 0 s: closing sends RST; socket(7)


@dataclass(slots=True)
class Received:
    """A request that has come, at *seen_s* (loop time); *left_s* and *left_by* tell of the caller's going away."""

    head: str
    headers: CIMultiDict[str]
    body: bytes
    seen_s: float
    left_s: float | None = None
    left_by: Literal["fin", "rst"] | None = None
    _left: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    async def left(self) -> float:
        """When the caller went away (loop time); waits for it.  Raises TimeoutError."""
        async with asyncio.timeout(WAIT_LIMIT_S):
            await self._left.wait()
        assert self.left_s is not None  # noqa: S101 - set together with the event
        return self.left_s

    def note_left(self, how: Literal["fin", "rst"]) -> None:
        """Note the first that is seen of the caller's going away."""
        if self.left_s is None:
            self.left_s, self.left_by = asyncio.get_running_loop().time(), how
            self._left.set()


class RawServer:
    """The server, as an async context manager; *received* are the requests so far.

    *greeting* is sent on every connection before anything was asked, as no HTTP server does.
    """

    def __init__(self, *scripts: Script, greeting: bytes = b"") -> None:
        self.greeting = greeting
        self.received: list[Received] = []
        self.base_url = ""
        self._scripts = scripts or (answers(),)
        self._failures: list[BaseException] = []
        self._connections: set[Connection] = set()
        self._came = asyncio.Event()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.get_running_loop().create_server(lambda: Connection(self), "127.0.0.1", 0)
        self.base_url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"
        return self

    async def __aexit__(self, *_error: object) -> None:
        assert self._server is not None  # noqa: S101 - entered before it is left
        self._server.close()
        for connection in list(self._connections):
            connection.transport.abort()
        await self._server.wait_closed()
        if self._failures:
            raise self._failures[0]

    async def call(self, number: int = 1) -> Received:
        """The *number*-th request; waits for it.  Raises TimeoutError."""
        async with asyncio.timeout(WAIT_LIMIT_S):
            while len(self.received) < number:
                self._came.clear()
                await self._came.wait()
        return self.received[number - 1]

    def take(self, request: Received) -> Script:
        """Record a request, and give the script for it."""
        self.received.append(request)
        self._came.set()
        return self._scripts[min(len(self.received), len(self._scripts)) - 1]

    def note_played(self, playing: "asyncio.Task[None]") -> None:
        """A script is over; a bug in it is raised at the server's end."""
        failure = None if playing.cancelled() else playing.exception()
        if failure is not None:
            self._failures.append(failure)

    def note(self, connection: "Connection", *, is_open: bool) -> None:
        """Keep count of connections."""
        (self._connections.add if is_open else self._connections.discard)(connection)


class Connection(asyncio.Protocol):
    """One connection: reads a request, plays its script, and notes when the caller goes away."""

    def __init__(self, server: RawServer) -> None:
        self.transport: Any = None
        self._server = server
        self._unread = b""
        self._request: Received | None = None
        self._playing: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is there."""
        self.transport = transport
        self._server.note(self, is_open=True)
        if self._server.greeting:
            self.transport.write(self._server.greeting)

    def data_received(self, data: bytes) -> None:
        """Play the script of a request once it is whole."""
        self._unread += data
        told, whole, rest = self._unread.partition(b"\r\n\r\n")
        start, *lines = told.decode("latin-1").split("\r\n")
        headers = CIMultiDict((name, value) for name, _, value in (line.partition(": ") for line in lines))
        length_bytes = int(headers.get("Content-Length", 0))
        if not whole or len(rest) < length_bytes:
            return
        self._unread = rest[length_bytes:]
        loop = asyncio.get_running_loop()
        self._request = Received(start, headers, rest[:length_bytes], loop.time())
        self._playing = loop.create_task(self._play(self._server.take(self._request)))
        self._playing.add_done_callback(self._server.note_played)

    def eof_received(self) -> bool:
        """The caller will send no more; our side stays open, since the script says what happens to it."""
        self._note_left("fin")
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone; if by our own doing, the caller has not left."""
        self._server.note(self, is_open=False)
        if exc is not None:
            self._note_left("rst")
        if self._playing is not None:
            self._playing.cancel()

    def _note_left(self, how: Literal["fin", "rst"]) -> None:
        if self._request is not None:
            self._request.note_left(how)

    async def _play(self, script: Script) -> None:
        for action in script:
            match action:
                case Send():
                    for piece in action.pieces:
                        self.transport.write(piece)
                        await asyncio.sleep(0)
                case Repeat():
                    while True:
                        self.transport.write(action.what.data)
                        await asyncio.sleep(action.gap_s)
                case Sleep():
                    await asyncio.sleep(action.seconds)
                case Stall():
                    await asyncio.Event().wait()
                case Reset():
                    self._reset()
                    return
                case KeepAlive():
                    return
                case _:
                    assert_never(action)
        self.transport.close()

    def _reset(self) -> None:
        raw: socket.socket = self.transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, BREAK_OFF)
        self.transport.abort()


@contextmanager
def closed_port() -> Iterator[str]:
    """The base URL of a port on which every connection is refused."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}/v1"


@contextmanager
def full_port() -> Iterator[str]:
    """The base URL of a port on which connections are neither accepted nor refused: its queue is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.settimeout(0)
            filler.connect_ex(address)
        try:
            yield f"http://127.0.0.1:{address[1]}/v1"
        finally:
            for filler in fillers:
                filler.close()
