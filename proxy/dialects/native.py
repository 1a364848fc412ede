"""native: the upstream tells tool calls as such; nothing is to be said in words, nothing to be decoded."""

from collections.abc import Sequence

from proxy.dialects.port import Decoder, DialectOptions, PastCall, PastResult, Toolset
from proxy.wire.events import StreamEvent


class NativeDecoder:
    """Passes everything on."""

    cut = False
    oversize = False

    def feed(self, events: Sequence[StreamEvent]) -> Sequence[StreamEvent]:
        """The same events."""
        return events

    def end(self) -> Sequence[StreamEvent]:
        """Nothing was held back."""
        return ()


class NativeDialect:
    """No dialect at all: what the others are measured by."""

    def block(self, _toolset: Toolset) -> str:
        """The upstream is told of the tools in its own way."""
        return ""

    def call_text(self, call: PastCall) -> str:
        """Where a call must be text all the same, it is its name and arguments."""
        return f"{call.name}({call.arguments})"

    def result_text(self, result: PastResult) -> str:
        """The result itself."""
        return result.text

    def decoder(self, _toolset: Toolset, _options: DialectOptions) -> Decoder:
        """One that passes everything on."""
        return NativeDecoder()
