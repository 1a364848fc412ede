"""The caller's side of a request over aiohttp: reads the body, writes the answer by `StreamResponse`."""

import contextlib
import socket
import struct
from collections.abc import Callable
from typing import cast

from aiohttp import web
from aiohttp.http import StreamWriter
from multidict import CIMultiDict

from proxy.deadline import Clock, TimerHandle
from proxy.errors import ClientGone, MalformedHttp, RequestTooLarge
from proxy.ports import Headers, RequestHead
from proxy.tasks import spawn
from proxy.wire.answer import PING

NO_LINGER = struct.pack("ii", 1, 0)  # closing sends RST; socket(7)


class HeldResponse(web.StreamResponse):
    """A response whose headers leave together with the first bytes of its body, in one write."""

    _send_headers_immediately = False


class HttpClient:
    """A `Client` over one aiohttp request.

    While the answer is held back, one timer waits to commit it; from then on the same timer writes heartbeats.  It is
    moved by noting when the last write was, and set anew only when it fires.
    """

    def __init__(self, request: web.BaseRequest, clock: Clock, peer: str = "") -> None:
        self.head = RequestHead(
            method=request.method,
            path=request.path,
            headers=request.headers,
            content_length=request.content_length,
            peer=peer,
        )
        self.response: web.StreamResponse | None = None
        self.streaming = False
        self._request = request
        self._protocol = request.protocol
        self._writer = cast(StreamWriter, request.writer)
        self._clock = clock
        self._now = clock.now
        self._sent_bytes = 0
        self._headers: Callable[[], Headers] = tuple
        self._commit_at: float | None = None
        self._heartbeat_s = 0.0
        self._over = False
        self._written_s = 0.0
        self._timer: TimerHandle | None = None

    @property
    def committed(self) -> bool:
        """Whether status and headers have left."""
        return self.response is not None

    @property
    def bytes_sent(self) -> int:
        """Bytes of the body that have been written."""
        return self._sent_bytes

    # --- reading

    async def read_body(self, limit_bytes: int) -> bytes:
        """The whole body; reading stops at the limit, whether or not a length was declared."""
        if (self.head.content_length or 0) > limit_bytes:
            raise RequestTooLarge(f"The request body is larger than {limit_bytes} bytes.")
        content = self._request.content
        pieces: list[bytes] = []
        size = 0
        try:
            while not content.at_eof():
                piece = await content.readany()
                size += len(piece)
                if size > limit_bytes:
                    raise RequestTooLarge(f"The request body is larger than {limit_bytes} bytes.")
                pieces.append(piece)
        except web.RequestPayloadError as error:
            raise MalformedHttp from error
        except ConnectionError as error:
            raise ClientGone from error
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    # --- writing a stream

    def hold(self, headers: Callable[[], Headers], *, commit_after_s: float, heartbeat_s: float) -> None:
        """Keep status and headers back; see the port."""
        self.streaming = True
        self._headers = headers
        self._heartbeat_s = heartbeat_s
        if commit_after_s > 0:
            self._commit_at = self._clock.now() + commit_after_s
            self._timer = self._clock.call_at(self._commit_at, self._pulse)

    async def begin(self, frames: bytes) -> None:
        """Write the first piece of the stream, after the held status and headers if they have not left."""
        response = self.response or await self._start()
        try:
            await response.write(frames)
        except ConnectionError as error:
            raise ClientGone from error
        self._sent_bytes += len(frames)
        self._written_s = self._clock.now()
        await self.drain()

    def put(self, frames: bytes) -> bool:
        """Write a further piece, at once; see the port.

        The same bytes as by `StreamResponse.write`, whose layers would cost more than all else that is done for a
        chunk: the response has begun, so its headers have left, and it is neither compressed nor of a declared length.
        """
        transport = self._protocol.transport
        if transport is None or transport.is_closing():
            raise ClientGone
        size = len(frames)
        self._sent_bytes += size
        self._written_s = self._now()
        transport.write(b"%x\r\n%b\r\n" % (size, frames) if self._writer.chunked else frames)
        return not self._protocol._paused  # noqa: SLF001 - its property would be one more call for every chunk

    async def drain(self) -> None:
        """Wait until the socket has room again."""
        try:
            await self._writer.drain()
        except ConnectionError as error:
            raise ClientGone from error

    async def end(self, frames: bytes = b"", *, close: bool = False) -> None:
        """Write the last piece and end the body; with *close* the connection ends as well."""
        response = self.response or await self._start()
        self._stop_pulse()
        if close:
            self._protocol.close()
        try:
            await response.write_eof(frames)
        except ConnectionError as error:
            raise ClientGone from error
        self._sent_bytes += len(frames)

    # --- writing a whole answer

    async def answer(self, status: int, headers: Headers, body: bytes) -> None:
        """Write a whole answer at once."""
        self._stop_pulse()
        response = HeldResponse(status=status, headers=CIMultiDict(headers))
        response.content_length = len(body)
        if response.headers.get("Connection") == "close":
            response.force_close()
        self.response = response
        try:
            await response.prepare(self._request)
            await response.write_eof(body)
        except ConnectionError as error:
            raise ClientGone from error
        self._sent_bytes += len(body)

    def reset(self) -> None:
        """Break the connection off: what was not read is dropped, and the caller sees a reset, no end."""
        self._stop_pulse()
        transport = self._request.transport
        if transport is not None:
            sock = transport.get_extra_info("socket")
            if sock is not None and sock.family != socket.AF_UNIX:
                with contextlib.suppress(OSError):  # it is closed already
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
            transport.abort()
        self._protocol.force_close()

    def close(self) -> None:
        """Stop the timer, and forget the request; it is over.

        What makes the headers knows the request, which knows this: a cycle, which only the collector would undo.
        """
        self._stop_pulse()
        self._headers = tuple

    # --- committing, heartbeats

    async def _start(self) -> web.StreamResponse:
        response = HeldResponse(headers=CIMultiDict(self._headers()))
        self._headers = tuple
        self.response = response
        if self._request.version >= (1, 1):
            response.enable_chunked_encoding()
        await response.prepare(self._request)
        self._written_s = self._clock.now()
        if self._timer is not None:
            self._timer.cancel()
        self._commit_at = None
        if self._heartbeat_s > 0:
            self._timer = self._clock.call_at(self._written_s + self._heartbeat_s, self._pulse)
        return response

    def _pulse(self) -> None:
        self._timer = None
        now = self._clock.now()
        due = self._commit_at if self._commit_at is not None else self._written_s + self._heartbeat_s
        if due > now:
            self._timer = self._clock.call_at(due, self._pulse)
            return
        if not self._protocol.writing_paused:
            spawn(self._beat(), name="heartbeat")
        if self._commit_at is None:
            self._timer = self._clock.call_at(now + self._heartbeat_s, self._pulse)

    async def _beat(self) -> None:
        if self._over:
            return  # the end came in the turn of the loop in which this was set off
        try:
            await self.begin(PING)
        except ClientGone:
            return  # the handler is being cancelled, and will tell of it

    def _stop_pulse(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._heartbeat_s = 0.0
        self._over = True
