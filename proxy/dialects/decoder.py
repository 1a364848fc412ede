"""TextDecoder: a scanner behind the port that the states know, for one choice of an answer."""

from collections.abc import Callable, Sequence

from proxy.dialects.scanner import Scanner
from proxy.wire.events import ChoiceExtras, Finished, StreamEvent, TextDelta, ToolCallDelta


class TextDecoder:
    """Gives text to a scanner, and everything else on.

    A call that the upstream tells in its own way is counted among those found in the text.  A call that can't become
    whole any more ends the answer as one that was cut.  Should a scanner have a bug, the text stays text.
    """

    def __init__(self, scanner: Scanner) -> None:
        self._scanner = scanner
        self._numbers: dict[tuple[bool, int], int] = {}  # of the calls told, by whether the upstream counted, and how
        self._ended = False

    @property
    def cut(self) -> bool:
        """Whether the answer is over: a call was too large."""
        return self._scanner.oversize

    @property
    def oversize(self) -> bool:
        """Whether a call that has been told in part was too large to be read to its end."""
        return self._scanner.oversize

    def feed(self, events: Sequence[StreamEvent]) -> Sequence[StreamEvent]:
        """The events that are certain now."""
        if len(events) == 1 and type(event := events[0]) is TextDelta and self._scanner.passes(event.text):
            return events
        out: list[StreamEvent] = []
        for event in events:
            if type(event) is TextDelta:
                self._text(event, out)
            elif type(event) is ToolCallDelta:
                out.append(self._numbered(event, native=True))
            elif type(event) is Finished:
                out += self._end(event.reason)
                cut = self._scanner.half and event.reason in ("stop", "tool_calls")
                out.append(event._replace(reason="length") if cut else event)
            else:
                out.append(event)
        return out

    def end(self) -> Sequence[StreamEvent]:
        """What was still held back; an upstream that gave no finish reason has ended as if by `stop`."""
        return self._end("stop")

    def _text(self, event: TextDelta, out: list[StreamEvent]) -> None:
        scanner = self._scanner
        scanner.choice = event.choice
        if self._ended or scanner.passes(event.text):
            out.append(event)
            return
        found = self._scan(lambda: scanner.feed(event.text))
        if event.extras is not None:
            if found and type(found[0]) is TextDelta:
                found[0] = found[0]._replace(extras=event.extras)
            else:
                out.append(ChoiceExtras(event.extras, event.choice))
        out += self._told(found)

    def _told(self, events: list[StreamEvent]) -> list[StreamEvent]:
        return [self._numbered(each, native=False) if type(each) is ToolCallDelta else each for each in events]

    def _numbered(self, event: ToolCallDelta, *, native: bool) -> ToolCallDelta:
        number = self._numbers.setdefault((native, event.index), len(self._numbers))
        return event if number == event.index else event._replace(index=number)

    def _end(self, finish: str) -> list[StreamEvent]:
        if self._ended:
            return []
        self._ended = True
        return self._told(self._scan(lambda: self._scanner.end(finish)))

    def _scan(self, step: Callable[[], list[StreamEvent]]) -> list[StreamEvent]:
        try:
            return step()
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets the text
            self._ended = True
            self._scanner.options.fault(error)
            return self._scanner.remains()
