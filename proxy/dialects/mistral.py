"""mistral: calls behind `[TOOL_CALLS]`, as Mistral's models write them.

    [TOOL_CALLS]set_alarm[ARGS]{"time": "07:30"}
    [TOOL_CALLS]set_alarm{"time": "07:30"}
    [TOOL_CALLS] [{"name": "set_alarm", "arguments": {"time": "07:30"}}]

The format: mistral-common, instruct tokenizers v13, v11, and v3 to v7.  Between name and arguments v11 may put an id,
behind `[CALL_ID]`.
"""

import re

from proxy.dialects.decoder import TextDecoder
from proxy.dialects.json_calls import ONE, SEVERAL, JsonCallScanner
from proxy.dialects.json_pieces import after_space
from proxy.dialects.port import Decoder, DialectOptions, PastCall, PastResult, Toolset
from proxy.dialects.reader import Mismatch, Steps
from proxy.dialects.scanner import beginnings
from proxy.dialects.words import arguments_json, example_name, how_many, said, signatures, title

MARKER, CALL_ID, ARGS = "[TOOL_CALLS]", "[CALL_ID]", "[ARGS]"

_ID = re.compile(r"[A-Za-z0-9]*")

BLOCK = """\
# Tools
You can call the tools below, one per line. A call is the marker, a tool's name, and the arguments as one JSON object:
[TOOL_CALLS]{example}[ARGS]{{"PARAMETER": "value"}}
Copy names exactly, give every required parameter, use no code fences. {how_many} If no tool is needed, just answer.

{tools}"""


class MistralScanner(JsonCallScanner):
    """Reads what stands behind the marker."""

    opener = beginnings(MARKER)
    fence_infos = None

    def __init__(self, toolset: Toolset, options: DialectOptions) -> None:
        super().__init__(toolset, options)
        names = sorted(self.schemas, key=len, reverse=True)
        self._heads = {f"{name}{behind}": name for name in names for behind in ("[", "{", " ", "\n")}

    def candidate(self) -> Steps[None]:
        """Read a list of calls, or one call."""
        reader = self.reader
        yield from reader.expect(MARKER)
        if (yield from after_space(reader)) == "[":
            yield from self.object_calls()
            return
        head = yield from reader.ahead(*self._heads)
        if not head:
            raise Mismatch
        name = self._heads[head]
        reader.at += len(name)
        yield from after_space(reader)
        if (yield from reader.ahead(CALL_ID)):
            reader.at += len(CALL_ID)
            yield from reader.skip(_ID)
        if (yield from reader.ahead(ARGS)):
            reader.at += len(ARGS)
        yield from self.named_call(name)


class MistralDialect:
    """Calls behind a marker."""

    def block(self, toolset: Toolset) -> str:
        """The tools' whole schemas, and the form of a call."""
        if not toolset.tools:
            return ""
        return BLOCK.format(
            tools=signatures(toolset), example=example_name(toolset), how_many=how_many(toolset, SEVERAL, ONE)
        )

    def call_text(self, call: PastCall) -> str:
        """The marker, the name, the arguments."""
        return f"{MARKER}{call.name}{ARGS}{arguments_json(call)}"

    def result_text(self, result: PastResult) -> str:
        """What the tool has answered, under a line that says which."""
        return f"{title(result)}\n{said(result)}"

    def decoder(self, toolset: Toolset, options: DialectOptions) -> Decoder:
        """A decoder of one choice."""
        return TextDecoder(MistralScanner(toolset, options))
