"""qwen_coder: calls as `<function=…>` elements with a `<parameter=…>` for each argument, in `<tool_call>` tags.

    <tool_call>
    <function=set_alarm>
    <parameter=time>
    07:30
    </parameter>
    </function>
    </tool_call>

The format: the chat template of Qwen/Qwen3-Coder-480B-A35B-Instruct.  Models leave out the outer tags, or the closing
tags of parameters.
"""

import re

from proxy.dialects.decoder import TextDecoder
from proxy.dialects.port import Decoder, DialectOptions, PastCall, PastResult, Toolset
from proxy.dialects.reader import Mismatch, Reader, Steps
from proxy.dialects.scanner import beginnings
from proxy.dialects.tagged.grammar import Tags
from proxy.dialects.tagged.render import is_string, members, value_text
from proxy.dialects.tagged.scanner import TaggedScanner
from proxy.dialects.words import example_name, how_many, said, signatures

OPEN, CLOSE = "<tool_call>", "</tool_call>"
FUNCTION, PARAMETER = "<function=", "<parameter="
FUNCTION_END, PARAMETER_END = "</function>", "</parameter>"

_NAME = re.compile(r"[^<>\r\n]*")

BLOCK = """\
# Tools
You can call the tools whose signatures stand between these tags, one per line:
<tools>
{tools}
</tools>

A call has exactly this shape, outside code fences:
<tool_call>
<function={example}>
<parameter=PARAMETER>
value
</parameter>
</function>
</tool_call>

Copy names exactly, and give every required parameter. Use no escaping: a value is what stands between its tags, as it
is. Write numbers, true/false, lists and objects as JSON. {how_many} If no tool is needed, just answer."""
SEVERAL = "Several calls are several such blocks, one after another; then stop, and wait for their results."
ONE = "Write one call only; then stop, and wait for its result."


class QwenGrammar:
    """The tags of any call."""

    wrapper_end = CLOSE
    forgetful = True
    _tags = Tags(PARAMETER_END, FUNCTION_END, (PARAMETER_END, FUNCTION_END, FUNCTION, PARAMETER))

    def tags(self, _parameter: str) -> Tags:
        """The same for all parameters."""
        return self._tags

    def opens_call(self, tag: str) -> bool:
        """Whether it is a call of any function."""
        return tag.startswith(FUNCTION) and tag.endswith(">")

    def opened(self, tag: str) -> str | None:
        """The name in the tag."""
        return tag[len(PARAMETER) : -1] if tag.startswith(PARAMETER) and tag.endswith(">") else None

    def closed(self, tag: str) -> str | None:
        """A closing tag names no parameter."""
        return "" if tag == PARAMETER_END else None

    def closer(self, _parameter: str) -> str:
        """The same for all."""
        return ""

    def read_on(self, _reader: Reader, tag: str) -> Steps[str]:
        """A tag is a whole one."""
        yield from ()
        return tag


GRAMMAR = QwenGrammar()


class QwenScanner(TaggedScanner):
    """Reads functions, with or without the tags around them."""

    opener = rf"{beginnings(OPEN)}|{beginnings(FUNCTION)}"
    fence_infos = None

    def __init__(self, toolset: Toolset, options: DialectOptions) -> None:
        super().__init__(toolset, options)
        self._functions = tuple(f"{FUNCTION}{tool.name}>" for tool in toolset.tools)

    def candidate(self) -> Steps[None]:
        """Read a call; it is one as soon as a parameter begins, or it ends without any."""
        reader, at_line_start = self.reader, self.at_line_start
        word = yield from reader.ahead(OPEN, *(self._functions if at_line_start else ()))
        if word == OPEN:
            reader.at += len(OPEN)
            yield from reader.skip()
            word = yield from reader.ahead(*self._functions)
        if not word:
            raise Mismatch
        reader.at += len(word)
        yield from reader.skip()
        tool = word[len(FUNCTION) : -1]
        if (yield from reader.ahead(FUNCTION_END, PARAMETER)) == FUNCTION_END:
            reader.at += len(FUNCTION_END)
            yield from self.empty_call(tool, CLOSE)
            return
        yield from reader.expect(PARAMETER)
        name = yield from reader.run(_NAME)
        if not name:
            raise Mismatch
        yield from reader.expect(">")
        yield from self.parameters(tool, GRAMMAR, name)


class QwenCoderDialect:
    """Calls as functions with parameters."""

    def block(self, toolset: Toolset) -> str:
        """The tools' whole schemas, and the form of a call."""
        if not toolset.tools:
            return ""
        return BLOCK.format(
            tools=signatures(toolset), example=example_name(toolset), how_many=how_many(toolset, SEVERAL, ONE)
        )

    def call_text(self, call: PastCall) -> str:
        """The function in its tags; one parameter after another."""
        found = members(call)
        if found is None:
            return f"{OPEN}\n{FUNCTION}{call.name}>\n{call.arguments}\n{FUNCTION_END}\n{CLOSE}"
        tags = (PARAMETER_END, FUNCTION_END, FUNCTION, PARAMETER, CLOSE)
        lines = [OPEN, f"{FUNCTION}{call.name}>"]
        for name, value in found:
            text = value_text(value, tags, typed=is_string(call, name))
            lines.append(f"{PARAMETER}{name}>{text}{PARAMETER_END}")
        return "\n".join((*lines, FUNCTION_END, CLOSE))

    def result_text(self, result: PastResult) -> str:
        """What the tool has answered, in a tag of its own."""
        return f"<tool_response>\n{said(result)}\n</tool_response>"

    def decoder(self, toolset: Toolset, options: DialectOptions) -> Decoder:
        """A decoder of one choice."""
        return TextDecoder(QwenScanner(toolset, options))
