"""JSON as models write it: read leniently, value by value, and given back as strict JSON.

Mended are raw control characters in strings, unknown escapes (their backslash is a literal one), single quotes, keys
without quotes, commas before a closer, and Python's `True`, `False`, `None`.  Anything else that is no JSON is a
`Mismatch`.
"""

import json
import re
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Never

from proxy.dialects.reader import Mismatch, Reader, Steps
from proxy.dialects.schema import dump, load

MAX_DEPTH = 200  # far above any argument, and below what readers of JSON take

SPACES = re.compile(r"[ \t\r\n]*")
_IN_STRING = {
    '"': re.compile(r'[^"\\\x00-\x1f]*(?:\\["\\/bfnrt][^"\\\x00-\x1f]*)*'),
    "'": re.compile(r"[^'\"\\\x00-\x1f]*"),
}
_NUMBER_RUN = re.compile(r"[-+0-9.eE]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_BARE_KEY = re.compile(r"[A-Za-z0-9_$-]*")
_LITERALS = {"true": "true", "false": "false", "null": "null", "True": "true", "False": "false", "None": "null"}
_ESCAPES = frozenset('"\\/bfnrt')
_HEX = frozenset("0123456789abcdefABCDEF")
_CLOSERS = {"{": "}", "[": "]"}
_STRINGS_AND_SPACE = re.compile(r'("(?:[^"\\]|\\.)*")|[ \t\r\n]+', re.DOTALL)
_LONE_SURROGATE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<lone>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)


def _no_constant(name: str) -> Never:
    raise ValueError(name)


_DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=_no_constant)


@dataclass(frozen=True, slots=True)
class Value:
    """A JSON value: *raw* as the model wrote it, *text* as strict JSON with the same white space.

    *cut*: the answer has ended before its closers, which were put there; *open_keys* are those of what they close.
    """

    raw: str
    text: str
    cut: bool = False
    open_keys: tuple[str, ...] = ()


def compact(text: str) -> str:
    """Strict JSON without white space between its tokens; no digit changes."""
    return _STRINGS_AND_SPACE.sub(lambda found: found[1] or "", text)


class Expect(Enum):
    """What may come next."""

    VALUE = auto()
    ITEM = auto()  # or the end of the array: right after its opener, and after a comma
    KEY = auto()  # or the end of the object
    MORE = auto()  # a comma, or the end


