"""glm: calls as `<tool_call>` elements with a key and a value for each argument, as GLM 4.5 to 4.7 write them.

    <tool_call>set_alarm
    <arg_key>time</arg_key>
    <arg_value>07:30</arg_value>
    </tool_call>

The format: the chat template of zai-org/GLM-4.5.  GLM 4.7 leaves out the line ends.
"""

import re

from proxy.dialects.decoder import TextDecoder
from proxy.dialects.json_calls import ONE, SEVERAL
from proxy.dialects.port import Decoder, DialectOptions, PastCall, PastResult, Toolset
from proxy.dialects.reader import Mismatch, Reader, Steps
from proxy.dialects.scanner import beginnings
from proxy.dialects.tagged.grammar import Tags
from proxy.dialects.tagged.render import is_string, members, value_text
from proxy.dialects.tagged.scanner import TaggedScanner
from proxy.dialects.words import example_name, how_many, said, signatures

OPEN, CLOSE = "<tool_call>", "</tool_call>"
KEY, KEY_END, VALUE, VALUE_END = "<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>"

_SPACES = re.compile(r"[ \t\r\n]*")
_KEY_TEXT = re.compile(r"[^<>\r\n]*")

BLOCK = """\
# Tools
You can call the tools whose signatures stand between these tags, one per line:
<tools>
{tools}
</tools>

A call has exactly this shape, with a key and a value for each argument, outside code fences:
<tool_call>{example}
<arg_key>PARAMETER</arg_key>
<arg_value>value</arg_value>
</tool_call>

Copy names exactly, and give every required parameter. Use no escaping: a value is what stands between its tags, as it
is. Write numbers, true/false, lists and objects as JSON. {how_many} If no tool is needed, just answer."""


class GlmGrammar:
    """The tags of any call; a parameter is opened by its key and the tag of its value."""

    wrapper_end = ""
    forgetful = False
    _tags = Tags(VALUE_END, CLOSE, (VALUE_END, CLOSE, OPEN))

    def tags(self, _parameter: str) -> Tags:
        """The same for all parameters."""
        return self._tags

    def opens_call(self, tag: str) -> bool:
        """Whether it is a call of any tool."""
        return tag == OPEN

    def opened(self, tag: str) -> str | None:
        """The key before the tag of a value."""
        return tag[len(KEY) : tag.index(KEY_END)] if tag.startswith(KEY) and tag.endswith(VALUE) else None

    def closed(self, tag: str) -> str | None:
        """A closing tag names no parameter."""
        return "" if tag == VALUE_END else None

    def closer(self, _parameter: str) -> str:
        """The same for all."""
        return ""

    def read_on(self, reader: Reader, tag: str) -> Steps[str]:
        """Behind the tag of a key: the key, its end, and the tag of the value."""
        if tag == KEY:
            tag += yield from reader.run(_KEY_TEXT)
            for word in (KEY_END, VALUE):
                if not (yield from reader.ahead(word)):
                    break
                reader.at += len(word)
                tag += word
                if word == KEY_END:
                    tag += yield from reader.run(_SPACES)
        return tag


GRAMMAR = GlmGrammar()


class GlmScanner(TaggedScanner):
    """Reads keys and values."""

    opener = beginnings(OPEN)
    fence_infos = None

    def __init__(self, toolset: Toolset, options: DialectOptions) -> None:
        super().__init__(toolset, options)
        names = sorted(self.schemas, key=len, reverse=True)
        self._heads = {f"{name}{behind}": name for name in names for behind in ("\n", "<", " ", "\r\n")}

    def candidate(self) -> Steps[None]:
        """Read a call; it is one as soon as a value begins, or it ends without any."""
        reader = self.reader
        yield from reader.expect(OPEN)
        yield from reader.skip()
        head = yield from reader.ahead(*self._heads)
        if not head:
            raise Mismatch
        tool = self._heads[head]
        reader.at += len(tool)
        yield from reader.skip()
        if (yield from reader.ahead(KEY, CLOSE)) == CLOSE:
            reader.at += len(CLOSE)
            self.call(tool, "{}")
            return
        yield from reader.expect(KEY)
        name = GRAMMAR.opened((yield from GRAMMAR.read_on(reader, KEY)))
        if not name:
            raise Mismatch
        yield from self.parameters(tool, GRAMMAR, name)


class GlmDialect:
    """Calls as keys and values."""

    def block(self, toolset: Toolset) -> str:
        """The tools' whole schemas, and the form of a call."""
        if not toolset.tools:
            return ""
        return BLOCK.format(
            tools=signatures(toolset), example=example_name(toolset), how_many=how_many(toolset, SEVERAL, ONE)
        )

    def call_text(self, call: PastCall) -> str:
        """The element; keys and values each on a line."""
        found = members(call)
        if found is None:
            return f"{OPEN}{call.name}\n{call.arguments}\n{CLOSE}"
        lines = [f"{OPEN}{call.name}"]
        for name, value in found:
            text = value_text(value, (VALUE_END, CLOSE, OPEN), typed=is_string(call, name))
            lines += [f"{KEY}{name}{KEY_END}", f"{VALUE}{text}{VALUE_END}"]
        return "\n".join((*lines, CLOSE))

    def result_text(self, result: PastResult) -> str:
        """What the tool has answered, in a tag of its own."""
        return f"<tool_response>\n{said(result)}\n</tool_response>"

    def decoder(self, toolset: Toolset, options: DialectOptions) -> Decoder:
        """A decoder of one choice."""
        return TextDecoder(GlmScanner(toolset, options))
