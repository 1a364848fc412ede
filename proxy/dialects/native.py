"""native: the upstream writes tool calls as OpenAI tool calls; nothing is to be decoded."""

from collections.abc import Sequence

from proxy.wire.events import StreamEvent
from proxy.wire.request import ChatRequest


class NativeDecoder:
    """Passes everything on."""

    cut = False

    def __init__(self, _request: ChatRequest) -> None:
        """Nothing of the request matters here."""

    def feed(self, events: Sequence[StreamEvent]) -> Sequence[StreamEvent]:
        """The same events."""
        return events

    def end(self) -> Sequence[StreamEvent]:
        """Nothing was held back."""
        return ()