class ValueReader:
    """Reads one value.  What is open is kept in a stack of its own, so nesting costs no calls."""

    __slots__ = ("_comma_at", "_key", "_keys", "_raw", "_reader", "_stack", "_text")

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._raw: list[str] = []
        self._text: list[str] = []
        self._stack: list[str] = []
        self._key = ""
        self._keys: list[str] = []  # under which each of the stack was opened
        self._comma_at = -1  # where in the text stands a comma that nothing has followed

    def read(self) -> Steps[Value]:
        """Read to the value's end; closers that the end of a settled answer leaves out are put there."""
        reader, expect = self._reader, Expect.VALUE
        while expect is not Expect.MORE or self._stack:
            self._put((yield from reader.run(SPACES)))
            char = yield from reader.peek()
            if expect is Expect.MORE:
                if not char and reader.settled:
                    return self._closed_by_end()
                expect = self._more(char)
            elif (char == "}" and expect is Expect.KEY) or (char == "]" and expect is Expect.ITEM):
                expect = self._more(char)
            elif expect is Expect.KEY:
                yield from self._read_key(char)
                expect = Expect.VALUE
            else:
                expect = yield from self._read_value(char)
        return self._whole("".join(self._text))

    # --- the parts

    def _put(self, raw: str, text: str | None = None) -> None:
        self._raw.append(raw)
        self._text.append(raw if text is None else text)

    def _take(self, char: str, text: str | None = None) -> None:
        self._reader.at += 1
        self._put(char, text)

    def _more(self, char: str) -> Expect:
        """Take a comma or a closer."""
        opener = self._stack[-1]
        if char == ",":
            self._take(char)
            self._comma_at = len(self._text) - 1
            return Expect.KEY if opener == "{" else Expect.ITEM
        if char != _CLOSERS[opener]:
            raise Mismatch
        if self._comma_at >= 0:
            self._text[self._comma_at] = ""
            self._comma_at = -1
        self._take(char)
        self._stack.pop()
        self._keys.pop()
        return Expect.MORE

    def _read_key(self, char: str) -> Steps[None]:
        self._comma_at = -1
        start = len(self._text)
        if char in _IN_STRING and char:
            yield from self._string(char)
        else:
            key = yield from self._reader.run(_BARE_KEY)
            if not key:
                raise Mismatch
            self._put(key, f'"{key}"')
        self._key = "".join(self._text[start:])[1:-1]
        self._put((yield from self._reader.run(SPACES)))
        yield from self._reader.expect(":")
        self._put(":")

    def _read_value(self, char: str) -> Steps[Expect]:
        self._comma_at = -1
        if char in _CLOSERS and char:
            if len(self._stack) == MAX_DEPTH:
                raise Mismatch
            self._take(char)
            self._stack.append(char)
            self._keys.append(self._key)
            self._key = ""
            return Expect.KEY if char == "{" else Expect.ITEM
        if char in _IN_STRING and char:
            yield from self._string(char)
        elif char and char in "-0123456789":
            number = yield from self._reader.run(_NUMBER_RUN)
            if not _NUMBER.fullmatch(number):
                raise Mismatch
            self._put(number)
        else:
            literal = yield from self._reader.word(_LITERALS)
            if literal not in _LITERALS:
                raise Mismatch
            self._put(literal, _LITERALS[literal])
        return Expect.MORE

    def _string(self, quote: str) -> Steps[None]:
        reader = self._reader
        self._take(quote, '"')
        while True:
            self._put((yield from reader.run(_IN_STRING[quote])))
            char = yield from reader.peek()
            if not char:
                raise Mismatch
            if char == quote:
                self._take(char, '"')
                return
            if char == "\\":
                yield from self._escape(quote)
            else:  # a control character, or a double quote between single ones
                self._take(char, dump(char)[1:-1])

    def _escape(self, quote: str) -> Steps[None]:
        reader = self._reader
        reader.at += 1
        char = yield from reader.peek()
        if char == "u":
            reader.at += 1
            digits = ""
            while len(digits) < 4 and (digit := (yield from reader.peek())) in _HEX and digit:
                digits += digit
                reader.at += 1
            self._put(f"\\u{digits}", None if len(digits) == 4 else f"\\\\u{digits}")
        elif char and char in _ESCAPES:
            self._take_escape(char, f"\\{char}")
        elif char == "'" and quote == "'":
            self._take_escape(char, "'")
        else:
            self._put("\\", "\\\\")  # what follows is read as any other character

    def _take_escape(self, char: str, text: str) -> None:
        self._reader.at += 1
        self._put(f"\\{char}", text)

    # --- the end

    def _closed_by_end(self) -> Value:
        closers = "".join(_CLOSERS[opener] for opener in reversed(self._stack))
        whole = self._whole("".join(self._text) + closers)
        return replace(whole, cut=True, open_keys=tuple(self._keys))

    def _whole(self, text: str) -> Value:
        try:
            load(text)
        except ValueError:
            text = _LONE_SURROGATE.sub(lambda escape: r"\ufffd" if escape["lone"] else escape[0], text)
            try:
                load(text)
            except ValueError as error:
                raise Mismatch from error
        return Value("".join(self._raw), text)


def read_value(reader: Reader) -> Steps[Value]:
    """Read one value; see `ValueReader.read`.  One that is whole and needs no mending is read at once."""
    start = reader.at
    if reader.text[start : start + 1] in _CLOSERS and (end := end_of_strict(reader.text, start)):
        reader.at = end
        raw = reader.text[start:end]
        return Value(raw, raw)
    return (yield from ValueReader(reader).read())


def end_of_strict(text: str, start: int) -> int:
    """Where the strict JSON value ends that begins at *start*; 0 if it is not whole, or not sure to be read alike."""
    try:
        _value, end = _DECODER.raw_decode(text, start)
    except (ValueError, RecursionError):
        return 0
    if text.count("{", start, end) + text.count("[", start, end) > MAX_DEPTH or text.find("\\u", start, end) >= 0:
        return 0
    return end
