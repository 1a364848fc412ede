"""Code in answers: inline code, and fenced blocks, which may hold calls."""

import re
from abc import ABC, abstractmethod
from typing import ClassVar, Literal

from proxy.dialects.port import DialectOptions
from proxy.dialects.reader import Mismatch, Reader, Steps
from proxy.dialects.teller import Teller

FENCE_INDENT = 3  # blanks that may stand before a fence; CommonMark §4.5
FENCE_CHARS = 3  # of which a fence has at least so many

_SPACES = re.compile(r"[ \t\r\n]*")
_BLANKS = re.compile(r"[ \t\r]*")
_TICKS = {"`": re.compile(r"`*"), "~": re.compile(r"~*")}
_INFO = re.compile(r"[^`\n]*")
_NEITHER = {"`": re.compile(r"[^`\n]*"), "~": re.compile(r"[^~\n]*")}


class CodeReader(Teller, ABC):
    """Reads from a backtick or tilde on.  What a call is, a dialect's `candidate` knows."""

    fence_infos: ClassVar[tuple[str, ...] | None] = ("",)  # what may stand behind a fence around calls; None: anything
    default_fences: ClassVar[Literal["whole", "text", "calls"]] = "whole"

    def __init__(self, options: DialectOptions) -> None:
        super().__init__(options)
        self.reader = Reader(options.max_call_bytes)
        self.fenced = False  # a fence is open that may hold calls

    # --- what dialects give

    @abstractmethod
    def candidate(self) -> Steps[None]:
        """Read what may be a call, or several; raises `Mismatch`."""

    def abandoned(self) -> None:
        """What is being read is no call."""

    def joined(self) -> Steps[None]:
        """A call has been read; what follows may belong to it."""
        yield from ()

    def joined_in_fence(self) -> Steps[None]:
        """A call has been read inside a fence; what follows may belong to it."""
        yield from ()

    # --- reading

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
