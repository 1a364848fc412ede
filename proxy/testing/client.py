"""A caller in process: it sends a body, keeps what it is told, reads slowly or leaves."""

import asyncio
from collections.abc import Callable, Mapping

from multidict import CIMultiDict

from proxy.deadline import Clock, TimerHandle
from proxy.errors import ClientGone, RequestTooLarge
from proxy.ports import Headers, RequestHead
from proxy.wire.answer import PING


class FakeClient:
    """A `Client`.  What it was told is in *status*, *headers* and *body*; *writes* are the pieces of the body.

    *body_s* are the seconds that its own body takes to arrive.  It does not read, and its socket is full from the
    *reads*-th piece on.  *on_write* is called with the number of each piece before it is taken, and may raise.  What
    the port forbids is kept in *faults*.
    """

    def __init__(
        self,
        clock: Clock,
        body: bytes,
        headers: Mapping[str, str],
        *,
        body_s: float = 0.0,
        reads: int | None = None,
        on_write: Callable[[int], None] | None = None,
        breaks_off_in_body: bool = False,
    ) -> None:
        self.head = RequestHead("POST", "/v1/chat/completions", CIMultiDict(headers), len(body), "127.0.0.1")
        self.status: int | None = None
        self.headers: CIMultiDict[str] = CIMultiDict()
        self.writes: list[bytes] = []
        self.streaming = False
        self.ended = False
        self.closed = False
        self.was_reset = False
        self.gone = False
        self.faults: list[str] = []
        self.task: asyncio.Task[None] | None = None
        self._clock = clock
        self._sent = body
        self._body_s = body_s
        self._reads = reads
        self._on_write = on_write
        self._breaks_off_in_body = breaks_off_in_body
        self._room = asyncio.Event()
        self._held: Callable[[], Headers] = tuple
        self._heartbeat_s = 0.0
        self._timer: TimerHandle | None = None
        if reads is None:
            self._room.set()

    # --- the port

    @property
    def committed(self) -> bool:
        """Whether status and headers have come."""
        return self.status is not None

    @property
    def body(self) -> bytes:
        """All of the body that has come."""
        return b"".join(self.writes)

    @property
    def bytes_sent(self) -> int:
        """Its length."""
        return len(self.body)

    async def read_body(self, limit_bytes: int) -> bytes:
        """The whole body, when it has arrived."""
        if self._body_s:
            await self._clock.sleep(self._body_s)
        if self._breaks_off_in_body:
            raise ClientGone
        if len(self._sent) > limit_bytes:
            raise RequestTooLarge(f"The request body is larger than {limit_bytes} bytes.")
        return self._sent

    def hold(self, headers: Callable[[], Headers], *, commit_after_s: float, heartbeat_s: float) -> None:
        """Wait for a stream."""
        self._note_fault(self.streaming, "held back twice")
        self.streaming = True
        self._held = headers
        self._heartbeat_s = heartbeat_s
        if commit_after_s:
            self._pulse_in(commit_after_s)

    async def begin(self, frames: bytes) -> None:
        """Take the first piece of the stream."""
        self._note_fault(not self.streaming, "a piece of a stream that was not held back first")
        if not self.committed:
            self._begin(200, self._held())
        if not self.put(frames):
            await self.drain()

    def put(self, frames: bytes) -> bool:
        """Take a piece of the stream, and say whether there is room for more."""
        self._note_fault(not self.committed, "a piece of a stream that was not begun")
        self._keep(frames)
        if self._heartbeat_s:
            self._pulse_in(self._heartbeat_s)
        return self._has_room

    async def drain(self) -> None:
        """Make room."""
        if not self._has_room:
            await self._room.wait()
        if self.gone:
            raise ClientGone

    async def end(self, frames: bytes = b"", *, close: bool = False) -> None:
        """Take the last piece."""
        if not self.committed:
            self._begin(200, self._held())
        self._stop_pulse()
        self.closed = close
        await self._take(frames)
        self.ended = True

    async def answer(self, status: int, headers: Headers, body: bytes) -> None:
        """Take a whole answer."""
        self._note_fault(self.committed, "a second status")
        self._stop_pulse()
        self._begin(status, headers)
        self.closed = self.headers.get("Connection") == "close"
        await self._take(body)
        self.ended = True

    def reset(self) -> None:
        """See the connection break off."""
        self._stop_pulse()
        self.was_reset = True

    def close(self) -> None:
        """The request is over."""
        self._stop_pulse()

    # --- the test's side

    def leave(self) -> None:
        """Go away: whoever serves the request is cancelled, and no write arrives any more."""
        self.gone = True
        self.close()
        assert self.task is not None, "nobody serves this client"  # noqa: S101 - a mistake of the test that uses this
        self.task.cancel()

    def read_on(self) -> None:
        """Read again, without end."""
        self._room.set()

    def _begin(self, status: int, headers: Headers) -> None:
        self.status = status
        self.headers = CIMultiDict(headers)

    @property
    def _has_room(self) -> bool:
        return self._reads is None or len(self.writes) < self._reads or self._room.is_set()

    async def _take(self, data: bytes) -> None:
        self._keep(data)
        await self.drain()

    def _keep(self, data: bytes) -> None:
        self._note_fault(self.ended or self.was_reset, "a write after the end")
        if self._on_write is not None:
            self._on_write(len(self.writes) + 1)
        if self.gone:
            raise ClientGone
        if data:
            self.writes.append(data)

    def _note_fault(self, wrong: bool, fault: str) -> None:  # noqa: FBT001 - reads as a condition
        if wrong:
            self.faults.append(fault)

    # --- heartbeats

    def _pulse_in(self, seconds: float) -> None:
        self._stop_pulse()
        self._timer = self._clock.call_at(self._clock.now() + seconds, self._pulse)

    def _pulse(self) -> None:
        if not self.committed:
            self._begin(200, self._held())
        self.writes.append(PING)
        if self._heartbeat_s:
            self._pulse_in(self._heartbeat_s)

    def _stop_pulse(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
