"""Bytes of a pipe to lines: however the reads cut them, and as long as the limit allows."""

from dataclasses import dataclass
from typing import TypeAlias

HEAD_BYTES = 64 * 1024  # of a line that is too long: enough to tell whose it is


@dataclass(frozen=True, slots=True)
class TooLong:
    """A line above the limit, of which only the *head* was kept."""

    head: bytes


Line: TypeAlias = bytes | TooLong


class LineSplitter:
    """Whole lines, without their ends; an empty line is none.

    The parts of an unfinished line are kept as they came, so that a line of many reads costs what it weighs, once.
    """

    __slots__ = ("_max_line_bytes", "_parts", "_size", "_skipping")

    def __init__(self, max_line_bytes: int) -> None:
        self._max_line_bytes = max_line_bytes
        self._parts: list[bytes] = []
        self._size = 0
        self._skipping = False  # within a line that has already been told as too long

    def feed(self, data: bytes) -> list[Line]:
        """The lines that *data* completes, or makes too long."""
        lines: list[Line] = []
        first, *rest = data.split(b"\n")
        self._extend(first, lines)
        for piece in rest:
            self._finish(lines)
            self._extend(piece, lines)
        return lines

    @property
    def unfinished(self) -> bool:
        """Whether a line has begun and not ended."""
        return self._size > 0 or self._skipping

    def _extend(self, piece: bytes, lines: list[Line]) -> None:
        if self._skipping or not piece:
            return
        self._parts.append(piece)
        self._size += len(piece)
        if self._size > self._max_line_bytes:
            lines.append(TooLong(b"".join(self._parts)[:HEAD_BYTES]))
            self._parts, self._size = [], 0
            self._skipping = True

    def _finish(self, lines: list[Line]) -> None:
        if self._size:
            lines.append(b"".join(self._parts))
        self._parts, self._size = [], 0
        self._skipping = False
