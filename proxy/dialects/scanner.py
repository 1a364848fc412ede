"""Scanner: what surrounds calls, the same in every dialect: white space, code fences, inline code, reasoning."""

import re
from abc import ABC, abstractmethod
from collections.abc import Generator
from typing import ClassVar, Literal

from proxy.dialects.port import DialectOptions, Toolset
from proxy.dialects.reader import SPACE, Mismatch, Oversize, Reader, Steps
from proxy.wire.events import ReasoningDelta, StreamEvent, TextDelta, ToolCallDelta

FENCE_INDENT = 3  # blanks that may stand before a fence; CommonMark §4.5
FENCE_CHARS = 3  # of which a fence has at least so many
THINK, THINK_END = "<think>", "</think>"

_SPACES = re.compile(r"[ \t\r\n]*")
_BLANKS = re.compile(r"[ \t\r]*")
_TICKS = {"`": re.compile(r"`*"), "~": re.compile(r"~*")}
_NEITHER = {"`": re.compile(r"[^`\n]*"), "~": re.compile(r"[^~\n]*")}
_INFO = re.compile(r"[^`\n]*")
_NEVER = r"(?!)"


def beginnings(word: str) -> str:
    """A pattern for *word*, or for as much of it as stands at the end of what has come."""
    pattern = re.escape(word[-1])
    for char in reversed(word[:-1]):
        pattern = rf"{re.escape(char)}(?:{pattern}|\Z)"
    return pattern


