"""How models write tool calls: one file for each dialect, one row in the table.

A decoder maps the events of an upstream to text and tool calls, incrementally; it is pure, and never raises.
"""

from collections.abc import Mapping
from dataclasses import replace

from proxy.dialects.choices import PerChoice
from proxy.dialects.decoder import TextDecoder
from proxy.dialects.deepseek import DeepSeekDialect
from proxy.dialects.emulation import Emulation
from proxy.dialects.glm import GlmDialect
from proxy.dialects.hermes import HermesDialect
from proxy.dialects.ids import CallIds
from proxy.dialects.json import JsonDialect
from proxy.dialects.kimi import KimiDialect
from proxy.dialects.llama3_json import Llama3JsonDialect
from proxy.dialects.mistral import MistralDialect
from proxy.dialects.native import NativeDialect
from proxy.dialects.port import Decoder, Dialect, DialectOptions, PastCall, PastResult, Tool, Toolset
from proxy.dialects.pythonic import PythonicDialect
from proxy.dialects.qwen_coder import QwenCoderDialect
from proxy.dialects.reasoning import ReasoningScanner
from proxy.dialects.rewriting import as_text, check_parameter_names, declared_tools, tool_block, toolset_of
from proxy.dialects.use_tool import UseToolDialect
from proxy.dialects.xml_tags import XmlTagsDialect
from proxy.wire.request import ChatRequest

NATIVE = "native"

DIALECTS: Mapping[str, Dialect] = {
    NATIVE: NativeDialect(),
    "json": JsonDialect(),
    "deepseek": DeepSeekDialect(),
    "glm": GlmDialect(),
    "hermes": HermesDialect(),
    "kimi": KimiDialect(),
    "llama3_json": Llama3JsonDialect(),
    "mistral": MistralDialect(),
    "pythonic": PythonicDialect(),
    "qwen_coder": QwenCoderDialect(),
    "use_tool": UseToolDialect(),
    "xml_tags": XmlTagsDialect(),
}
"""Every dialect by the name that configuration uses."""

NAMES_IN_TAGS = frozenset({"glm", "qwen_coder", "xml_tags"})
"""Those that write the names of parameters into tags, unescaped."""


def decoder_for(dialect: str, request: ChatRequest, options: DialectOptions, *, emulate_stop: bool) -> Decoder:
    """The decoder of one answer, of all its choices.

    Beyond the dialect it does what the upstream was not asked for: with *emulate_stop* it heeds stop strings; text
    dialects, and upstreams that know no stop strings, are not told that a single call is wanted either.
    """
    as_text = dialect != NATIVE
    toolset = toolset_of(request) if as_text else Toolset()
    taken = (call["id"] for message in request.messages for call in message.get("tool_calls") or ())
    options = replace(options, final=request.response_format == "text", ids=CallIds(taken))
    single_call = not request.parallel_tool_calls if emulate_stop else as_text and bool(toolset.tools)
    single_call = single_call and not (as_text and toolset.parallel)
    stop = request.stop if emulate_stop else ()

    def make() -> Decoder:
        decoder: Decoder = DIALECTS[dialect if toolset.tools else NATIVE].decoder(toolset, options)
        if options.reasoning_tags and not toolset.tools:
            decoder = TextDecoder(ReasoningScanner(toolset, options))
        return Emulation(decoder, stop=stop, single_call=single_call) if stop or single_call else decoder

    return PerChoice(make, request.n) if request.n > 1 and as_text else make()


__all__ = [
    "DIALECTS",
    "NAMES_IN_TAGS",
    "NATIVE",
    "Decoder",
    "Dialect",
    "DialectOptions",
    "PastCall",
    "PastResult",
    "Tool",
    "Toolset",
    "as_text",
    "check_parameter_names",
    "declared_tools",
    "decoder_for",
    "tool_block",
    "toolset_of",
]
