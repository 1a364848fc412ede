"""Splice: joins the text of a second answer to the text that has already been told.

A model that is given the beginning of its own answer either goes on from there, or starts over.  Which of the two it
does shows in its first characters; until then they are held back.  From an answer that starts over only what lies
beyond the told text is used, and only as long as it agrees with it.
"""

from collections.abc import Sequence

from proxy.errors import UpstreamProtocolError
from proxy.wire.events import RefusalDelta, StreamEvent, TextDelta, ToolCallDelta

AGREEMENT_CHARS = 24  # a repetition this long at the start of an answer is no accident
GOES_ON, STARTS_OVER, UNDECIDED = "goes_on", "starts_over", "undecided"


class Splice:
    """Maps the events of the second answer; *told* is the text already sent.

    With *prefilled* the model was given *told* as its own beginning; without, it was asked anew and must start over.
    """

    def __init__(self, told: str, *, prefilled: bool) -> None:
        self._told = told
        self._mode = UNDECIDED if prefilled else STARTS_OVER
        self._held = ""
        self._agreed = 0  # characters of *told* that the new answer has repeated

    @property
    def joined(self) -> bool:
        """Whether the new answer has reached the point where the told text ends."""
        return self._mode == GOES_ON

    def feed(self, events: Sequence[StreamEvent]) -> Sequence[StreamEvent]:
        """The events that are new.  Raises `UpstreamProtocolError` when the new answer disagrees with the told text."""
        if self._mode == GOES_ON:
            return events
        out: list[StreamEvent] = []
        for event in events:
            if isinstance(event, TextDelta):
                text = self._text(event.text)
                if text:
                    out.append(event._replace(text=text))
            else:
                if isinstance(event, ToolCallDelta | RefusalDelta):
                    out += self.end()
                out.append(event)
        return out

    def end(self) -> Sequence[StreamEvent]:
        """What was still held back when the text of the new answer ended: too little to be a repetition.

        Raises `UpstreamProtocolError` when the told text has not been repeated to its end.
        """
        if self._mode == UNDECIDED:
            self._mode = GOES_ON
            return [TextDelta(self._held)] if self._held else []
        if self._mode == STARTS_OVER:
            raise UpstreamProtocolError("The second answer is shorter than what was already told.")
        return []

    def _text(self, text: str) -> str:
        if self._mode == GOES_ON:
            return text
        if self._mode == UNDECIDED:
            self._held += text
            needed = min(len(self._told), AGREEMENT_CHARS)
            if not self._told.startswith(self._held[:needed]):
                self._mode = GOES_ON
                return self._held
            if len(self._held) < needed:
                return ""
            self._mode = STARTS_OVER
            text = self._held
        return self._repeated(text)

    def _repeated(self, text: str) -> str:
        rest = self._told[self._agreed : self._agreed + len(text)]
        if not text.startswith(rest):
            raise UpstreamProtocolError("The second answer disagrees with what was already told.")
        self._agreed += len(rest)
        if self._agreed == len(self._told):
            self._mode = GOES_ON
        return text[len(rest) :]