class Scanner(ABC):
    """Tells text, calls and reasoning apart in one choice of an answer.

    A dialect gives *opener*, a pattern of where a call may begin (matching also what at the end of the piece may still
    become that), *line_opener*, one of where it may at the beginning of a line, and `candidate`, which reads it.  That
    either tells calls, by `call` or by `begin_call` and `fragment`, or raises `Mismatch` before it has told anything:
    then what it has read is text.
    """

    opener: str = ""
    line_opener: str = ""
    fence_infos: ClassVar[tuple[str, ...] | None] = ("",)  # what may stand behind a fence around calls; None: anything
    default_fences: ClassVar[Literal["whole", "text", "calls"]] = "whole"

    def __init__(self, toolset: Toolset, options: DialectOptions) -> None:
        self.toolset = toolset
        self.options = options
        self.reader = Reader(options.max_call_bytes)
        self.choice = 0
        self.half = False  # a call was told that will never be whole
        self.oversize = False  # that is because it was too large; what follows is not looked at
        self.calls = 0  # told so far
        self._out: list[StreamEvent] = []  # certain
        self._told = self._out  # where events go; inside a fence that may hold calls they wait elsewhere
        self._fragments: list[str] = []  # of the call that was opened last: joined to one event for each piece
        self._marks = self._pattern(self.opener, self.line_opener)
        self._marks_in_line = (
            self._pattern(self.opener, r"\n") if self.line_opener else self._marks
        )  # behind other text
        self._space: list[str] = []  # after the text that was told: it is text unless a call follows
        self._fresh = True  # nothing but white space since the beginning, or since a call
        self._after_call = False  # nothing but white space since a call
        self._indent = 0  # blanks since the line began; -1: other text
        self._untouched = True  # nothing but white space since the beginning
        self.fenced = False  # a fence is open that may hold calls
        self._searching = False  # the scanner waits in plain text, with nothing read and not told
        self._run = self._scan()
        next(self._run)

    # --- what the decoder calls

    def feed(self, text: str) -> list[StreamEvent]:
        """The events that are certain now."""
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
        if not self._searching or self._space or self._fresh or text[-1] in SPACE or self._marks.search(text):
            return False
        self._tell_line(text)
        return True

    # --- what dialects call

    def call(self, name: str, arguments: str, theirs: str | None = None) -> None:
        """Tell a whole call; *theirs* is the id that the model gave it."""
        self.open_call(name, theirs)
        self.fragment(arguments)

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

    @abstractmethod
    def candidate(self) -> Steps[None]:
        """Read what may be a call, or several; raises `Mismatch`."""

    def abandoned(self) -> None:  # noqa: B027 - a hook, which most have no use for
        """What is being read is no call."""

    def passed_over(self, _text: str) -> Steps[None]:
        """What could have become a call has been told as text; what follows may belong to it."""
        yield from ()

    def joined(self) -> Steps[None]:
        """A call has been read; what follows may belong to it."""
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
        self._flush()
        out, self._out = self._out, []
        if not self.fenced:
            self._told = self._out
        return out

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

    def _think(self, text: str) -> None:
        self._flush()
        self._told.append(ReasoningDelta(text, self.choice))

    # --- code

    def _ticked(self, tick: str) -> Steps[None]:
        """Read a fenced block, inline code, or a character that is neither."""
        reader = self.reader
        if 0 <= self._indent <= FENCE_INDENT:
            reader.hold()
            try:
                run = yield from reader.run(_TICKS[tick])
            except Mismatch:
                run = ""
            if len(run) >= FENCE_CHARS:
                yield from self._fence(run)
                return
            self.say(reader.release())
            size = len(run)
        else:
            size = yield from self._tell_run(tick)
        if tick == "`":
            yield from self._inline_code(size)

    def _tell_run(self, tick: str) -> Steps[int]:
        """Tell a run of *tick*, and count it."""
        reader, size = self.reader, 0
        while True:
            found = _TICKS[tick].match(reader.text, reader.at)
            assert found is not None  # a star matches the empty text  # noqa: S101 - narrows the type
            size += len(found[0])
            self.say(found[0])
            reader.at = found.end()
            if reader.at < len(reader.text) or not (yield from reader.more()):
                return size

    def _inline_code(self, size: int) -> Steps[None]:
        """Tell what stands between a run of *size* backticks and the next such run, or the end of the line."""
        reader = self.reader
        while (yield from reader.more()):
            found = _NEITHER["`"].match(reader.text, reader.at)
            assert found is not None  # a star matches the empty text  # noqa: S101 - narrows the type
            self.say(found[0])
            reader.at = found.end()
            if reader.at < len(reader.text) and (
                reader.text[reader.at] == "\n" or (yield from self._tell_run("`")) == size
            ):
                return

    def _fence(self, fence: str) -> Steps[None]:
        """Read a fenced block whose opening *fence* has been read and is held."""
        mode = self.options.fences or self.default_fences
        if mode == "calls" or (mode == "whole" and self._untouched):
            before = self._space[:], self._fresh, self._after_call, self._indent, self._untouched, self.calls
            self._told, self.fenced = [], True
            try:
                yield from self._fenced_calls(fence)
                if mode == "whole":
                    yield from self._nothing_more()
            except Mismatch:
                self._fragments.clear()
                self._space, self._fresh, self._after_call, self._indent, self._untouched, self.calls = before
                self._told, self.half, self.fenced = self._out, False, False
                self.abandoned()
            else:
                self.reader.release()
                self._flush()
                self._out += self._told
                self._told, self.fenced = self._out, False
                yield from self.joined()
                return
        text = self.reader.release()
        self.say(fence)
        self.reader.back(text[len(fence) :])  # no fence of calls: what ends it is to be found anew
        yield from self._fence_text(fence)

    def _fenced_calls(self, fence: str) -> Steps[None]:
        """Read a fence's line, calls, and the closing fence; anything else is a `Mismatch`."""
        reader = self.reader
        yield from reader.skip(_BLANKS)
        if self.fence_infos is None:
            yield from reader.skip(_INFO)
        elif (yield from reader.word(self.fence_infos)) not in self.fence_infos:
            raise Mismatch
        yield from reader.skip(_BLANKS)
        yield from reader.expect("\n")
        calls = self.calls
        while True:
            yield from reader.skip(_SPACES)
            char = yield from reader.peek()
            if self.calls > calls:
                if char == fence[0]:
                    break
                if not char and reader.settled and not self.half:
                    return
            if not char or char in "`~":
                raise Mismatch
            self._indent = 0
            yield from self.candidate()
            yield from self.joined_in_fence()
        run = yield from reader.run(_TICKS[fence[0]])
        yield from reader.skip(_BLANKS)
        if len(run) < len(fence) or (yield from reader.peek()) not in ("\n", ""):
            raise Mismatch

    def _nothing_more(self) -> Steps[None]:
        """Read to the end of the answer; a `Mismatch` if there is anything but white space."""
        yield from self.reader.skip(_SPACES)
        if (yield from self.reader.peek()):
            raise Mismatch

    def joined_in_fence(self) -> Steps[None]:
        """A call has been read inside a fence; what follows may belong to it."""
        yield from ()

    def _fence_text(self, fence: str) -> Steps[None]:
        """Tell what is inside a fence, up to the closing one."""
        reader, tick = self.reader, fence[0]
        neither = _NEITHER[tick]
        if tick == "`" and (yield from self._rest_of_info()):
            yield from self._inline_code(len(fence))
            return
        while (yield from reader.more()):
            found = neither.match(reader.text, reader.at)
            assert found is not None  # a star matches the empty text  # noqa: S101 - narrows the type
            self.say(found[0])
            reader.at = found.end()
            if reader.at == len(reader.text):
                continue
            if reader.text[reader.at] == "\n":
                self.say("\n")
                reader.at += 1
                continue
            closing = 0 <= self._indent <= FENCE_INDENT
            if (yield from self._tell_run(tick)) >= len(fence) and closing and (yield from self._blank_rest()):
                return

    def _rest_of_info(self) -> Steps[bool]:
        """Tell the rest of a fence's own line; whether it is none, since a backtick stands in it.  CommonMark §4.5."""
        reader = self.reader
        while (yield from reader.more()):
            found = _NEITHER["`"].match(reader.text, reader.at)
            assert found is not None  # a star matches the empty text  # noqa: S101 - narrows the type
            self.say(found[0])
            reader.at = found.end()
            if reader.at < len(reader.text):
                return reader.text[reader.at] == "`"
        return False

    def _blank_rest(self) -> Steps[bool]:
        """Tell the blanks that follow; whether the line ends behind them."""
        reader = self.reader
        while (yield from reader.more()):
            found = _BLANKS.match(reader.text, reader.at)
            assert found is not None  # a star matches the empty text  # noqa: S101 - narrows the type
            self.say(found[0])
            reader.at = found.end()
            if reader.at < len(reader.text):
                return reader.text[reader.at] == "\n"
        return True
