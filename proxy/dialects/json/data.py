"""Strict JSON that is no call: told apart from text, so that nothing inside it is taken for one."""

import re
from enum import Enum, auto

_SPACES = re.compile(r"[ \t\r\n]*")
_IN_STRING = re.compile(r'[^"\\\x00-\x1f]*')
_OPENERS = re.compile(r"\[+")
_KEY = re.compile(r'[ \t\r\n]*"[^"\\\x00-\x1f]*"[ \t\r\n]*:[ \t\r\n]*(\{)?')
_SCALAR_RUN = re.compile(r"[-+0-9.eEa-df-z]*")
_SCALAR = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null")
_MAX_SCALAR_CHARS = 4096  # longer ones are no JSON that anyone writes
_SCALAR_STARTS = frozenset("-0123456789tfn")
_ESCAPES = frozenset('"\\/bfnrt')
_HEX = frozenset("0123456789abcdefABCDEF")
_CLOSERS = {123: "}", 91: "]"}  # by the code of the opener


class _At(Enum):
    VALUE = auto()
    ITEM = auto()  # a value, or the array's end
    NAME = auto()  # a key
    MEMBER = auto()  # a key, or the object's end
    COLON = auto()
    MORE = auto()  # a comma, or the end
    STRING = auto()
    ESCAPE = auto()
    SCALAR = auto()


class JsonData:
    """Follows one array or object, piece by piece, to its end or its first error; either way it is then *over*."""

    __slots__ = ("_at", "_hex_left", "_in_key", "_scalar", "_stack", "over")

    def __init__(self) -> None:
        self.over = False
        self._at = _At.VALUE
        self._stack = bytearray()  # a byte for each bracket that is open
        self._in_key = False
        self._hex_left = 0
        self._scalar = ""

    def feed(self, text: str, at: int = 0) -> int:
        """Follow *text* from *at* on; where in it the data ends or breaks, or its length."""
        size = len(text)
        while at < size and not self.over:
            match self._at:
                case _At.STRING:
                    at = self._string(text, at)
                case _At.ESCAPE:
                    at = self._escape(text, at)
                case _At.SCALAR:
                    at = self._scalar_on(text, at)
                case _At.MEMBER if whole := _KEY.match(text, at):  # deep in objects this is nearly all there is
                    self._at = _At.VALUE
                    if whole[1]:
                        self._stack.append(123)
                        self._at = _At.MEMBER
                    at = whole.end()
                case _:
                    found = _SPACES.match(text, at)
                    at = found.end() if found else at
                    if at < size:
                        at = self._token(text, at)
        return at

    def _token(self, text: str, at: int) -> int:
        char, state = text[at], self._at
        if state is _At.MORE:
            return self._more(char, at)
        if state is _At.COLON:
            return self._go(_At.VALUE, at) if char == ":" else self._break(at)
        if state is _At.MEMBER and char == "}":
            return self._more(char, at)
        if state is _At.MEMBER or state is _At.NAME:
            return self._name(text, at)
        if state is _At.ITEM and char == "]":
            return self._more(char, at)
        if char == "[":
            found = _OPENERS.match(text, at)
            many = found.end() - at if found else 1
            self._stack += b"[" * many
            return self._go(_At.ITEM, at + many - 1)
        if char == "{":
            self._stack.append(123)
            return self._go(_At.MEMBER, at)
        if char == '"':
            self._in_key = False
            return self._go(_At.STRING, at)
        if not self._stack or char not in _SCALAR_STARTS:
            return self._break(at)
        self._scalar = ""
        self._at = _At.SCALAR
        return at

    def _go(self, state: _At, at: int) -> int:
        self._at = state
        return at + 1

    def _break(self, at: int) -> int:
        self.over = True
        return at

    def _more(self, char: str, at: int) -> int:
        opener = self._stack[-1]
        if char == ",":
            return self._go(_At.NAME if opener == 123 else _At.VALUE, at)
        if char != _CLOSERS[opener]:
            return self._break(at)
        self._stack.pop()
        self.over = not self._stack
        return self._go(_At.MORE, at)

    def _name(self, text: str, at: int) -> int:
        if whole := _KEY.match(text, at):  # nearly always
            self._at = _At.VALUE
            if whole[1]:
                self._stack.append(123)
                self._at = _At.MEMBER
            return whole.end()
        self._in_key = True
        return self._go(_At.STRING, at) if text[at] == '"' else self._break(at)

    def _string(self, text: str, at: int) -> int:
        found = _IN_STRING.match(text, at)
        at = found.end() if found else at
        if at == len(text):
            return at
        if text[at] == '"':
            return self._go(_At.COLON if self._in_key else _At.MORE, at)
        if text[at] == "\\":
            self._hex_left = -1
            return self._go(_At.ESCAPE, at)
        return self._break(at)

    def _escape(self, text: str, at: int) -> int:
        char = text[at]
        if self._hex_left < 0:
            if char == "u":
                self._hex_left = 4
                return at + 1
            return self._go(_At.STRING, at) if char in _ESCAPES else self._break(at)
        if char not in _HEX:
            return self._break(at)
        self._hex_left -= 1
        return at + 1 if self._hex_left else self._go(_At.STRING, at)

    def _scalar_on(self, text: str, at: int) -> int:
        found = _SCALAR_RUN.match(text, at)
        end = found.end() if found else at
        if len(self._scalar) + end - at > _MAX_SCALAR_CHARS:
            end = at + max(0, _MAX_SCALAR_CHARS - len(self._scalar))
            return self._break(end)
        self._scalar += text[at:end]
        if end == len(text):
            return end
        if not _SCALAR.fullmatch(self._scalar):
            return self._break(end)
        self._at = _At.MORE
        return end
