"""Stream controls: how much of an answer is told once the model has called a tool.

A stage between the dialect's decoder and the renderer, the same for streamed and collected answers: events in, events
and at most one cut out.  An unfinished call is never told of an answer that is cut; nothing is ever told twice, and
nothing that is equal is taken for the same.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from proxy.dialects.port import Decoder
from proxy.wire.events import Finished, StreamEvent, TextDelta, ToolCallDelta
from proxy.wire.upstream.json_text import JsonPrefix


@dataclass(frozen=True, slots=True)
class ControlOptions:
    """What is asked for.

    *stop_after_tools*: `first` cuts when the first call is whole, `burst` when no further call is whole within a while;
    text waits for that meanwhile.  *suppress_tail*: no text after the first whole call.  *tool_block_max*: so many
    calls pass, and the next one cuts; 0 = no limit.
    """

    stop_after_tools: Literal["off", "first", "burst"] = "off"
    suppress_tail: bool = False
    tool_block_max: int = 0

    @property
    def idle(self) -> bool:
        """Whether nothing is asked for."""
        return self == ControlOptions()


class Controls:
    """Wraps a decoder, for answers with one choice.

    *start_grace* is called whenever the while of a burst begins anew; when it is over, `expire` is to be called.
    *reason* says why the answer was cut.
    """

    def __init__(self, decoder: Decoder, options: ControlOptions, start_grace: Callable[[], None]) -> None:
        self._decoder = decoder
        self._options = options
        self._start_grace = start_grace
        self._begun = 0  # calls that have begun
        self._whole = 0
        self._open: JsonPrefix | None = None  # the arguments of the call that is not known to be whole
        self._held_call: list[StreamEvent] = []  # of a call that may yet be cut off
        self._held_text: list[StreamEvent] = []
        self._finished = False
        self._reason: str | None = None
        self._closing: Sequence[StreamEvent] = ()

    @property
    def cut(self) -> bool:
        """Whether the answer is over by our own decision."""
        return self._reason is not None or self._decoder.cut

    @property
    def oversize(self) -> bool:
        """Whether the decoder has had too much."""
        return self._decoder.oversize

    @property
    def reason(self) -> str | None:
        """Why it is, if these controls have decided: `first`, `burst` or `block_max`."""
        return self._reason

    @property
    def in_grace(self) -> bool:
        """Whether it is being waited for another call."""
        return self._options.stop_after_tools == "burst" and self._whole > 0 and not (self._finished or self.cut)

    def feed(self, events: Sequence[StreamEvent]) -> Sequence[StreamEvent]:
        """The events up to the cut."""
        return self._map(self._decoder.feed(events))

    def end(self) -> Sequence[StreamEvent]:
        """The upstream has ended, or was cut off: what was still held back, or the finish of the cut."""
        if self._reason is not None:
            closing, self._closing = self._closing, ()
            return closing
        out = list(self._map(self._decoder.end()))
        if self._reason is None:
            self._release(out)
        return out

    def expire(self) -> None:
        """No further call was whole in time."""
        if self.in_grace:
            self._cut("burst")

    def _map(self, events: Sequence[StreamEvent]) -> Sequence[StreamEvent]:
        out: list[StreamEvent] = []
        for event in events:
            if self._reason is not None:
                break
            if isinstance(event, ToolCallDelta):
                self._call(event, out)
            elif isinstance(event, TextDelta):
                self._text(event, out)
            elif isinstance(event, Finished):
                self._finish(event, out)
            else:
                out.append(event)
        if self._closing:
            out += self._closing
            self._closing = ()
        return out

    def _call(self, event: ToolCallDelta, out: list[StreamEvent]) -> None:
        if event.index >= self._begun:
            self._close_call(out)
            if self._reason is not None:
                return
            if 0 < self._options.tool_block_max <= self._begun:
                self._cut("block_max")
                return
            self._begun = event.index + 1
            self._open = JsonPrefix()
        holds = self._whole > 0 and self._options.stop_after_tools == "burst"
        (self._held_call if holds else out).append(event)
        if self._open is not None:
            self._open.push(event.arguments)
            if self._open.whole:
                self._close_call(out)

    def _close_call(self, out: list[StreamEvent]) -> None:
        """The open call is whole."""
        if self._open is None:
            return
        self._open = None
        self._whole += 1
        out += self._held_call
        self._held_call = []
        if self._options.stop_after_tools == "first":
            self._cut("first")
        elif self._options.stop_after_tools == "burst":
            self._start_grace()

    def _text(self, event: TextDelta, out: list[StreamEvent]) -> None:
        if self._open is not None and not self._open.cut:  # a call without arguments
            self._close_call(out)
            if self._reason is not None:
                return
        if self._whole == 0:
            out.append(event)
        elif not self._options.suppress_tail:
            (self._held_text if self._options.stop_after_tools == "burst" else out).append(event)

    def _finish(self, event: Finished, out: list[StreamEvent]) -> None:
        """The upstream ends first: what waited is told, in the order of the calls and then the text."""
        self._release(out)
        self._finished = True
        out.append(event)

    def _release(self, out: list[StreamEvent]) -> None:
        out += self._held_call
        out += self._held_text
        self._held_call, self._held_text = [], []

    def _cut(self, reason: str) -> None:
        self._reason = reason
        self._held_call, self._held_text = [], []
        self._closing = (Finished("tool_calls"),)
