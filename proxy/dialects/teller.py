"""Teller: what a scanner has found becomes events; white space next to calls is dropped."""

from proxy.dialects.port import DialectOptions
from proxy.dialects.reader import SPACE
from proxy.wire.events import ReasoningDelta, StreamEvent, TextDelta, ToolCallDelta


class Teller:
    """Tells text, calls and reasoning of one choice, and knows where on a line the text stands."""

    def __init__(self, options: DialectOptions) -> None:
        self.options = options
        self.choice = 0
        self.half = False  # a call was told that will never be whole
        self.oversize = False  # that is because it was too large; what follows is not looked at
        self.calls = 0  # told so far
        self._out: list[StreamEvent] = []
        self._told = self._out  # where events are told: held back while it is not sure that they are any
        self._fragments: list[str] = []  # of the call that was opened last: joined to one event for each piece
        self._space: list[str] = []  # after the text that was told: it is text unless a call follows
        self._fresh = True  # nothing but white space since the beginning, or since a call
        self._after_call = False  # nothing but white space since a call
        self._indent = 0  # blanks since the line began; -1: other text
        self._untouched = True  # nothing but white space since the beginning

    def call(self, name: str, arguments: str, theirs: str | None = None) -> None:
        """Tell a whole call; *theirs* is the id that the model gave it."""
        self.open_call(name, theirs)
        self.fragment(arguments)

    def open_call(self, name: str, theirs: str | None = None) -> None:
        """Tell that a call begins."""
        self._flush()
        index = self.calls
        self.calls += 1
        self._told.append(ToolCallDelta(index, self.options.ids.settle(theirs), name, "", self.choice))
        self._space.clear()
        self._fresh = self._after_call = True
        self._untouched = False
        self._indent = -1

    def fragment(self, arguments: str) -> None:
        """Tell the next piece of the arguments of the call that was opened last."""
        self._fragments.append(arguments)

    def say(self, text: str) -> None:
        """Tell text; white space at its end waits, since it goes if a call follows."""
        if not text:
            return
        self._flush()
        self._tell_line(text)
        if self._after_call:
            text = text.lstrip(SPACE)
            if not text:
                return
            self._after_call = False
        body = text.rstrip(SPACE)
        if not body:
            self._space.append(text)
            return
        self._fresh = self._untouched = False
        self._told.append(TextDelta("".join((*self._space, body)) if self._space else body, self.choice))
        self._space.clear()
        if len(body) < len(text):
            self._space.append(text[len(body) :])

    @property
    def at_line_start(self) -> bool:
        """Whether nothing but blanks stand before on the line."""
        return self._indent >= 0

    def _flush(self) -> None:
        """Tell the fragments that have come since the last piece."""
        if self._fragments:
            arguments = "".join(self._fragments)
            self._fragments.clear()
            if arguments:
                self._told.append(ToolCallDelta(self.calls - 1, None, None, arguments, self.choice))

    def _tell_line(self, text: str) -> None:
        """Keep count of the blanks that the last line begins with."""
        line_at = text.rfind("\n") + 1
        if line_at:
            self._indent = 0
        if self._indent >= 0 and line_at < len(text):
            line = text[line_at:]
            self._indent = -1 if line.strip(" \t\r") else self._indent + len(line)

    def _think(self, text: str) -> None:
        self._flush()
        self._told.append(ReasoningDelta(text, self.choice))
