"""What every dialect offers."""

from collections.abc import Sequence
from typing import Protocol

from proxy.wire.events import StreamEvent


class Decoder(Protocol):
    """Events in, events out."""

    @property
    def cut(self) -> bool:
        """Whether the answer is over by our own decision: the upstream is to be cancelled."""

    def feed(self, events: Sequence[StreamEvent]) -> Sequence[StreamEvent]:
        """The events that *events* become, as far as that is certain by now."""

    def end(self) -> Sequence[StreamEvent]:
        """The upstream has ended: what was still held back."""
