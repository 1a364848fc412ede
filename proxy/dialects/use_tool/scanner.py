"""The scanner of dialect `use_tool`: reads a block from its opening tag to its closing one."""

import re
from typing import NamedTuple

from proxy.dialects.port import DialectOptions, Toolset
from proxy.dialects.reader import Mismatch, Steps
from proxy.dialects.scanner import Scanner, beginnings
from proxy.dialects.schema import ToolSchema
from proxy.dialects.use_tool.blocks import CDATA, CDATA_END, call_of, decoded

OPEN, CLOSE = "<use_tool", "</use_tool"
MAX_TAG_CHARS = 1024

_SPACES = re.compile(r"[ \t\r\n]*")
_NO_TAG = re.compile(r"[^<]*")
_NO_TAG_OR_QUOTE = re.compile(r'[^<"]*')
_IN_STRING = re.compile(r'[^"\\]*')
_IN_QUOTES = {'"': re.compile(r'[^"<]*'), "'": re.compile(r"[^'<]*")}


class Tag(NamedTuple):
    """An open tag; *name* is its attribute, None without."""

    name: str | None
    empty: bool


class UseToolScanner(Scanner):
    """Reads blocks."""

    opener = beginnings(OPEN)
    signs = ("<",)
    fence_infos = ("", "xml", "html", "use_tool", "text")

    def __init__(self, toolset: Toolset, options: DialectOptions) -> None:
        super().__init__(toolset, options)
        self._schemas = {tool.name: ToolSchema(tool.parameters) for tool in toolset.tools}
        self._entities = options.entities != "raw"

    def candidate(self) -> Steps[None]:
        """Read a block to its end; it is a call, or text as a whole."""
        reader = self.reader
        yield from reader.expect(OPEN)
        tag = yield from self._tag()
        body = ""
        if not tag.empty:
            start = reader.read
            end = yield from self._body()
            body = reader.held()[start:end]
        name = tag.name if tag.name is None or not self._entities else decoded(tag.name)
        call = call_of(name, body, self._schemas, entities=self._entities)
        if call is None:
            self.options.count("refused")
            raise Mismatch
        self.call(*call)

    def _tag(self) -> Steps[Tag]:
        """Read the rest of an open or empty tag."""
        reader, room, name = self.reader, MAX_TAG_CHARS - len(OPEN), None
        space = yield from reader.run(_SPACES, room)
        room -= len(space)
        if space and (yield from reader.peek()) == "n":
            yield from reader.expect("name=")
            quote = yield from reader.peek()
            if quote not in ('"', "'"):
                raise Mismatch
            reader.at += 1
            name = yield from reader.run(_IN_QUOTES[quote], room)
            yield from reader.expect(quote)
            room -= len(name) + 7
            yield from reader.run(_SPACES, max(room, 0))
        empty = name is not None and (yield from reader.peek()) == "/"
        yield from reader.expect("/>" if empty else ">")
        return Tag(name, empty)

    def _body(self) -> Steps[int]:
        """Read a body and its closing tag; gives where the body ends."""
        reader = self.reader
        yield from reader.skip(_SPACES)
        plain = _NO_TAG_OR_QUOTE if (yield from reader.peek()) == "{" else _NO_TAG
        while True:
            yield from reader.skip(plain)
            end = reader.read
            char = yield from reader.peek()
            if not char:
                raise Mismatch
            if char == '"':
                yield from self._string()
                continue
            match (yield from reader.word((CDATA, CLOSE, OPEN))):
                case "<![CDATA[":
                    if (yield from reader.until(CDATA_END)) is None:
                        raise Mismatch
                case "</use_tool":
                    yield from reader.skip(_SPACES)
                    if (yield from reader.peek()) == ">":
                        reader.at += 1
                        return end
                case "<use_tool":
                    try:
                        yield from self._tag()
                    except Mismatch as mismatch:
                        if type(mismatch) is not Mismatch:
                            raise  # the block is too long
                        continue  # no tag, so it belongs to the value
                    raise Mismatch(unread=reader.read - end)

    def _string(self) -> Steps[None]:
        """Read a JSON string."""
        reader = self.reader
        reader.at += 1
        while True:
            yield from reader.skip(_IN_STRING)
            char = yield from reader.peek()
            if not char:
                raise Mismatch
            reader.at += 1
            if char == '"':
                return
            if (yield from reader.peek()):
                reader.at += 1
