"""The loose form: `tool_call: (name: T, arguments: (term: tea, limit: 3))`, in any mixture of brackets and quotes.

It begins behind `tool_call`, and is complete when the bracket of its arguments has closed.  `)` and `}` mean the same.
"""

import re

from proxy.dialects.json.items import Call, Tools
from proxy.dialects.json.values import SPACES, read_value
from proxy.dialects.reader import Mismatch, Reader, Steps
from proxy.dialects.schema import dump, load, members_of, object_of, typed_json

OPENERS, CLOSERS, SEPARATORS, QUOTES = ("(", "{"), (")", "}"), (":", "="), ('"', "'")
MAX_DEPTH = 32  # of groups in groups; nobody writes more without quotes

_BLANKS = re.compile(r"[ \t]*")
_KEY = re.compile(r"[A-Za-z0-9_.$-]*")
_BARE = re.compile(r"[^,(){}\r\n]*")
_NAME_CHARS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.:")

Pair = tuple[str, str, bool]
"""A key, its value as JSON, and whether that came as bare text."""


class LooseReader:
    """Reads one call; *owed* counts the closers that may follow it."""

    def __init__(self, reader: Reader, tools: Tools, *, in_bracket: bool) -> None:
        self._reader = reader
        self._tools = tools
        self._names = tuple(tools.schemas)
        self.owed = 1 if in_bracket else 0

    def call(self) -> Steps[Call]:
        """Read what follows `tool_call`."""
        reader = self._reader
        yield from self._separator()
        yield from reader.skip(SPACES)
        in_bracket = self.owed > 0
        if (yield from reader.peek()) in OPENERS:
            reader.at += 1
            self.owed += 1
            in_bracket = True
        yield from reader.skip(SPACES if in_bracket else _BLANKS)
        name = yield from self._name()
        yield from reader.skip(SPACES if in_bracket else _BLANKS)
        char = yield from reader.peek()
        if in_bracket and char in CLOSERS:
            reader.at += 1
            self.owed -= 1
            return Call(name, "{}")
        if not in_bracket and (char in ("\r", "\n") or (not char and reader.settled)):
            return Call(name, "{}")
        yield from reader.expect(",")
        yield from reader.skip(SPACES)
        if (yield from self._key()) != "arguments":
            raise Mismatch
        yield from self._separator()
        yield from reader.skip(SPACES)
        return Call(name, (yield from self._arguments(name)))

    def _separator(self) -> Steps[None]:
        yield from self._reader.skip(SPACES)
        if (yield from self._reader.peek()) not in SEPARATORS:
            raise Mismatch
        self._reader.at += 1

    def _key(self) -> Steps[str]:
        """A key, in quotes or bare."""
        char = yield from self._reader.peek()
        if char in QUOTES:
            return str(load((yield from read_value(self._reader)).text))
        key = yield from self._reader.run(_KEY)
        if not key:
            raise Mismatch
        return key

    def _name(self) -> Steps[str]:
        """The member `name`, whose value is a declared tool, quoted or bare."""
        reader = self._reader
        if (yield from self._key()) != "name":
            raise Mismatch
        yield from self._separator()
        yield from reader.skip(_BLANKS)
        quote = yield from reader.peek()
        reader.at += quote in QUOTES
        name = yield from reader.word(self._names)
        if name not in self._names:
            raise Mismatch
        if quote in QUOTES:
            yield from reader.expect(quote)
        elif (char := (yield from reader.peek())) and char in _NAME_CHARS:
            raise Mismatch
        return name

    # --- arguments

    def _arguments(self, name: str) -> Steps[str]:
        reader = self._reader
        if (yield from reader.peek()) not in OPENERS:
            raise Mismatch
        start = reader.read
        pairs = yield from self._group(1)
        raw = reader.held()[start : reader.read]
        try:
            members_of(raw)
        except ValueError:
            schema = self._tools.schemas[name]
            return object_of((key, typed_json(value, schema.shape(key), bare=bare)) for key, value, bare in pairs)
        return self._tools.arguments(name, raw, raw) or "{}"

    def _group(self, depth: int) -> Steps[list[Pair]]:
        """Pairs between two brackets."""
        reader = self._reader
        if depth > MAX_DEPTH:
            raise Mismatch
        reader.at += 1
        pairs: list[Pair] = []
        yield from reader.skip(SPACES)
        key = ""
        while key or (yield from reader.peek()) not in CLOSERS:
            if not key:
                key = yield from self._key()
                yield from self._separator()
            yield from reader.skip(_BLANKS)
            value, bare, next_key = yield from self._value(depth)
            pairs.append((key, value, bare))
            key = next_key
            if not key:
                yield from reader.skip(SPACES)
                if (yield from reader.peek()) == ",":
                    reader.at += 1
                    yield from reader.skip(SPACES)
        reader.at += 1
        return pairs

    def _value(self, depth: int) -> Steps[tuple[str, bool, str]]:
        """A value as JSON, whether it is bare, and the next key where only that has ended it."""
        reader = self._reader
        char = yield from reader.peek()
        if not char:
            raise Mismatch
        if char in QUOTES or char == "[":
            return (yield from read_value(reader)).text, False, ""
        if char in OPENERS:
            pairs = yield from self._group(depth + 1)
            return object_of((key, typed_json(value, None, bare=bare)) for key, value, bare in pairs), False, ""
        text, key = yield from self._bare()
        return dump(text.strip()), True, key

    def _bare(self) -> Steps[tuple[str, str]]:
        """Text up to a line end, a closer, or a comma behind which a key stands; and that key."""
        reader = self._reader
        pieces: list[str] = []
        while True:
            pieces.append((yield from reader.run(_BARE)))
            char = yield from reader.peek()
            if char in OPENERS:
                pieces.append(char)
                reader.at += 1
                continue
            if char != ",":
                return "".join(pieces), ""
            reader.at += 1
            space = yield from reader.run(SPACES)
            key = yield from reader.run(_KEY)
            blanks = yield from reader.run(_BLANKS)
            if key and (yield from reader.peek()) in SEPARATORS:
                reader.at += 1
                return "".join(pieces), key
            if not key and (yield from reader.peek()) in (*QUOTES, *CLOSERS):
                return "".join(pieces), ""
            pieces.append(f",{space}{key}{blanks}")
