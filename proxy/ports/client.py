"""The caller's side of a request."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from multidict import MultiMapping

Headers = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class RequestHead:
    """A request as it came in, without its body.

    *headers* is looked up by name in any case, and knows repeated fields.
    """

    method: str
    path: str
    headers: MultiMapping[str]
    content_length: int | None
    peer: str


class Client(Protocol):
    """The caller's side of a request: read the body once, then write one answer.

    A write returns when the socket has taken the bytes, or has room again.  Writing to a caller who has left raises
    `ClientGone`; being cancelled while writing leaves the connection unusable, and it is closed.
    """

    head: RequestHead

    @property
    def committed(self) -> bool:
        """Whether status and headers have left."""

    @property
    def streaming(self) -> bool:
        """Whether the answer is a stream: `hold` was called."""

    @property
    def bytes_sent(self) -> int:
        """Bytes of the body that have left."""

    async def read_body(self, limit_bytes: int) -> bytes:
        """The whole body.  Raises `RequestTooLarge` as soon as it is over the limit, `ClientGone` if it breaks off."""

    def hold(self, headers: Callable[[], Headers], *, commit_after_s: float, heartbeat_s: float) -> None:
        """Keep 200 and the *headers* of a stream back, for *commit_after_s* seconds at most (0 = without limit).

        From the commit on, a comment is written whenever *heartbeat_s* seconds passed without a write (0 = never).
        """

    async def begin(self, frames: bytes) -> None:
        """Write the first piece of the stream, and the held status and headers before it if they have not left."""

    def put(self, frames: bytes) -> bool:
        """Write a further piece, at once.  False says that the socket is full: nothing more before `drain`."""

    async def drain(self) -> None:
        """Wait until the socket has room again."""

    async def end(self, frames: bytes = b"", *, close: bool = False) -> None:
        """Write the last piece, and end the body in good order; with *close* the connection ends as well."""

    async def answer(self, status: int, headers: Headers, body: bytes) -> None:
        """Write a whole answer at once."""

    def reset(self) -> None:
        """Break the connection off."""
