"""use_tool: calls as `<use_tool name="…">` blocks, with an element for each argument, or one JSON object.

    block  = open body close | empty
    open   = "<use_tool" [ WS+ name ] WS* ">"          close = "</use_tool" WS* ">"
    empty  = "<use_tool" WS+ name WS* "/>"
    name   = 'name=' ( '"' chars '"' | "'" chars "'" )

A block that breaks a rule stays in the text as it is: a lost call is better than a wrongly cut file.
"""

import re

from proxy.dialects.decoder import TextDecoder
from proxy.dialects.port import Decoder, DialectOptions, PastCall, PastResult, Toolset
from proxy.dialects.schema import ToolSchema, dump, load, members_of
from proxy.dialects.use_tool.blocks import call_of, escaped
from proxy.dialects.use_tool.scanner import UseToolScanner
from proxy.dialects.words import example_name, how_many, said, tool_lines

_TAG_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]*")

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
