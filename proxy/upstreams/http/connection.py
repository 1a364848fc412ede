"""One HTTP/1.1 connection to an upstream, and the answer under way on it.

The parser is httptools', which puts the pieces of the body in a list of ours by itself.  Bytes are pushed: what a read
of the socket brings is given to whoever takes the answer in the same turn of the loop, without a task in between.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import httptools
from multidict import CIMultiDict

from proxy.errors import TurnstileError, UpstreamDisconnected, UpstreamProtocolError, UpstreamTruncated
from proxy.upstreams.http.port import MAX_HEAD_BYTES, BytesSink

HIGH_WATER_BYTES = 128 * 1024  # kept for a slow taker before the sender is slowed down
ONE_WRITE_BYTES = 64 * 1024  # a request up to this size leaves in one piece, at the price of a copy
BODILESS = (204, 304)  # RFC 9112 §6.3


class PooledAnswer:
    """An `HttpAnswer`: what has come of it and was not taken yet, and who waits for more."""

    __slots__ = (
        "_connection",
        "_loop",
        "_pieces",
        "_waiter",
        "begun",
        "ended",
        "failure",
        "headers",
        "keeps_alive",
        "sink",
        "slowed",
        "status",
        "until_close",
    )

    def __init__(self, connection: "Connection") -> None:
        self.status = 0
        self.headers: CIMultiDict[str] = CIMultiDict()
        self.begun = False  # the head is whole
        self.ended = False  # the body is whole
        self.until_close = False  # the body is whole when the connection ends
        self.keeps_alive = False  # the connection can serve another call
        self.failure: TurnstileError | None = None
        self._connection: Connection | None = connection
        self._loop = asyncio.get_running_loop()
        self._pieces: list[bytes] = []
        self.slowed = False  # the sender was asked to wait
        self.sink: BytesSink | None = None  # takes what comes; without one it is kept
        self._waiter: asyncio.Future[None] | None = None

    # --- the taker's side

    async def head(self) -> None:
        """Wait for the head.  Raises `UpstreamDisconnected`, `UpstreamProtocolError`."""
        while not self.begun:
            await self._more()

    async def read(self) -> bytes:
        """The next bytes of the body, none at its end; see the port."""
        while not self._pieces:
            if self.ended:
                return b""
            await self._more()
        return self._take()

    async def flow(self, sink: BytesSink) -> bool:
        """Give the body to *sink*; see the port."""
        if self._pieces and not sink(self._take()):
            return False
        if not self.ended:
            self.sink = sink
            try:
                await self._more()
            finally:
                self.sink = None
            if self.failure is not None:
                raise self.failure
        return self.ended and not self._pieces

    def close(self) -> None:
        """Let go, once; see the port."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.let_go(self)

    async def _more(self) -> None:
        if self.failure is not None:
            raise self.failure
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _take(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        if self.slowed and self._connection is not None:
            self._connection.speed_up()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    # --- the connection's side

    def keep(self, body: bytes) -> bool:
        """Keep what nobody takes now; false asks the sender to slow down."""
        if body:
            self._pieces.append(body)
        self.wake()
        return sum(map(len, self._pieces)) <= HIGH_WATER_BYTES

    def pause(self, error: Exception | None = None) -> None:
        """The sink has asked for a pause, or raised *error*, which belongs to whoever waits in `flow`."""
        self.sink = None
        if error is not None and self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error)
        self.wake()

    def fail(self, failure: TurnstileError) -> None:
        """It breaks off here; what came before is still given on."""
        self.failure = self.failure or failure
        self.wake()

    def wake(self) -> None:
        """Tell whoever waits that something has changed."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Connection(asyncio.Protocol):
    """A connection that makes one call at a time.

    *on_idle* is called when an answer was taken to its end and another call can be made, *on_lost* when none can any
    more.
    """

    __slots__ = ("_answer", "_body", "_head_bytes", "_on_idle", "_on_lost", "_parser", "_transport", "calls", "on_body")

    def __init__(self, on_idle: Callable[["Connection"], None], on_lost: Callable[["Connection"], None]) -> None:
        self._on_idle = on_idle
        self._on_lost = on_lost
        self._transport: Any = None
        self._body: list[bytes] = []  # what one read has brought of it
        self.on_body = self._body.append  # the parser's side, at the price of no call of ours
        self._parser: Any = httptools.HttpResponseParser(self)
        self._answer: PooledAnswer | None = None
        self._head_bytes = 0
        self.calls = 0

    @property
    def usable(self) -> bool:
        """Whether a call can be made."""
        return self._answer is None and not self._transport.is_closing()

    async def call(self, head: bytes, body: bytes) -> PooledAnswer:
        """Send a request, and wait for the head of its answer.  Raises as `PooledAnswer.head` does."""
        self.calls += 1
        self._head_bytes = 0
        answer = self._answer = PooledAnswer(self)
        if len(body) < ONE_WRITE_BYTES:
            self._transport.write(head + body)
        else:
            self._transport.write(head)
            self._transport.write(body)
        try:
            await answer.head()
        except BaseException:
            answer.close()
            raise
        return answer

    def let_go(self, answer: PooledAnswer) -> None:
        """The holder of *answer* is done with it."""
        self._answer = None
        if (
            answer.ended
            and answer.keeps_alive
            and not self._transport.is_closing()
            and not self._transport.get_write_buffer_size()
        ):
            if answer.slowed:
                self._transport.resume_reading()
            self._on_idle(self)
        else:
            self.abort()

    def speed_up(self) -> None:
        """There is room again: read on."""
        if self._answer is not None:
            self._answer.slowed = False
        self._transport.resume_reading()

    def abort(self) -> None:
        """End the connection, at once."""
        self._transport.abort()

    # --- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is there."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """One read of the socket."""
        answer = self._answer
        if answer is None:
            self.abort()  # nobody has asked anything: what comes now would be taken for the next answer
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._refuse(f"{type(error).__name__}: {error}"[:200])
            return
        if not answer.begun:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse("the response's head is too large")
            return
        pieces = self._body
        if len(pieces) == 1:
            body = pieces.pop()
        else:
            body = b"".join(pieces)
            pieces.clear()
        if answer.sink is None:
            self._keep(answer, body)
            return
        try:
            goes_on = not body or answer.sink(body)
        except Exception as error:  # noqa: BLE001 - it is handed to whoever waits
            answer.pause(error)
            return
        if not goes_on or answer.ended:
            answer.pause()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone, in good order or not."""
        self._on_lost(self)
        answer = self._answer
        if answer is None or answer.ended:
            return
        if answer.until_close and exc is None:
            answer.ended = True
            answer.wake()
            return
        detail = type(exc).__name__ if exc else "EOF"
        answer.fail(UpstreamTruncated(detail=detail) if answer.begun else UpstreamDisconnected(detail=detail))

    def _keep(self, answer: PooledAnswer, body: bytes) -> None:
        if not answer.keep(body) and not answer.slowed:
            answer.slowed = True
            self._transport.pause_reading()

    def _refuse(self, detail: str) -> None:
        if self._answer is not None:
            self._answer.fail(UpstreamProtocolError(detail=detail))
        self._transport.abort()

    # --- the parser's side

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header field, or a trailer, which says nothing that is needed."""
        if self._answer is not None and not self._answer.begun:
            self._answer.headers.add(name.decode("latin-1"), value.decode("latin-1"))

    def on_headers_complete(self) -> None:
        """The head is whole; one of 1xx only announces another.  RFC 9110 §15.2."""
        answer, status = self._answer, self._parser.get_status_code()
        if answer is None:
            return
        if status < 200:
            answer.headers.clear()
            return
        framed = "content-length" in answer.headers or "chunked" in answer.headers.get("transfer-encoding", "").lower()
        answer.until_close = not framed and status not in BODILESS
        answer.status = status
        answer.begun = True

    def on_message_complete(self) -> None:
        """The body is whole."""
        if self._answer is not None and self._answer.begun:
            self._answer.ended = True
            self._answer.keeps_alive = self._parser.should_keep_alive()  # the parser knows only now
