"""llama3_json: calls as bare JSON objects, as Llama 3.1 and 3.2 write them, `;` between several.

    {"name": "set_alarm", "parameters": {"time": "07:30"}}

The format: Meta's model cards and prompt formats for Llama 3.1, “JSON based tool calling”; a `<|python_tag|>` may stand
before it.  The 3.2 models also write `{"type": "function", "function": "set_alarm", "parameters": …}`.

An object is one only at the beginning of a line, with a tool's name and with parameters: any other is data.
"""

from proxy.dialects.decoder import TextDecoder
from proxy.dialects.json_calls import ONE, SEVERAL, JsonCallScanner
from proxy.dialects.json_pieces import after_space
from proxy.dialects.port import Decoder, DialectOptions, PastCall, PastResult, Toolset
from proxy.dialects.reader import Mismatch, Steps
from proxy.dialects.scanner import beginnings
from proxy.dialects.words import example_name, how_many, json_call, said, signatures, title

PYTHON_TAG = "<|python_tag|>"
FIRST_KEYS = ('"name"', '"type"', '"function"')

BLOCK = """\
# Tools
You can call the functions below, one per line. A call is one JSON object with a function's name and its parameters, on
a line of its own, outside code fences:
{{"name": "{example}", "parameters": {{"PARAMETER": "value"}}}}
Copy names exactly, give every required parameter, use no variables. {how_many} If no function is needed, just answer.

{tools}"""


class Llama3Scanner(JsonCallScanner):
    """Reads objects at the beginnings of lines."""

    opener = beginnings(PYTHON_TAG)
    line_opener = r"\{"
    fence_infos = None
    name_keys = ("name", "function")
    needs_arguments = True

    def candidate(self) -> Steps[None]:
        """Read an object, and those that follow it."""
        reader, at_line_start = self.reader, self.at_line_start
        if (yield from reader.peek()) == "<":
            yield from reader.expect(PYTHON_TAG)
        elif not at_line_start:
            raise Mismatch
        if (yield from after_space(reader)) != "{":
            raise Mismatch
        whole = yield from self.whole_or_open(self.object_call())
        while whole and (yield from self._is_next(";")):
            whole = yield from self.going_on(self.next_object(";"))

    def object_call(self) -> Steps[None]:
        """Read an object; its first key tells data from calls."""
        reader = self.reader
        yield from reader.expect("{")
        yield from after_space(reader)
        if not (yield from reader.ahead(*FIRST_KEYS)):
            raise Mismatch
        yield from self.object_members()

    def _is_next(self, char: str) -> Steps[bool]:
        """Whether, behind white space, *char* is next."""
        yield from self.swallow("")
        found = yield from self.reader.peek()
        return found == char


class Llama3JsonDialect:
    """Calls as bare JSON."""

    def block(self, toolset: Toolset) -> str:
        """The tools' whole schemas, and the form of a call."""
        if not toolset.tools:
            return ""
        return BLOCK.format(
            tools=signatures(toolset), example=example_name(toolset), how_many=how_many(toolset, SEVERAL, ONE)
        )

    def call_text(self, call: PastCall) -> str:
        """The object."""
        return json_call(call, "parameters")

    def result_text(self, result: PastResult) -> str:
        """What the tool has answered, under a line that says which."""
        return f"{title(result)}\n{said(result)}"

    def decoder(self, toolset: Toolset, options: DialectOptions) -> Decoder:
        """A decoder of one choice."""
        return TextDecoder(Llama3Scanner(toolset, options))
