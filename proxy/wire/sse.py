"""Server-sent events, read: bytes in pieces of any size become events.

The grammar is that of the HTML standard, section "Server-sent events", which the parser departs from only where
`SseParser.end` says so.  All work is done on bytes: line ends, colons and spaces are ASCII, which no byte of a longer
UTF-8 sequence can be mistaken for, so text may be decoded event by event with the result of one incremental decoder.

Two paths lead to the same events.  The bulk path splits a read into events of one `data:` line each, which is all that
a chat upstream normally sends, with line ends of one kind, LF or CR LF.  The careful path goes line by line and knows
the whole grammar; it takes what the bulk path leaves: other lines, other line ends, events cut between reads.
"""

import re
from typing import TypeAlias

from proxy.errors import UpstreamOversize

SseEvent: TypeAlias = tuple[bytes, str]
"""The data of an event, its lines joined by LF, maybe bad UTF-8; and the event's name, empty if it has none."""

BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_LINE_END = re.compile(rb"\r\n?|\n")
_CR, _LF = 0x0D, 0x0A  # looking for a number is several times faster than for a string of one byte
_DATA = b"data: "
_BREAK, _CRLF_BREAK = b"\n\n", b"\r\n\r\n"


class _Begun:
    """What has begun and is not complete: the first bytes of a stream, a line, an event, or a CR LF cut in two."""

    __slots__ = ("at_start", "data", "line", "name", "swallow_lf")

    def __init__(self) -> None:
        self.at_start = False  # a byte order mark may still come
        self.swallow_lf = False  # a CR ended the last piece, and the line: an LF now would belong to it
        self.line = bytearray()
        self.data: bytearray | None = None  # None until the event's first `data` line
        self.name = ""

    def __bool__(self) -> bool:
        return self.at_start or self.swallow_lf or bool(self.line) or self.data is not None or bool(self.name)


class SseParser:
    """An incremental parser whose events do not depend on where the bytes are cut.

    *max_event_bytes* bounds a line, and the data of an event.  What is larger sets `failure`; the events before it are
    still given, and nothing after it is.  `comments` counts the comment lines.
    """

    __slots__ = ("_begun", "_max_bytes", "comments", "failure")

    def __init__(self, max_event_bytes: int) -> None:
        self.failure: UpstreamOversize | None = None
        self.comments = 0
        self._max_bytes = max_event_bytes
        self._begun: _Begun | None = _Begun()
        self._begun.at_start = True

    def lone(self, piece: bytes) -> bytes | None:
        """Give the data of *piece* if it is one whole event of one `data: ` line and nothing has begun; else None."""
        if (
            self._begun is None
            and piece.find(_LF) == len(piece) - len(_BREAK)
            and piece.startswith(_DATA)
            and piece.endswith(_BREAK)
            and _CR not in piece
            and len(piece) <= self._max_bytes
        ):
            return piece[len(_DATA) : -len(_BREAK)]
        return None

    def feed(self, piece: bytes) -> list[SseEvent]:
        """Give the events that *piece* completes."""
        whole = self._split(piece) if self._begun is None else None
        if whole is not None:
            return whole
        events: list[SseEvent] = []
        if self.failure is None:
            self._take(piece, events)
        return events

    def end(self) -> SseEvent | None:
        """Give the event that the end of bytes has cut off, if one had begun.

        The standard drops it, but some servers leave out the last blank line: the caller decides by what the data is.
        """
        events: list[SseEvent] = []
        if self._begun is not None and self.failure is None:
            self._take_line(self._begun, bytes(self._begun.line), events)
            self._take_line(self._begun, b"", events)
            self._begun = None
        return events[0] if events else None

    def _split(self, piece: bytes) -> list[SseEvent] | None:
        """Give the events of *piece* if it is whole events of one `data: ` line each, and no line end is left over."""
        if not piece.startswith(_DATA) or len(piece) > self._max_bytes:
            return None
        if _CR in piece:
            if not piece.endswith(_CRLF_BREAK) or piece.count(_CR) != piece.count(_LF):
                return None
            found = piece[len(_DATA) : -len(_CRLF_BREAK)].split(_CRLF_BREAK + _DATA)
        elif piece.endswith(_BREAK):
            found = piece[len(_DATA) : -len(_BREAK)].split(_BREAK + _DATA)
        else:
            return None
        return [(data, "") for data in found] if piece.count(_LF) == 2 * len(found) else None

    def _take(self, piece: bytes, events: list[SseEvent]) -> None:
        """Take *piece*: the rest of an event that has begun, then whole events in bulk, then what begins the next."""
        begun = self._begun or _Begun()
        if begun.at_start:
            piece = _without_mark(begun, piece)
        at = self._take_lines(begun, piece, 0, events, one_event=True) if begun else 0
        end = max(piece.rfind(_BREAK, at) + len(_BREAK), piece.rfind(_CRLF_BREAK, at) + len(_CRLF_BREAK))
        whole = self._split(piece[at:end]) if self.failure is None else None
        if whole is not None:
            events += whole
            at = end
        if at < len(piece) and self.failure is None:
            self._take_lines(begun, piece, at, events)
        self._begun = begun if begun or self.failure is not None else None

    def _take_lines(
        self, begun: _Begun, piece: bytes, at: int, events: list[SseEvent], *, one_event: bool = False
    ) -> int:
        """Take *piece* from *at* on, line by line, or only to the first blank line; give the position after it."""
        if begun.swallow_lf and piece:
            begun.swallow_lf = False
            at += piece[at] == _LF
        for found in _LINE_END.finditer(piece, at):
            line = piece[at : found.start()]
            at = found.end()
            if begun.line:
                begun.line += line
                line = bytes(begun.line)
                begun.line.clear()
            self._take_line(begun, line, events)
            if self.failure is not None:
                return at
            if one_event and not line:
                break
        else:
            begun.line += piece[at:]
            at = len(piece)
            self._refuse_over(len(begun.line))
        begun.swallow_lf = begun.swallow_lf or (at == len(piece) and piece.endswith(b"\r"))
        return at

    def _take_line(self, begun: _Begun, line: bytes, events: list[SseEvent]) -> None:
        self._refuse_over(len(line))
        if not line:
            if begun.data is not None:
                events.append((bytes(begun.data), begun.name))
            begun.data = None
            begun.name = ""
            return
        field, _, value = line.partition(b":")
        if not field:
            self.comments += 1
            return
        value = value.removeprefix(b" ")
        if field == b"data":
            if begun.data is None:
                begun.data = bytearray(value)
            else:
                begun.data += b"\n" + value
            self._refuse_over(len(begun.data))
        elif field == b"event":
            begun.name = value.decode("utf-8", "replace")

    def _refuse_over(self, size_bytes: int) -> None:
        if size_bytes > self._max_bytes:
            self.failure = UpstreamOversize(detail=f"an SSE line or event is larger than {self._max_bytes} bytes")


def _without_mark(begun: _Begun, piece: bytes) -> bytes:
    """Hold the first bytes until it is clear whether they are a byte order mark, which is dropped."""
    piece = bytes(begun.line) + piece
    begun.line.clear()
    if len(piece) < len(BYTE_ORDER_MARK) and BYTE_ORDER_MARK.startswith(piece):
        begun.line += piece
        return b""
    begun.at_start = False
    return piece.removeprefix(BYTE_ORDER_MARK)
