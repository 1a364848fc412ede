"""The payloads of an event stream: JSON objects up to the end mark, as chat upstreams of any kind send them."""

from collections.abc import Iterator
from typing import Any, TypeAlias

from proxy.errors import TurnstileError, UpstreamProtocolError
from proxy.wire.sse import SseParser
from proxy.wire.upstream.json_text import decode_object

Payload: TypeAlias = tuple[dict[str, Any], str]
"""A decoded object, and the name of its event, empty if it has none.

An event named `error` whose data is no object is given as `{"error": text}`.
"""

END_MARK = b"[DONE]"
MARK = END_MARK.decode()
"""The name of the payload that the end mark becomes where it is not the end."""
MAX_NOISE = 100  # events that are neither JSON nor the end mark; one more is a stream of something else


class PayloadReader:
    """Bytes of an event stream to payloads, whatever the bytes' cuts.

    `done`: the end mark has come; what follows it is ignored.  `failure`: the stream can't be read on; the payloads
    before the fault are still given.  `noise` counts the events passed over.  With *reads_past_mark* the end mark is an
    empty payload named `MARK`, and what follows it counts.
    """

    __slots__ = ("_reads_past_mark", "_some", "_sse", "done", "failure", "noise")

    def __init__(self, max_event_bytes: int, *, reads_past_mark: bool = False) -> None:
        self._reads_past_mark = reads_past_mark
        self.done = False
        self.failure: TurnstileError | None = None
        self.noise = 0
        self._some = False
        self._sse = SseParser(max_event_bytes)

    @property
    def begun(self) -> bool:
        """Whether an event or a comment has come."""
        return self._some or self._sse.comments > 0

    def lone(self, piece: bytes) -> dict[str, Any] | None:
        """Give the object that *piece* is, if it is one whole event and nothing is pending; else None.

        `feed` would give the same, by a longer way: most pieces of a slow stream are just this.
        """
        if self.done or self.failure is not None:
            return None
        data = self._sse.lone(piece)
        value = None if data is None else decode_object(data)
        if value is not None:
            self._some = True
        return value

    def feed(self, piece: bytes) -> Iterator[Payload]:
        """Give the payloads that *piece* completes, each looked at when it is asked for."""
        if self.done or self.failure is not None:
            return
        for data, name in self._sse.feed(piece):
            self._some = True
            value = decode_object(data)
            if value is None:
                value = self._take_other(data.strip(), name)
            if value is not None:
                yield value, name
            elif self.done and self._reads_past_mark:
                self.done = False
                yield {}, MARK
            elif self.done or self.failure is not None:
                return
        self.failure = self._sse.failure

    def end(self) -> Iterator[Payload]:
        """The bytes have ended: an event that was cut off counts if it is the end mark or one whole object."""
        pending = None if self.done or self.failure is not None else self._sse.end()
        if pending is not None:
            data, name = pending
            value = decode_object(data)
            self.done = data.strip() == END_MARK
            self._some = self._some or self.done or value is not None
            if value is not None:
                yield value, name
            elif self.done and self._reads_past_mark:
                yield {}, MARK

    def _take_other(self, text: bytes, name: str) -> dict[str, Any] | None:
        """Take the data of an event that is no object; give the payload that it makes nevertheless."""
        if text == END_MARK:
            self.done = True
        elif name == "error":
            return {"error": text.decode("utf-8", "replace") or name}
        elif text.startswith(b"{"):
            self.failure = UpstreamProtocolError(detail="an event is not the JSON object that it begins as")
        elif text:
            self.noise += 1
            if self.noise > MAX_NOISE:
                self.failure = UpstreamProtocolError(
                    detail=f"more than {MAX_NOISE} events are neither JSON nor an end mark"
                )
        return None
