"""PerChoice: a decoder for each choice of an answer that has several."""

from collections.abc import Callable, Sequence

from proxy.dialects.port import Decoder
from proxy.wire.events import Opened, StreamEvent, Usage


class PerChoice:
    """Gives each choice's events to a decoder of its own, as it comes up; of *n* choices all may be cut."""

    def __init__(self, make: Callable[[], Decoder], n: int) -> None:
        self._make = make
        self._n = n
        self._decoders: dict[int, Decoder] = {}

    @property
    def cut(self) -> bool:
        """Whether every choice is over by our own decision, or one that fails them all."""
        if self.oversize:
            return True
        return len(self._decoders) == self._n and all(decoder.cut for decoder in self._decoders.values())

    @property
    def oversize(self) -> bool:
        """Whether a call of any choice is too large."""
        return any(decoder.oversize for decoder in self._decoders.values())

    def feed(self, events: Sequence[StreamEvent]) -> Sequence[StreamEvent]:
        """The events that are certain now."""
        out: list[StreamEvent] = []
        for event in events:
            if isinstance(event, Opened | Usage):
                out.append(event)
                continue
            if event.choice not in self._decoders:
                self._decoders[event.choice] = self._make()
            out += self._decoders[event.choice].feed([event])
        return out

    def end(self) -> Sequence[StreamEvent]:
        """What was still held back."""
        return [event for decoder in self._decoders.values() for event in decoder.end()]
