"""How models write tool calls: one file for each dialect, one row in the table.

A decoder maps the events of an upstream to text and tool calls, incrementally; it is pure, and never raises.
"""

from collections.abc import Callable, Mapping

from proxy.dialects.emulation import Emulation
from proxy.dialects.native import NativeDecoder
from proxy.dialects.port import Decoder
from proxy.wire.request import ChatRequest

DIALECTS: Mapping[str, Callable[[ChatRequest], Decoder]] = {
    "native": NativeDecoder,
}
"""Every dialect by the name that configuration uses."""


def decoder_for(dialect: str, request: ChatRequest, *, emulate: bool) -> Decoder:
    """The decoder of one answer; *emulate* adds what the upstream was not asked for (stop strings, a single call)."""
    decoder = DIALECTS[dialect](request)
    if emulate and (request.stop or not request.parallel_tool_calls):
        return Emulation(decoder, stop=request.stop, single_call=not request.parallel_tool_calls)
    return decoder


__all__ = ["DIALECTS", "Decoder", "decoder_for"]
