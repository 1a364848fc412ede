"""JSON as upstreams write it: bytes to objects, leniently where bytes are bad, and the beginnings of cut texts."""

import re
from typing import Any

import orjson

MAX_DEPTH = 200
"""Deeper nesting is refused: orjson reads 1024 levels but writes 254, and what is read here may have to be written."""

_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a pair of surrogates
    r"|(?P<lone>u[dD][89a-fA-F][0-9a-fA-F]{2})"  # half a pair
    r"|.)",  # any other escape
    re.DOTALL,
)


def decode_object(data: bytes) -> dict[str, Any] | None:
    """Give the JSON object that *data* is; None for anything else, or one nested deeper than `MAX_DEPTH`.

    Bad UTF-8 and lone surrogate escapes become U+FFFD: servers that cut text between two code units send the latter.
    """
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        value = _decode_leniently(data)
    if type(value) is not dict or (len(data) > 2 * MAX_DEPTH and _is_deep(data, value)):
        return None
    return value


def _decode_leniently(data: bytes) -> Any:
    try:
        return orjson.loads(_ESCAPE.sub(_whole_escape, data.decode("utf-8", "replace")))
    except orjson.JSONDecodeError:
        return None


def _whole_escape(escape: re.Match[str]) -> str:
    return r"\ufffd" if escape["lone"] else escape[0]


def _is_deep(data: bytes, value: Any) -> bool:
    """Whether *value*, read from *data*, nests too deep; without brackets enough, as nearly always, it can't."""
    if data.count(b"{") + data.count(b"[") <= MAX_DEPTH:
        return False
    layer = [value]
    for _ in range(MAX_DEPTH):
        inner = (found.values() if type(found) is dict else found for found in layer)
        layer = [found for items in inner for found in items if type(found) in (dict, list)]
    return bool(layer)


class JsonPrefix:
    """Tells whether a JSON text that comes in pieces is cut: a string or a bracket is still open.

    Pieces are kept until they are many, then folded into three numbers: cheap for each piece, bounded for all.
    """

    __slots__ = ("_depth", "_escaped", "_in_string", "_kept", "_kept_chars", "_something")

    _KEPT_PIECES, _KEPT_CHARS = 256, 65_536
    _MARK = re.compile(r'["{}\[\]\\]')
    _MARK_IN_STRING = re.compile(r'["\\]')

    def __init__(self) -> None:
        self._kept: list[str] = []
        self._kept_chars = 0
        self._depth = 0
        self._in_string = False
        self._escaped = False  # the next character belongs to a backslash
        self._something = False

    def push(self, piece: str) -> None:
        """Take the next piece of the text."""
        self._kept.append(piece)
        self._kept_chars += len(piece)
        if len(self._kept) > self._KEPT_PIECES or self._kept_chars > self._KEPT_CHARS:
            self._fold()

    @property
    def cut(self) -> bool:
        """Whether something that the text opened is not closed."""
        self._fold()
        return self._in_string or self._depth > 0

    @property
    def whole(self) -> bool:
        """Whether there is a text at all, and it is not cut."""
        return not self.cut and self._something

    def _fold(self) -> None:
        text = "".join(self._kept)
        self._kept.clear()
        self._kept_chars = 0
        self._something = self._something or bool(text and not text.isspace())
        at = 0
        if self._escaped and text:
            at, self._escaped = 1, False
        while found := (self._MARK_IN_STRING if self._in_string else self._MARK).search(text, at):
            at = found.end()
            mark = found[0]
            if mark == '"':
                self._in_string = not self._in_string
            elif mark == "\\":
                self._escaped = at == len(text)
                at += 1
            else:
                self._depth += 1 if mark in "{[" else -1


def is_cut_json(text: str) -> bool:
    """Whether *text* is the beginning of a JSON text: a string or a bracket in it is still open."""
    prefix = JsonPrefix()
    prefix.push(text)
    return prefix.cut
