"""What the laws are tried on: tools, values that fit them, calls, hostile text; and ways to decode it."""

import json
import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

from proxy.dialects import DIALECTS, Dialect, DialectOptions, PastCall, Tool, Toolset
from proxy.wire.events import Finished, ReasoningDelta, StreamEvent, TextDelta, ToolCallDelta

TEXT_DIALECTS = tuple(name for name in DIALECTS if name != "native")

Schema = dict[str, Any]


def tool(name: str, **properties: Schema | str) -> Tool:
    """A tool; a property is its schema, or the name of a type."""
    declared = {key: {"type": told} if isinstance(told, str) else told for key, told in properties.items()}
    return Tool(name, f"Does {name}.", {"type": "object", "properties": declared})


# --- decoding


def run(
    dialect: Dialect | str,
    toolset: Toolset,
    pieces: Iterable[str],
    finish: str | None = "stop",
    options: DialectOptions | None = None,
) -> list[StreamEvent]:
    """The events of an answer that comes in *pieces*."""
    dialect = DIALECTS[dialect] if isinstance(dialect, str) else dialect
    decoder = dialect.decoder(toolset, options or DialectOptions())
    out: list[StreamEvent] = []
    for piece in pieces:
        if piece:
            out += decoder.feed([TextDelta(piece)])
    if finish is not None:
        out += decoder.feed([Finished(finish)])
    return [*out, *decoder.end()]


def merged(events: Iterable[StreamEvent]) -> list[tuple[Any, ...]]:
    """Neighbouring texts and the fragments of each call put together; ids left out, since they are made anew."""
    out: list[tuple[Any, ...]] = []
    for event in events:
        match event:
            case TextDelta(text):
                if out and out[-1][0] == "text":
                    text, _ = out.pop()[1] + text, None
                out.append(("text", text))
            case ReasoningDelta(text):
                if out and out[-1][0] == "reasoning":
                    text, _ = out.pop()[1] + text, None
                out.append(("reasoning", text))
            case ToolCallDelta(index, _id, name, arguments):
                if name is not None:
                    out.append(("call", index, name, arguments))
                else:
                    assert out[-1][:2] == ("call", index), "fragments follow their call"
                    out.append(("call", index, out[-1][2], out.pop()[3] + arguments))
            case Finished(reason):
                out.append(("finish", reason))
    return out


