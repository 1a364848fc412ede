"""hermes: calls as JSON objects in `<tool_call>` tags, as Hermes 2 Pro, Qwen 2.5 and 3 and many others write them.

    <tool_call>
    {"name":"set_alarm","arguments":{"time":"07:30"}}
    </tool_call>

The format: NousResearch/Hermes-2-Pro-Mistral-7B, model card, “Prompt Format for Function Calling”; the chat template of
Qwen/Qwen3-8B.
"""

from proxy.dialects.decoder import TextDecoder
from proxy.dialects.json_calls import ONE, SEVERAL, JsonCallScanner
from proxy.dialects.json_pieces import after_space
from proxy.dialects.port import Decoder, DialectOptions, PastCall, PastResult, Toolset
from proxy.dialects.reader import Mismatch, Steps
from proxy.dialects.scanner import beginnings
from proxy.dialects.words import example_name, how_many, json_call, said, signatures

OPEN, CLOSE = "<tool_call>", "</tool_call>"

BLOCK = """\
# Tools
You can call the tools whose signatures stand between these tags, one per line:
<tools>
{tools}
</tools>

A call is one JSON object with the tool's name and its arguments, between <tool_call> tags, outside code fences:
<tool_call>
{{"name":"{example}","arguments":{{"PARAMETER":"value"}}}}
</tool_call>

Copy names exactly, and give every required parameter, in strict JSON. {how_many} If no tool is needed, just answer."""


class HermesScanner(JsonCallScanner):
    """Reads JSON in tags."""

    opener = beginnings(OPEN)
    fence_infos = None

    def candidate(self) -> Steps[None]:
        """Read a tag and what is in it; the closing tag may be missing."""
        reader = self.reader
        yield from reader.expect(OPEN)
        if (yield from after_space(reader)) not in ("{", "["):
            raise Mismatch
        if (yield from self.object_calls()):
            yield from self.swallow(CLOSE)


class HermesDialect:
    """Calls as JSON in tags."""

    def block(self, toolset: Toolset) -> str:
        """The tools' whole schemas, and the form of a call."""
        if not toolset.tools:
            return ""
        return BLOCK.format(
            tools=signatures(toolset), example=example_name(toolset), how_many=how_many(toolset, SEVERAL, ONE)
        )

    def call_text(self, call: PastCall) -> str:
        """The tags, with the object between them."""
        return f"{OPEN}\n{json_call(call)}\n{CLOSE}"

    def result_text(self, result: PastResult) -> str:
        """What the tool has answered, in a tag of its own."""
        return f"<tool_response>\n{said(result)}\n</tool_response>"

    def decoder(self, toolset: Toolset, options: DialectOptions) -> Decoder:
        """A decoder of one choice."""
        return TextDecoder(HermesScanner(toolset, options))
