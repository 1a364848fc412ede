"""Emulation: stop strings and single tool calls, for upstreams that know neither."""

from collections.abc import Sequence

from proxy.dialects.port import Decoder
from proxy.wire.events import Finished, StreamEvent, TextDelta, ToolCallDelta


def overlap(text: str, stop: str) -> int:
    """How many characters at the end of *text* may be the beginning of *stop*."""
    for size in range(min(len(text), len(stop) - 1), 0, -1):
        if stop.startswith(text[-size:]):
            return size
    return 0


class Emulation:
    """Wraps a decoder.  Text ends before the first stop string, and never ends within one that may still become whole.

    With *single_call* nothing follows the first whole tool call.  Arguments are never looked at for stop strings.
    What comes after the cut may still be fed: it tells whether anything of weight was cut off.
    """

    def __init__(self, decoder: Decoder, *, stop: Sequence[str], single_call: bool) -> None:
        self._decoder = decoder
        self._stop = tuple(stop)
        self._single_call = single_call
        self._held = ""
        self._in_call = False
        self._cut = False
        self.cut_blank = True  # nothing but white space was cut off, so far

    @property
    def cut(self) -> bool:
        """Whether the answer is over, for this or for the decoder inside."""
        return self._cut or self._decoder.cut

    @property
    def oversize(self) -> bool:
        """Whether a call was too large."""
        return self._decoder.oversize

    def feed(self, events: Sequence[StreamEvent]) -> Sequence[StreamEvent]:
        """The events up to the cut."""
        return self._map(self._decoder.feed(events))

    def end(self) -> Sequence[StreamEvent]:
        """What was held back, and no longer can become a stop string."""
        out = self._map(self._decoder.end())
        if not self._cut:
            self._release(out)
        return out

    def _map(self, events: Sequence[StreamEvent]) -> list[StreamEvent]:
        out: list[StreamEvent] = []
        for event in events:
            if self._cut:
                self._lose(event)
            elif isinstance(event, TextDelta):
                self._text(event, out)
            elif isinstance(event, ToolCallDelta):
                self._call(event, out)
            else:
                if isinstance(event, Finished):
                    self._release(out)
                out.append(event)
        return out

    def _text(self, event: TextDelta, out: list[StreamEvent]) -> None:
        if self._in_call and self._single_call:
            self._finish("tool_calls", event.choice, out)
            self._lose(event)
            return
        text = self._held + event.text
        # The first to be whole counts, as for a model that writes letter by letter; of two, the longer.
        ends = [(at + len(stop), at) for stop in self._stop if (at := text.find(stop)) >= 0]
        if ends:
            _end, start = min(ends)
            if start:
                out.append(event._replace(text=text[:start]))
            self._held = ""
            self._finish("stop", event.choice, out)
            self._lose(event._replace(text=text[start:]))
            return
        held = max((overlap(text, stop) for stop in self._stop), default=0)
        self._held = text[len(text) - held :]
        if len(text) > held:
            out.append(event._replace(text=text[: len(text) - held]))

    def _call(self, event: ToolCallDelta, out: list[StreamEvent]) -> None:
        if self._single_call and event.index > 0:
            self._finish("tool_calls", event.choice, out)
            self._lose(event)
            return
        self._release(out)
        self._in_call = True
        out.append(event)

    def _release(self, out: list[StreamEvent]) -> None:
        if self._held:
            out.append(TextDelta(self._held))
            self._held = ""

    def _finish(self, reason: str, choice: int, out: list[StreamEvent]) -> None:
        out.append(Finished(reason, choice))
        self._cut = True

    def _lose(self, event: StreamEvent) -> None:
        """Drop what lies beyond the cut."""
        blank = not event.text.strip() if isinstance(event, TextDelta) else not isinstance(event, ToolCallDelta)
        self.cut_blank = self.cut_blank and blank