def text_of(events: Iterable[StreamEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def calls_of(events: Iterable[StreamEvent]) -> list[tuple[str, str]]:
    """Each call's name and its joined arguments."""
    return [(each[2], each[3]) for each in merged(events) if each[0] == "call"]


def finish_of(events: Iterable[StreamEvent]) -> str | None:
    return next((event.reason for event in events if isinstance(event, Finished)), None)


def is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def cut(text: str, at: Iterable[int]) -> list[str]:
    """*text* in pieces."""
    edges = sorted({0, len(text), *(edge for edge in at if 0 < edge < len(text))})
    return [text[start:end] for start, end in pairwise(edges)]


def text_of_call(dialect: str, name: str, arguments: str) -> str:
    return DIALECTS[dialect].call_text(PastCall(name, arguments))


# --- tools and values

WORDS = r"""
007 true null [1] {"a":1} 3 -0 1e5 é 漢字 😀 <b> </b> &lt; &amp;&amp; ]]> <![CDATA[ ``` ` " ' \ \n \u0041 { } [ ] NaN
<think> </think> </body> </title> </note> <note> <tool_call> </tool_call> <function=note> </function> </parameter> name=
<parameter=body> <use_tool> </use_tool> <use_tool/> tool_call: 0.10 final < > &
"""
LINES = (
    "",
    " x ",
    "\n",
    "\n  x\n",
    "\t",
    "a\r\nb",
    "x\u2028y",
    "\x00",
    "\x1b",
    "\x7f",
    "\ufeff",
    "null ",
    "one\ntwo\n",
)
TRICKY = (*WORDS.split(), *LINES, '<use_tool name="now"/>')
"""Values that have broken decoders."""

strings = st.one_of(
    st.sampled_from(TRICKY),
    st.lists(st.sampled_from(TRICKY), min_size=2, max_size=4).map("".join),
    st.text(st.characters(exclude_categories=("Cs",)), max_size=12),
)
integers = st.integers(-(2**53), 2**53)
numbers = st.floats(allow_nan=False, allow_infinity=False, width=32)
anything = st.recursive(
    st.one_of(st.none(), st.booleans(), integers, strings),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(strings, inner, max_size=3)),
    max_leaves=6,
)
objects = st.dictionaries(strings, anything, max_size=3)
arrays = st.lists(anything, max_size=3)

VALUES: dict[str, tuple[Schema, st.SearchStrategy[Any]]] = {
    "string": ({"type": "string"}, strings),
    "integer": ({"type": "integer"}, integers),
    "number": ({"type": "number"}, numbers),
    "boolean": ({"type": "boolean"}, st.booleans()),
    "array": ({"type": "array"}, arrays),
    "object": ({"type": "object"}, objects),
    "strings": ({"type": "array", "items": {"type": "string"}}, st.lists(strings, max_size=3)),
    "integer or null": ({"type": ["integer", "null"]}, st.one_of(st.none(), integers)),
    "referred": ({"$ref": "#/$defs/text"}, strings),
    "union": ({"anyOf": [{"type": "boolean"}, {"type": "array"}]}, st.one_of(st.booleans(), arrays)),
    "enum": ({"enum": ["a", "b", 3]}, st.sampled_from(["a", "b", 3])),
}
"""Schemas, and values that fit them."""

NAMES = ("note", "now", "pick", "look-up", "a.b", "note2", "name", "Tool_1")
PARAMETERS = ("title", "body", "name", "arguments", "path-to", "x.y", "Z_1", "lines", "query")


@st.composite
def tools(draw: st.DrawFn, name: str) -> tuple[Tool, st.SearchStrategy[dict[str, Any]]]:
    kinds = draw(st.dictionaries(st.sampled_from(PARAMETERS), st.sampled_from(sorted(VALUES)), max_size=4))
    schema = {
        "type": "object",
        "properties": {key: VALUES[kind][0] for key, kind in kinds.items()},
        "$defs": {"text": {"type": "string"}},
    }
    values = st.fixed_dictionaries({}, optional={key: VALUES[kind][1] for key, kind in kinds.items()})
    return Tool(name, "A tool.", schema), values


Call = tuple[str, dict[str, Any]]


@st.composite
def worlds(draw: st.DrawFn, calls: int = 3) -> tuple[Toolset, list[Call]]:
    """Some tools, and calls of them."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True))
    made = {name: draw(tools(name)) for name in names}
    chosen = draw(st.lists(st.sampled_from(names), min_size=1, max_size=calls))
    toolset = Toolset(tuple(each for each, _ in made.values()))
    return toolset, [(name, draw(made[name][1])) for name in chosen]


def dumped(arguments: dict[str, Any]) -> str:
    return json.dumps(arguments, ensure_ascii=False, separators=(",", ":"))


# --- text

TOOLSET = Toolset(
    (
        tool("note", title="string", body="string"),
        tool("pick", n="integer", all="boolean", ids="array"),
        tool("now"),
    )
)

PROSE = st.sampled_from(
    ["Sure.", "Let me see", "one, two", "naïve 漢字", "a = b", 'It\'s "quoted"', "x.\n\n- item", "100 % of it?", "(so)"]
)


MARKS = r"""< > { } [ ] ` ``` ~~~ " ' , ; : = \ note now title {} "name" <think> </think> <b> tool_call ( ) null"""


def markers() -> list[str]:
    """Pieces of markup of every dialect, cut where it hurts."""
    found = {*MARKS.split(), "```json\n", "\n```\n", "\n", " ", "\r\n"}
    for name in TEXT_DIALECTS:
        for call in (("note", '{"title":"a","body":"b\\nc"}'), ("now", "{}"), ("pick", '{"n":3,"all":true,"ids":[1]}')):
            text = text_of_call(name, *call)
            found |= {text, text[: len(text) // 2], text[len(text) // 2 :]}
            found |= set(re.findall(r"<[^<>]*>|\{\"[a-z_]*\":|[a-z_]+", text))
    return sorted(found)


fragments = st.lists(st.one_of(st.sampled_from(markers()), PROSE, st.text(max_size=3)), max_size=14).map("".join)
"""Text that nearly is calls."""


def small_steps(text: str, sizes: Sequence[int] = (1, 2, 3, 7)) -> list[list[str]]:
    return [[text[start : start + size] for start in range(0, len(text), size)] for size in sizes]
