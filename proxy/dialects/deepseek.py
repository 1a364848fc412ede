"""deepseek: calls between markers of full-width bars, as DeepSeek V3, R1 and V3.1 write them.

V3.1:  <｜tool▁calls▁begin｜><｜tool▁call▁begin｜>NAME<｜tool▁sep｜>{…}<｜tool▁call▁end｜><｜tool▁calls▁end｜>
V3:    <｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>NAME⏎```json⏎{…}⏎```<｜tool▁call▁end｜>…

The format: deepseek-ai/DeepSeek-V3.1, model card, “ToolCall”; the chat templates of deepseek-ai/DeepSeek-V3-0324 and
deepseek-ai/DeepSeek-R1-0528.
"""  # noqa: RUF002 - full-width bars are what the model's own tokens have

from proxy.dialects.decoder import TextDecoder
from proxy.dialects.json_calls import ONE, SEVERAL, JsonCallScanner
from proxy.dialects.port import Decoder, DialectOptions, PastCall, PastResult, Toolset
from proxy.dialects.reader import Mismatch, Steps
from proxy.dialects.scanner import beginnings
from proxy.dialects.words import arguments_json, example_name, how_many, said, signatures

CALLS, CALLS_END = "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"  # noqa: RUF001 - as above
CALL, CALL_END = "<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>"  # noqa: RUF001 - as above
SEPARATOR = "<｜tool▁sep｜>"  # noqa: RUF001 - as above
OUTPUT, OUTPUT_END = "<｜tool▁output▁begin｜>", "<｜tool▁output▁end｜>"  # noqa: RUF001 - as above
FUNCTION = "function" + SEPARATOR
FENCE, FENCE_END = "\n```json\n", "```"

BLOCK = f"""\
# Tools
You can call the tools below, one per line. A call has exactly this shape, the arguments being one JSON object:
{CALLS}{CALL}{{example}}{SEPARATOR}{{{{"PARAMETER": "value"}}}}{CALL_END}{CALLS_END}
Copy names exactly, give every required parameter, use no code fences. {{how_many}} If no tool is needed, just answer.

{{tools}}"""


class DeepSeekScanner(JsonCallScanner):
    """Reads what stands between the markers; those behind a call may be missing."""

    opener = rf"{beginnings(CALLS)}|{beginnings(CALL)}"
    fence_infos = None

    def __init__(self, toolset: Toolset, options: DialectOptions) -> None:
        super().__init__(toolset, options)
        self._names = {f"{name}{SEPARATOR}": name for name in self.schemas}
        self._fenced_names = {f"{name}{FENCE}": name for name in self.schemas}

    def candidate(self) -> Steps[None]:
        """Read a call."""
        reader = self.reader
        if (yield from reader.ahead(CALLS, CALL)) == CALLS:
            reader.at += len(CALLS)
            yield from reader.skip()
        yield from reader.expect(CALL)
        head = yield from reader.ahead(FUNCTION, *self._names)
        reader.at += len(head)
        name = self._names.get(head, "")
        closers: tuple[str, ...] = (CALL_END, CALLS_END)
        if head == FUNCTION and not (name and (yield from reader.peek()) == "{"):
            fenced = yield from reader.ahead(*self._fenced_names)
            reader.at += len(fenced)
            name, closers = self._fenced_names.get(fenced, ""), (FENCE_END, *closers)
        if not name:
            raise Mismatch
        if (yield from self.named_call(name)):
            for closer in closers:
                yield from self.swallow(closer)


class DeepSeekDialect:
    """Calls between markers; written as V3.1 does."""

    def block(self, toolset: Toolset) -> str:
        """The tools' whole schemas, and the form of a call."""
        if not toolset.tools:
            return ""
        return BLOCK.format(
            tools=signatures(toolset), example=example_name(toolset), how_many=how_many(toolset, SEVERAL, ONE)
        )

    def call_text(self, call: PastCall) -> str:
        """The call in its markers."""
        return f"{CALLS}{CALL}{call.name}{SEPARATOR}{arguments_json(call)}{CALL_END}{CALLS_END}"

    def result_text(self, result: PastResult) -> str:
        """What the tool has answered, in its markers."""
        return f"{OUTPUT}{said(result)}{OUTPUT_END}"

    def decoder(self, toolset: Toolset, options: DialectOptions) -> Decoder:
        """A decoder of one choice."""
        return TextDecoder(DeepSeekScanner(toolset, options))
