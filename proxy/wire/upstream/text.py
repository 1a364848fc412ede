"""Text as upstreams write it: strings or arrays of parts, pieces or snapshots, with reasoning in tags or apart."""

from enum import Enum, auto
from typing import Any, NamedTuple

from proxy.errors import UpstreamProtocolError


class Texts(NamedTuple):
    """What a field that should hold text holds; *ignored* counts the parts that are no text."""

    text: str = ""
    reasoning: str = ""
    ignored: int = 0


NOTHING = Texts()


def read_text(value: Any, field: str) -> Texts:
    """Read a string, null, or an array of parts: strings, `{"text": …}`, `{"thinking": string or parts}`.

    Raises UpstreamProtocolError, naming *field*, for any other type.
    """
    if type(value) is str:
        return Texts(value)
    if value is None:
        return NOTHING
    if type(value) is not list:
        raise UpstreamProtocolError(detail=f"{field} is neither a string nor an array of parts")
    text, reasoning, ignored = "", "", 0
    for part in value:
        found = part if type(part) is not dict else part.get("text")
        if type(found) is str:
            text += found
        elif type(part) is dict and "thinking" in part:
            reasoning += read_text(part["thinking"], f"{field}[].thinking").text
        elif type(part) is dict and found is None:
            ignored += 1
        else:
            raise UpstreamProtocolError(detail=f"{field} holds a part that is no part")
    return Texts(text, reasoning, ignored)


class Snapshot:
    """Turns texts that each repeat all that came before into pieces; only where an upstream is configured to do so."""

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last = ""

    def extension(self, text: str) -> str:
        """Give what *text* adds to the last one; raises UpstreamProtocolError if it does not begin with it."""
        if not text.startswith(self._last):
            raise UpstreamProtocolError(detail="a snapshot does not begin with the one before it")
        new = text[len(self._last) :]
        self._last = text
        return new


class _Place(Enum):
    BEFORE = auto()  # nothing but white space has come
    THINKING = auto()
    AFTER = auto()  # between the closing tag and the answer's first character
    ANSWER = auto()


_OPEN, _CLOSE = "<think>", "</think>"
_MAX_SPACE_CHARS = 256  # an answer that begins with more white space than this does not begin with a tag


class ThinkSplitter:
    """Tells the reasoning that an answer begins with, in `<think>` tags, from the answer itself.

    Tags anywhere else are text: an answer may well be about them.  White space around the tags belongs to neither.
    """

    __slots__ = ("_held", "_place")

    def __init__(self) -> None:
        self._place = _Place.BEFORE
        self._held = ""  # what may turn out to be a tag

    def split(self, piece: str) -> Texts:
        """Give what is now known to be reasoning, and what to be answer; the reasoning comes first."""
        text = self._held + piece
        self._held = ""
        reasoning = ""
        if self._place is _Place.BEFORE:
            text = self._before(text)
        if self._place is _Place.THINKING:
            reasoning, closed, text = text.partition(_CLOSE)
            if closed:
                self._place = _Place.AFTER
            else:
                reasoning = self._hold_tag(reasoning)
        if self._place is _Place.AFTER:
            text = text.lstrip()
            if text:
                self._place = _Place.ANSWER
        return Texts(text, reasoning)

    def flush(self) -> Texts:
        """Give what was held: nothing more comes that could make a tag of it."""
        held, self._held = self._held, ""
        if self._place is _Place.THINKING:
            return Texts(reasoning=held)
        if held:
            self._place = _Place.ANSWER
        return Texts(held)

    def _before(self, text: str) -> str:
        lead = text.lstrip()
        if lead.startswith(_OPEN):
            self._place = _Place.THINKING
            return lead[len(_OPEN) :]
        if _OPEN.startswith(lead) and len(text) <= _MAX_SPACE_CHARS:
            self._held = text
            return ""
        self._place = _Place.ANSWER
        return text

    def _hold_tag(self, text: str) -> str:
        """Hold the longest end of *text* that the closing tag may begin with; give the rest."""
        for size in range(min(len(_CLOSE) - 1, len(text)), 0, -1):
            if _CLOSE.startswith(text[-size:]):
                self._held = text[-size:]
                return text[:-size]
        return text
