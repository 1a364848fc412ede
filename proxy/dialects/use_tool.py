"""use_tool: calls as `<use_tool name="…">` blocks, with an element for each argument, or one JSON object.

    block  = open body close | empty
    open   = "<use_tool" [ WS+ name ] WS* ">"          close = "</use_tool" WS* ">"
    empty  = "<use_tool" WS+ name WS* "/>"
    name   = 'name=' ( '"' chars '"' | "'" chars "'" )

A block that breaks a rule stays in the text as it is: a lost call is better than a wrongly cut file.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from proxy.dialects.decoder import TextDecoder
from proxy.dialects.port import Decoder, DialectOptions, PastCall, PastResult, Toolset
from proxy.dialects.reader import Mismatch, Steps
from proxy.dialects.scanner import Scanner, beginnings
from proxy.dialects.schema import (
    UNKNOWN,
    ToolSchema,
    dump,
    load,
    members_of,
    object_of,
    typed_text,
)
from proxy.dialects.words import example_name, how_many, said, tool_lines

OPEN, CLOSE = "<use_tool", "</use_tool"
CDATA, CDATA_END = "<![CDATA[", "]]>"
MAX_TAG_CHARS = 1024

_SPACES = re.compile(r"[ \t\r\n]*")
_NO_TAG = re.compile(r"[^<]*")
_NO_TAG_OR_QUOTE = re.compile(r'[^<"]*')
_IN_STRING = re.compile(r'[^"\\]*')
_IN_QUOTES = {'"': re.compile(r'[^"<]*'), "'": re.compile(r"[^'<]*")}
_ELEMENT = re.compile(r"[ \t\r\n]*<([A-Za-z_][A-Za-z0-9_.:-]*)>")
_TAG_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]*")
_ENTITY = re.compile(r"&(?:lt|gt|amp|quot|apos);")
_ENTITIES = {"&lt;": "<", "&gt;": ">", "&amp;": "&", "&quot;": '"', "&apos;": "'"}
_LAST_LINE_END = re.compile(r"\r?\n[ \t]*\Z")
_WRAPPERS = ("arguments", "args", "parameters")

BLOCK = """\
# Tools
To use a tool, write a block of exactly this shape, on lines of its own, outside code fences:

<use_tool name="{example}">
<PARAMETER>value</PARAMETER>
</use_tool>

Copy names exactly, and give every required parameter. Write numbers, true/false, lists and objects as JSON. In a value
write &lt; for <, &gt; for > and &amp; for &, or put it between <![CDATA[ and ]]>. {how_many} If no tool is needed, just
answer. The tools, one per line:

{tools}"""
SEVERAL = "Several calls are several blocks, one after another; then stop: results come in the next message."
ONE = "Write exactly one block, then stop: its result comes in the next message."


class Tag(NamedTuple):
    """An open tag; *name* is its attribute, None without."""

    name: str | None
    empty: bool


class UseToolScanner(Scanner):
    """Reads blocks."""

    opener = beginnings(OPEN)
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


def call_of(name: str | None, body: str, schemas: dict[str, ToolSchema], *, entities: bool) -> tuple[str, str] | None:
    """The name and the arguments of a block, or None where it breaks a rule."""
    text = body.strip(" \t\r\n")
    if text.startswith("{"):
        return call_of_json(name, text, schemas)
    elements = list(elements_of(text))
    if None in elements:
        return None
    members = [element for element in elements if element is not None]
    if name is None:
        first = next((number for number, (tag, _) in enumerate(members) if tag == "name"), None)
        if first is None:
            return None
        name = value_of(members.pop(first)[1], entities=entities).strip()
    if name not in schemas:
        return None
    arguments = arguments_of(members, schemas[name], entities=entities)
    return None if arguments is None else (name, arguments)


def call_of_json(name: str | None, text: str, schemas: dict[str, ToolSchema]) -> tuple[str, str] | None:
    """The call that a JSON body is: its arguments, or besides its name, too."""
    try:
        members = members_of(text)
    except ValueError:
        return None
    if name is None:
        told = [load(value) for key, value in members if key == "name"]
        if not told or not isinstance(told[-1], str):
            return None
        name = told[-1]
        rest = [(key, value) for key, value in members if key != "name"]
        wrapped = len(rest) == 1 and rest[0][0] in _WRAPPERS and rest[0][1].startswith("{")
        text = rest[0][1] if wrapped else object_of(rest)
    return (name, text) if name in schemas else None


def elements_of(text: str) -> Iterator[tuple[str, str] | None]:
    """Each element's tag, and what stands inside as it is written; None where something else stands."""
    at, close_at, cdata_at = 0, -1, -1
    while at < len(text):
        opening = _ELEMENT.match(text, at)
        if opening is None:
            yield None
            return
        tag, start = opening[1], opening.end()
        close, at, close_at = f"</{tag}>", start, -1
        while True:  # what was found stays found, so that nothing is searched twice
            close_at = text.find(close, at) if close_at < at else close_at
            if close_at < 0:
                yield None
                return
            if -1 < cdata_at < at or cdata_at == -1:
                cdata_at = text.find(CDATA, at)
                cdata_at = len(text) if cdata_at < 0 else cdata_at
            if close_at < cdata_at:
                break
            at = text.find(CDATA_END, cdata_at) + len(CDATA_END)
            if at < len(CDATA_END):
                yield None
                return
        yield tag, text[start:close_at]
        at = close_at + len(close)


