"""xml_tags: a call is an element with the tool's name, each argument an element inside it.

    <set_alarm>
    <time>07:30</time>
    <days>["mon","tue"]</days>
    </set_alarm>

Values stand as they are, unescaped; where one ends is told by what follows its closing tag.
"""

import re
from functools import lru_cache

from proxy.dialects.decoder import TextDecoder
from proxy.dialects.port import Decoder, DialectOptions, PastCall, PastResult, Toolset
from proxy.dialects.reader import Mismatch, Reader, Steps
from proxy.dialects.tagged.grammar import Tags
from proxy.dialects.tagged.render import is_string, members, value_text
from proxy.dialects.tagged.scanner import TaggedScanner
from proxy.dialects.tagged.sheet import tool_sheet
from proxy.dialects.words import example_name, how_many, said, title

_NAME = re.compile(r"[A-Za-z0-9_.:-]*")
_NO_FIRST = "0123456789.:-"  # characters that begin no name of an element
_BLANKS = re.compile(r"[ \t\r]*")

BLOCK = """\
# Tools
You can call the tools below. A call is the tool's name as a tag, with each argument in a tag of its own inside:

<{example}>
<PARAMETER>value</PARAMETER>
</{example}>

Copy names exactly. Use no code fence around a call and no escaping: a value is what stands between its tags, as it is.
Write numbers, true/false, lists and objects as JSON. Give every required parameter. {how_many} If no tool is needed,
just answer.

{tools}"""
SEVERAL = "Several calls may follow one another; then stop, and wait for their results."
ONE = "Write one call only; then stop, and wait for its result."


class XmlGrammar:
    """The tags of one tool's calls."""

    wrapper_end = ""
    forgetful = False

    def __init__(self, tool: str) -> None:
        self._opener, self._call = f"<{tool}>", f"</{tool}>"

    def tags(self, parameter: str) -> Tags:
        """The closing tags, and the one that opens such a call."""
        value = f"</{parameter}>"
        return Tags(value, self._call, tuple(dict.fromkeys((value, self._call, self._opener))))

    def opens_call(self, tag: str) -> bool:
        """Whether it is a call of the same tool."""
        return tag == self._opener

    def opened(self, tag: str) -> str | None:
        """Any name may be a parameter's."""
        return None if tag[1:2] in "/>" or tag.endswith("/>") else tag[1:-1]

    def closed(self, tag: str) -> str | None:
        """A closing tag names what it closes."""
        return tag[2:-1] if tag[1:2] == "/" else None

    def closer(self, parameter: str) -> str:
        """The parameter's own name."""
        return parameter

    def read_on(self, _reader: Reader, tag: str) -> Steps[str]:
        """A tag is a whole one."""
        yield from ()
        return tag


@lru_cache(maxsize=256)
def openers(names: tuple[str, ...]) -> tuple[str, dict[str, tuple[str, ...]]]:
    """Where a call may begin, and the tags that open calls, by the first character of their names."""
    by_first: dict[str, list[str]] = {}
    for name in names:
        by_first.setdefault(name[0], []).extend((f"<{name}>", f"<{name}/>"))
    firsts = re.escape("".join(sorted(by_first)))
    return rf"<(?:[{firsts}]|\Z)", {first: tuple(words) for first, words in by_first.items()}


class XmlScanner(TaggedScanner):
    """Reads elements that bear the name of a tool."""

    fence_infos = None

    def __init__(self, toolset: Toolset, options: DialectOptions) -> None:
        self.opener, self._openers = openers(tuple(tool.name for tool in toolset.tools))
        super().__init__(toolset, options)

    def candidate(self) -> Steps[None]:
        """Read a call; it is one as soon as a parameter begins, or it ends without any."""
        reader, at_line_start = self.reader, self.at_line_start
        if (yield from reader.peek()) != "<":
            raise Mismatch
        first = reader.text[reader.at + 1 : reader.at + 2] or (yield from self._second())
        word = yield from reader.ahead(*self._openers.get(first, ("<",)))
        if len(word) < 3:
            raise Mismatch
        reader.at += len(word)
        if word.endswith("/>"):
            yield from self._alone(word[1:-2], at_line_start=at_line_start)
            return
        tool = word[1:-1]
        yield from reader.skip()
        closer = f"</{tool}>"
        tag = yield from reader.ahead(closer, *(f"<{name}>" for name in self.schemas[tool].names))
        if tag == closer:
            reader.at += len(tag)
            self.call(tool, "{}")
            return
        if tag:
            reader.at += len(tag)
            first_parameter = tag[1:-1]
        elif at_line_start:
            first_parameter = yield from self._any_tag()
        else:
            raise Mismatch
        yield from self.parameters(tool, XmlGrammar(tool), first_parameter)

    def _second(self) -> Steps[str]:
        """The character behind `<`."""
        yield from self.reader.extend()
        return self.reader.text[self.reader.at + 1 : self.reader.at + 2]

    def _alone(self, tool: str, *, at_line_start: bool) -> Steps[None]:
        """Read on from `<T/>`, which is a call if nothing else stands on its line."""
        yield from self.reader.skip(_BLANKS)
        if not at_line_start or (yield from self.reader.peek()) not in ("\n", ""):
            raise Mismatch
        self.call(tool, "{}")

    def _any_tag(self) -> Steps[str]:
        """Read the tag of a parameter that is not declared."""
        reader = self.reader
        if not (yield from reader.literal("<")):
            raise Mismatch
        name = yield from reader.run(_NAME)
        if not name or name[0] in _NO_FIRST or not (yield from reader.literal(">")):
            raise Mismatch(unread=len(name) + 1)
        return name


class XmlTagsDialect:
    """Calls as elements."""

    def block(self, toolset: Toolset) -> str:
        """The tools, each with a line for each parameter."""
        if not toolset.tools:
            return ""
        return BLOCK.format(
            example=example_name(toolset),
            how_many=how_many(toolset, SEVERAL, ONE),
            tools="\n\n".join(map(tool_sheet, toolset.tools)),
        )

    def call_text(self, call: PastCall) -> str:
        """The call's element; one parameter per line."""
        found = members(call)
        if found is None:
            return f"<{call.name}>{call.arguments}</{call.name}>"
        if not found:
            return f"<{call.name}></{call.name}>"
        lines = [f"<{call.name}>"]
        for name, value in found:
            tags = (f"<{call.name}>", f"</{call.name}>", f"</{name}>")
            lines.append(f"<{name}>{value_text(value, tags, typed=is_string(call, name))}</{name}>")
        return "\n".join((*lines, f"</{call.name}>"))

    def result_text(self, result: PastResult) -> str:
        """What the tool has answered, under a line that says which."""
        return f"{title(result)}\n{said(result)}"

    def decoder(self, toolset: Toolset, options: DialectOptions) -> Decoder:
        """A decoder of one choice."""
        return TextDecoder(XmlScanner(toolset, options))
