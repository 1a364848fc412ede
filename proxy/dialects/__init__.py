"""How models write tool calls: one file for each dialect, one row in the table.

A decoder maps the events of an upstream to text and tool calls, incrementally; it is pure, and never raises.
"""

from collections.abc import Mapping

from proxy.dialects.emulation import Emulation
from proxy.dialects.json import JsonDialect
from proxy.dialects.native import NativeDialect
from proxy.dialects.port import Decoder, Dialect, DialectOptions, PastCall, PastResult, Tool, Toolset
from proxy.dialects.use_tool import UseToolDialect
from proxy.wire.request import ChatRequest

DIALECTS: Mapping[str, Dialect] = {
    "native": NativeDialect(),
    "json": JsonDialect(),
    "use_tool": UseToolDialect(),
}
"""Every dialect by the name that configuration uses."""


def decoder_for(dialect: str, request: ChatRequest, *, emulate: bool) -> Decoder:
    """The decoder of one answer; *emulate* adds what the upstream was not asked for (stop strings, a single call)."""
    decoder = DIALECTS[dialect].decoder(Toolset(), DialectOptions())
    if emulate and (request.stop or not request.parallel_tool_calls):
        return Emulation(decoder, stop=request.stop, single_call=not request.parallel_tool_calls)
    return decoder


__all__ = [
    "DIALECTS",
    "Decoder",
    "Dialect",
    "DialectOptions",
    "PastCall",
    "PastResult",
    "Tool",
    "Toolset",
    "decoder_for",
]