def arguments_of(members: list[tuple[str, str]], schema: ToolSchema, *, entities: bool) -> str | None:
    """The arguments as one JSON object; None for a repetition that the schema does not allow."""
    if [tag for tag, _ in members] == ["args"] and schema.shape("args") is None:
        text = value_of(members[0][1], entities=entities).strip()
        if is_object(text):
            return text
    values: dict[str, list[str]] = {}
    for tag, raw in members:
        values.setdefault(tag, []).append(value_of(raw, entities=entities))
    told = []
    for tag, texts in values.items():
        shape = schema.shape(tag)
        if len(texts) == 1:
            told.append((tag, typed_text(texts[0], shape)))
        elif shape is not None and "array" in shape.types:
            told.append((tag, f"[{','.join(typed_text(text, shape.items or UNKNOWN) for text in texts)}]"))
        else:
            return None
    return object_of(told)


def is_object(text: str) -> bool:
    """Whether *text* is a JSON object."""
    try:
        return isinstance(load(text), dict)
    except ValueError:
        return False


def value_of(raw: str, *, entities: bool) -> str:
    """What an element holds: without its outer line ends, markers of CDATA removed, entities decoded outside of it."""
    if raw.startswith(("\n", "\r\n")):
        raw = raw[raw.index("\n") + 1 :]
        raw = raw if raw.strip(" \t") else ""
    raw = _LAST_LINE_END.sub("", raw)
    if CDATA not in raw:
        return decoded(raw) if entities else raw
    pieces, at = [], 0
    while (start := raw.find(CDATA, at)) >= 0:
        end = raw.find(CDATA_END, start)
        before = raw[at:start]
        pieces += [decoded(before) if entities else before, raw[start + len(CDATA) : end]]
        at = end + len(CDATA_END)
    return "".join([*pieces, decoded(raw[at:]) if entities else raw[at:]])


def decoded(text: str) -> str:
    """*text* with its five named entities decoded, once."""
    return _ENTITY.sub(lambda entity: _ENTITIES[entity[0]], text)


def escaped(text: str) -> str:
    """*text* with what markup is made of as entities."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


class UseToolDialect:
    """Blocks for calls, `<tool_result>` for results."""

    def block(self, toolset: Toolset) -> str:
        """What the model is told of its tools."""
        if not toolset.tools:
            return ""
        return BLOCK.format(
            example=example_name(toolset), how_many=how_many(toolset, SEVERAL, ONE), tools=tool_lines(toolset)
        )

    def call_text(self, call: PastCall) -> str:
        """An element for each argument, as long as that is read back as what it is; else the JSON object."""
        name = escaped(call.name).replace('"', "&quot;")
        body = self._elements(call)
        if body is None:
            body = f"{call.arguments}\n"
        return f'<use_tool name="{name}">\n{body}</use_tool>'

    def result_text(self, result: PastResult) -> str:
        """The result, escaped, under the name of its tool."""
        name = "" if result.tool is None else ' name="{}"'.format(escaped(result.tool).replace('"', "&quot;"))
        return f"<tool_result{name}>\n{escaped(said(result))}\n</tool_result>"

    def decoder(self, toolset: Toolset, options: DialectOptions) -> Decoder:
        """One that reads blocks."""
        return TextDecoder(UseToolScanner(toolset, options))

    def _elements(self, call: PastCall) -> str | None:
        try:
            members = members_of(call.arguments)
        except ValueError:
            return None
        lines = [f"<{key}>{written(value)}</{key}>\n" for key, value in members if _TAG_NAME.fullmatch(key)]
        body = "".join(lines)
        schema = ToolSchema(call.tool.parameters if call.tool else {})
        read = call_of(call.name, body, {call.name: schema}, entities=True)
        same = read is not None and dump(load(read[1])) == dump(load(call.arguments))
        return body if same and len(lines) == len(members) else None


def written(value: str) -> str:
    """A JSON value as an element holds it: strings as their text, between line ends if they have several lines."""
    if not value.startswith('"'):
        return escaped(value)
    text: str = load(value)
    return f"\n{escaped(text)}\n" if "\n" in text or "\r" in text else escaped(text)
