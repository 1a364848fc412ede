"""What adapters need of HTTP.

Whoever implements it maps foreign exceptions to typed errors, follows no redirect, decompresses nothing, keeps no
cookie, and runs no clock: the clocks are those of the request.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from multidict import CIMultiDict, CIMultiDictProxy

KEEPALIVE_S = (
    30.0  # below the idle timeouts of common servers and balancers (60 to 75 s): few pooled connections are dead
)
MAX_HEAD_BYTES = 64 * 1024  # of a response's status line and header fields together

Headers = Sequence[tuple[str, str]]
BytesSink = Callable[[bytes], bool]
"""Takes the bytes of one read; false asks for a pause."""


class HttpAnswer(Protocol):
    """An HTTP response under way; its head has come."""

    @property
    def status(self) -> int:
        """The status code."""

    @property
    def headers(self) -> CIMultiDict[str] | CIMultiDictProxy[str]:
        """The header fields, whatever their case."""

    async def read(self) -> bytes:
        """The next bytes of the body as they came, none at its end.  Raises `UpstreamTruncated` when it breaks off."""

    async def flow(self, sink: BytesSink) -> bool:
        """Give the body to *sink*, read by read, as it comes.

        Returns true at the end of the body, false when the sink has asked for a pause; what comes meanwhile is kept,
        and the sender is slowed down.  Raises `UpstreamTruncated` when the body breaks off, and whatever the sink
        raises.
        """

    def close(self) -> None:
        """Let go.  A connection whose body was not read to its end is closed at once, and never used again."""


class HttpTransport(Protocol):
    """Calls to one origin."""

    async def send(
        self,
        headers: Headers,
        body: bytes,
        on_connected: Callable[[], None],
        *,
        method: str = "POST",
        target: str | None = None,
    ) -> HttpAnswer:
        """Send, and wait for the response's head; *on_connected* is called when there is a connection.

        *target* is path and query, percent-encoded; None stands for those of the URL that the transport was made for.
        A pooled connection that turns out to be dead is replaced, unseen.  Raises `UpstreamUnreachable`,
        `UpstreamUntrusted`, `UpstreamDisconnected`, `UpstreamProtocolError`.
        """

    async def close(self) -> None:
        """Close every connection."""
