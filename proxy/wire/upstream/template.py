"""Chunks that differ in nothing but their text: what is around it is decoded once, and from then on only compared.

Nearly every chunk of an answer is the same bytes around another JSON string.  Put any other string in that place, and
the chunk means the same but for its text: so the bytes around it, once they are known to be just that, are a template.
"""

from typing import NamedTuple, Self

import orjson

from proxy.wire.events import Extras, ReasoningDelta, TextDelta

_QUOTE_BYTES = 1
_tuple = tuple.__new__  # makes a named tuple in half the time that its own constructor takes


class Shape(NamedTuple):
    """What a plain chunk is but for its text: the bytes around it, quotes included, and all else of its event."""

    head: bytes
    tail: bytes
    said: type[TextDelta | ReasoningDelta]
    choice: int
    extras: Extras | None

    @classmethod
    def of(cls, piece: bytes, event: TextDelta | ReasoningDelta) -> Self | None:
        """The shape of *piece*, a whole SSE event that was read as *event*; None if the text is written otherwise.

        A guess: the text may also stand elsewhere in the chunk.
        """
        try:
            written = orjson.dumps(event.text)
        except TypeError:  # a lone surrogate
            return None
        at = piece.rfind(written)
        if at < 0:
            return None
        head, tail = piece[: at + _QUOTE_BYTES], piece[at + len(written) - _QUOTE_BYTES :]
        return cls(head, tail, type(event), event.choice, event.extras)

    def filled(self, text: str) -> tuple[bytes, TextDelta | ReasoningDelta]:
        """A chunk of this shape with another text, and the event that it must be read as if the guess was right."""
        piece = self.head[:-_QUOTE_BYTES] + orjson.dumps(text) + self.tail[_QUOTE_BYTES:]
        return piece, self.said(text, self.choice, self.extras)


class Template:
    """A shape that is known to be right, for pieces of up to *max_bytes*."""

    __slots__ = ("_choice", "_extras", "_head", "_max_bytes", "_said", "_tail", "_text")

    def __init__(self, shape: Shape, max_bytes: int) -> None:
        self._head, self._tail, self._said, self._choice, self._extras = shape
        self._text = slice(len(self._head) - _QUOTE_BYTES, _QUOTE_BYTES - len(self._tail))
        self._max_bytes = max_bytes

    def read(self, piece: bytes) -> TextDelta | ReasoningDelta | None:
        """The event that *piece* is if it has this shape and a text, and is one whole SSE event; else None.

        What stands between two quotes and is JSON is one string, without a line end.
        """
        if not (piece.startswith(self._head) and piece.endswith(self._tail)) or len(piece) > self._max_bytes:
            return None
        try:
            text = orjson.loads(piece[self._text])
        except orjson.JSONDecodeError:
            return None
        return _tuple(self._said, (text, self._choice, self._extras)) if text else None
