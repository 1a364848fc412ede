"""kimi: calls between markers, as Kimi K2 writes them.

    <|tool_calls_section_begin|><|tool_call_begin|>functions.set_alarm:0<|tool_call_argument_begin|>{"time": "07:30"}
    <|tool_call_end|><|tool_calls_section_end|>     (all on one line)

The format: moonshotai/Kimi-K2-Instruct, “Tool Calling” guidance, “Manually Parsing Tool Calls”.  What stands before the
arguments is an id: the name, and a number that counts all calls of the conversation.
"""

import re

from proxy.dialects.decoder import TextDecoder
from proxy.dialects.json_calls import ONE, SEVERAL, JsonCallScanner
from proxy.dialects.port import Decoder, DialectOptions, PastCall, PastResult, Toolset
from proxy.dialects.reader import Mismatch, Steps
from proxy.dialects.scanner import beginnings
from proxy.dialects.words import arguments_json, example_name, how_many, said, signatures, title

SECTION, SECTION_END = "<|tool_calls_section_begin|>", "<|tool_calls_section_end|>"
CALL, ARGUMENTS, CALL_END = "<|tool_call_begin|>", "<|tool_call_argument_begin|>", "<|tool_call_end|>"
PREFIX = "functions."

_DIGITS = re.compile(r"[0-9]*")

BLOCK = f"""\
# Tools
You can call the tools below, one per line. A call has exactly this shape, on one line, the arguments being one JSON
object:
{SECTION}{CALL}functions.{{example}}:0{ARGUMENTS}{{{{"PARAMETER": "value"}}}}{CALL_END}{SECTION_END}
Copy names exactly, count your calls from 0, give every required parameter, use no code fences. {{how_many}} If no tool
is needed, just answer.

{{tools}}"""


class KimiScanner(JsonCallScanner):
    """Reads what stands between the markers; those behind a call may be missing."""

    opener = rf"{beginnings(SECTION)}|{beginnings(CALL)}"
    fence_infos = None

    def __init__(self, toolset: Toolset, options: DialectOptions) -> None:
        super().__init__(toolset, options)
        heads = {f"{prefix}{name}:": name for prefix in ("", PREFIX) for name in self.schemas}
        self._heads = dict(sorted(heads.items(), key=lambda head: -len(head[0])))  # one may be another's beginning

    def candidate(self) -> Steps[None]:
        """Read a call."""
        reader = self.reader
        if (yield from reader.ahead(SECTION, CALL)) == SECTION:
            reader.at += len(SECTION)
            yield from reader.skip()
        yield from reader.expect(CALL)
        yield from reader.skip()
        head = yield from reader.ahead(*self._heads)
        if not head:
            raise Mismatch
        reader.at += len(head)
        yield from reader.skip(_DIGITS)
        yield from reader.skip()
        yield from reader.expect(ARGUMENTS)
        if (yield from self.named_call(self._heads[head])):
            for closer in (CALL_END, SECTION_END):
                yield from self.swallow(closer)


class KimiDialect:
    """Calls between markers."""

    def block(self, toolset: Toolset) -> str:
        """The tools' whole schemas, and the form of a call."""
        if not toolset.tools:
            return ""
        return BLOCK.format(
            tools=signatures(toolset), example=example_name(toolset), how_many=how_many(toolset, SEVERAL, ONE)
        )

    def call_text(self, call: PastCall) -> str:
        """The call in its markers."""
        return f"{SECTION}{CALL}{PREFIX}{call.name}:0{ARGUMENTS}{arguments_json(call)}{CALL_END}{SECTION_END}"

    def result_text(self, result: PastResult) -> str:
        """What the tool has answered, under a line that says which."""
        return f"{title(result)}\n{said(result)}"

    def decoder(self, toolset: Toolset, options: DialectOptions) -> Decoder:
        """A decoder of one choice."""
        return TextDecoder(KimiScanner(toolset, options))
