"""Scanner: tells text from calls, and what surrounds calls, the same in every dialect."""

import re
from collections.abc import Generator
from typing import ClassVar

from proxy.dialects.code import FENCE_CHARS, CodeReader
from proxy.dialects.port import DialectOptions, Toolset
from proxy.dialects.reader import SPACE, Mismatch, Oversize, Steps
from proxy.wire.events import StreamEvent, TextDelta

THINK, THINK_END = "<think>", "</think>"

_SPACES = re.compile(r"[ \t\r\n]*")
_NEVER = r"(?!)"


def beginnings(word: str) -> str:
    """A pattern for *word*, or for as much of it as stands at the end of what has come."""
    pattern = re.escape(word[-1])
    for char in reversed(word[:-1]):
        pattern = rf"{re.escape(char)}(?:{pattern}|\Z)"
    return pattern


class Scanner(CodeReader):
    """Tells text, calls and reasoning apart in one choice of an answer.

    A dialect gives *opener*, a pattern of where a call may begin (matching also what at the end of the piece may still
    become that), *line_opener*, one of where it may at the beginning of a line, and `candidate`, which reads it.  That
    either tells calls, by `call` or by `begin_call` and `fragment`, or raises `Mismatch` before it has told anything:
    then what it has read is text.  *signs* are strings of which one is in every opener: text without any passes fast.
    """

    opener: str = ""
    line_opener: str = ""
    signs: ClassVar[tuple[str, ...]] = ()  # none: they are not known

    def __init__(self, toolset: Toolset, options: DialectOptions) -> None:
        super().__init__(options)
        self.toolset = toolset
        self._marks = self._pattern(self.opener, self.line_opener)
        self._marks_in_line = self._marks  # behind other text on the line
        if self.line_opener:
            self._marks_in_line = self._pattern(self.opener, r"\n")
        self._signs = (*self.signs, "`", "~", *("<" if options.reasoning_tags else "")) if self.signs else ()
        self._sign_beginnings = tuple(sign[:end] for sign in self.signs for end in range(1, len(sign)))
        self._searching = False  # the scanner waits in plain text, with nothing read and not told
        self._run = self._scan()
        next(self._run)

    # --- what the decoder calls

    def feed(self, text: str) -> list[StreamEvent]:
        """The events that are certain now."""
        if self._searching and not self._has_sign(text):
            self.say(text)
            return self._taken()
        self.reader.feed(text)
        return self._go_on()

    def end(self, finish: str) -> list[StreamEvent]:
        """The rest, now that the upstream has ended with the reason *finish*."""
        self.reader.ended = True
        self.reader.settled = finish not in ("length", "content_filter")
        out = self._go_on()
        if self._space:
            out.append(TextDelta("".join(self._space), self.choice))
            self._space.clear()
        return out

    def remains(self) -> list[StreamEvent]:
        """What was found, and as text all the rest: the scanner has broken, and is not asked again."""
        if not self.fenced:
            self._flush()
        text = "".join((*self._space, self.reader.remains()))
        return [*self._out, *([TextDelta(text, self.choice)] if text else [])]

    def passes(self, text: str) -> bool:
        """Whether *text* can be passed on as it is, which is then taken as told: the rule for nearly all text."""
        if not self._searching or self._space or self._fresh or text[-1] in SPACE or self._has_sign(text):
            return False
        self._tell_line(text)
        return True

    def _has_sign(self, text: str) -> bool:
        """Whether there may be an opener in *text*: looked for in the way that is fastest for text without any."""
        for sign in self._signs:
            if sign in text:
                return self._marks.search(text) is not None
        if not self._signs:
            return self._marks.search(text) is not None
        return bool(self._sign_beginnings) and text.endswith(self._sign_beginnings)

    # --- what dialects call

    def begin_call(self, name: str) -> None:
        """Tell that a call begins whose end has not come: from here on nothing of it can become text."""
        if not self.fenced:
            self.reader.let_go()
        self.open_call(name)

    def swallow(self, closer: str) -> Steps[None]:
        """Read white space, and a *closer* that may stand behind a call."""
        reader = self.reader
        while (yield from reader.more()):
            found = _SPACES.match(reader.text, reader.at)
            assert found is not None  # a star matches the empty text  # noqa: S101 - narrows the type
            self.say(found[0])
            reader.at = found.end()
            if reader.at < len(reader.text):
                break
        if closer and (yield from reader.ahead(closer)):
            reader.at += len(closer)

    # --- what dialects may say

    def passed_over(self, _text: str) -> Steps[None]:
        """What could have become a call has been told as text; what follows may belong to it."""
        yield from ()

    # --- plain text

    def _pattern(self, *openers: str) -> re.Pattern[str]:
        """What plain text ends at.  Each alternative begins with a literal, so that `re` looks for those alone."""
        marks = [*openers, "`", "~"] if self.toolset.tools else []
        if self.options.reasoning_tags:
            marks.append(beginnings(THINK))
        return re.compile("|".join(filter(None, marks)) or _NEVER)

    def _go_on(self) -> list[StreamEvent]:
        self._searching = False
        next(self._run, None)
        return self._taken()

    def _taken(self) -> list[StreamEvent]:
        self._flush()
        out, self._out = self._out, []
        if not self.fenced:
            self._told = self._out
        return out

    def _scan(self) -> Generator[None, None, None]:
        yield
        reader = self.reader
        if self.options.reasoning_tags and self.options.reasoning_preopened:
            yield from self._reasoning()
        while True:
            if reader.at == len(reader.text):
                self._searching = True
                if not (yield from reader.more()):
                    return
                self._searching = False
            marks = self._marks if self._indent >= 0 else self._marks_in_line
            found = marks.search(reader.text, reader.at)
            end = found.start() if found else len(reader.text)
            if found and found[0] == "\n":
                end, found = end + 1, None
            self.say(reader.text[reader.at : end])
            reader.at = end
            if found:
                yield from self._marked(reader.text[end])

    def _marked(self, mark: str) -> Steps[None]:
        """Read on from a character that may begin something."""
        reader = self.reader
        if mark == "<" and self.options.reasoning_tags and self._fresh and (yield from reader.ahead(THINK)):
            reader.at += len(THINK)
            self._space.clear()
            yield from self._reasoning()
        elif not self.toolset.tools:
            self.say(reader.text[reader.at])
            reader.at += 1
        elif mark in "`~":
            yield from self._ticked(mark)
        else:
            reader.hold()
            try:
                yield from self.candidate()
            except Mismatch as mismatch:
                yield from self._release(mismatch)
            except Oversize:
                self.half = self.oversize = True
                reader.unbind()
                while (yield from reader.more()):
                    reader.at = len(reader.text)
            else:
                reader.release()
                reader.unbind()
                yield from self.joined()

    def _release(self, mismatch: Mismatch) -> Steps[None]:
        """Tell what was held as text, and go on behind it; at least one character of it is never looked at again."""
        self.abandoned()
        text = self.reader.release()
        if not text:
            text = self.reader.text[self.reader.at : self.reader.at + 1]
            self.reader.at += len(text)
        elif mismatch.unread:
            read = max(1, len(text) - mismatch.unread)
            self.reader.back(text[read:])
            text = text[:read]
        self.say(text)
        yield from self.passed_over(text)

    # --- reasoning

    def _reasoning(self) -> Steps[None]:
        """Read up to the closing tag; without one all is reasoning."""
        reader = self.reader
        while (yield from reader.more()):
            end = reader.text.find("<", reader.at)
            if end != reader.at:
                end = len(reader.text) if end < 0 else end
                self._think(reader.text[reader.at : end])
                reader.at = end
            elif (yield from reader.ahead(THINK_END)):
                reader.at += len(THINK_END)
                break
            else:
                self._think("<")
                reader.at += 1
        yield from reader.skip(_SPACES)
        self._fresh, self._indent = False, 0


__all__ = ["FENCE_CHARS", "THINK", "THINK_END", "Scanner", "beginnings"]
