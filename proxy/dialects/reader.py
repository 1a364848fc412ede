"""Reader: the text of one answer, read as if it were all there; whoever needs more of it waits.

What reads is written as generators: `yield from reader.peek()` gives the next character, whenever it comes.  A decision
is thus made from characters alone, never from where the upstream has cut its text, and parse(any split) = parse(whole).
Whoever looks at `text[at:]` without waiting must be right whatever follows.
"""

import re
from collections import deque
from collections.abc import Generator, Iterable
from typing import TypeAlias, TypeVar

T = TypeVar("T")

Steps: TypeAlias = Generator[None, None, T]
"""A reading under way; it yields when it has read all that there is."""

SLICE_CHARS = 65_536  # read at a time: what a regular expression may run over at most

SPACE = " \t\r\n"
_SPACES = re.compile(r"[ \t\r\n]*")


class Mismatch(Exception):
    """What is being read can't become a call any more.

    All of it is text then, but for the last *unread* characters, where the search goes on.
    """

    def __init__(self, unread: int = 0) -> None:
        super().__init__(unread)
        self.unread = unread


class TooLong(Mismatch):
    """What is held has come to its limit."""


class Oversize(Exception):
    """A call that has been told in part has come to its limit."""


class Reader:
    """What has come, from *at* on; *ended*: nothing follows; *settled*: and the model has said all that it wanted to.

    Between `hold` and `release` whatever is read is kept, up to *limit_chars*; more than that is a `TooLong`.
    """

    __slots__ = (
        "_held",
        "_held_chars",
        "_left_chars",
        "_limit_chars",
        "_mark",
        "_queue",
        "_slice_chars",
        "at",
        "ended",
        "settled",
        "text",
    )

    def __init__(self, limit_chars: int) -> None:
        self.text = ""
        self.at = 0
        self.ended = False
        self.settled = False
        self._queue: deque[str] = deque()
        self._limit_chars = limit_chars
        self._slice_chars = min(SLICE_CHARS, limit_chars)  # a candidate that begins in a slice has room for the rest
        self._held: list[str] = []
        self._held_chars = 0
        self._mark = -1  # where in `text` begins what is held; -1: nothing is
        self._left_chars = -1  # that may still be taken from the queue; -1: any number

    def feed(self, piece: str) -> None:
        """Take the next piece."""
        self._queue.append(piece)

    def back(self, text: str) -> None:
        """Have *text*, which was read last, read again next."""
        if self.holding and text:
            self._held = [self.held()[: -len(text)]]
            self._held_chars = len(self._held[0])
            self._mark = 0
        rest = self.text[self.at :]
        if rest:
            self._queue.appendleft(rest)
        self._queue.appendleft(text)
        self.text, self.at = "", 0

    def extend(self) -> Steps[bool]:
        """Wait for more behind what there is, little as it must be; false at the end of the answer."""
        while not self._queue:
            if self.ended:
                return False
            yield
        self._next()
        return True

    # --- holding

    @property
    def holding(self) -> bool:
        """Whether what is read is kept."""
        return self._mark >= 0

    @property
    def read(self) -> int:
        """How many characters are held."""
        return self._held_chars + self.at - self._mark

    def hold(self) -> None:
        """Keep what is read from here on."""
        self._held.clear()
        self._held_chars = 0
        self._mark = self.at

    def held(self) -> str:
        """What was read since `hold`."""
        return "".join((*self._held, self.text[self._mark : self.at]))

    def release(self) -> str:
        """What was read since `hold`; it is kept no longer."""
        held = self.held()
        self._held.clear()
        self._mark = -1
        return held

    def remains(self) -> str:
        """What is held, and what was not read yet."""
        held = self.held() if self.holding else ""
        return "".join((held, self.text[self.at :], *self._queue))

    def let_go(self) -> None:
        """Keep what is read no longer; as much as might still have been kept may be read, then comes an `Oversize`."""
        self._left_chars = self._limit_chars - self._held_chars - (len(self.text) - self._mark)
        self._held.clear()
        self._mark = -1

    def unbind(self) -> None:
        """Read any number of characters again."""
        self._left_chars = -1

    # --- reading

    def more(self) -> Steps[bool]:
        """Wait until there is something to read; false at the end of the answer."""
        while self.at == len(self.text):
            if self._queue:
                self._next()
            elif self.ended:
                return False
            else:
                yield
        return True

    def peek(self) -> Steps[str]:
        """The next character, which stays unread; "" at the end of the answer."""
        if self.at < len(self.text) or (yield from self.more()):
            return self.text[self.at]
        return ""

    def skip(self, run: re.Pattern[str] = _SPACES) -> Steps[None]:
        """Read as many characters as *run* takes: one class of characters with a star."""
        while True:
            found = run.match(self.text, self.at)
            assert found is not None  # a star matches the empty text  # noqa: S101 - narrows the type
            self.at = found.end()
            if self.at < len(self.text) or not (yield from self.more()):
                return

    def run(self, run: re.Pattern[str], most: int = 2**62) -> Steps[str]:
        """Read as many characters as *run* takes, and give them; more than *most* are a `Mismatch`."""
        pieces: list[str] = []
        size = 0
        while True:
            found = run.match(self.text, self.at)
            assert found is not None  # a star matches the empty text  # noqa: S101 - narrows the type
            end = found.end()
            size += end - self.at
            if size > most:
                self.at = end - (size - most)
                raise Mismatch
            self.at = end
            if end < len(self.text) and not pieces:
                return found[0]
            pieces.append(found[0])
            if end < len(self.text) or not (yield from self.more()):
                return "".join(pieces)

    def literal(self, word: str) -> Steps[bool]:
        """Read *word*; where the text is another it stands at the first character that differs."""
        if self.text.startswith(word, self.at):
            self.at += len(word)
            return True
        for char in word:
            if (yield from self.peek()) != char:
                return False
            self.at += 1
        return True

    def ahead(self, *words: str) -> Steps[str]:
        """The first of *words* that the text goes on with, which stays unread; "" for none."""
        while True:
            here = self.text[self.at : self.at + max(map(len, words))]
            left = [word for word in words if here.startswith(word) or word.startswith(here)]
            if not left or here.startswith(left[0]):
                return left[0] if left else ""
            if not (yield from self.extend()):
                return next((word for word in left if here.startswith(word)), "")

    def expect(self, word: str) -> Steps[None]:
        """Read *word*; anything else is a mismatch."""
        if not (yield from self.literal(word)):
            raise Mismatch

    def word(self, words: Iterable[str]) -> Steps[str]:
        """Read as long as what was read is the beginning of one of *words*, and give it."""
        left, read = tuple(words), ""
        whole = max((word for word in left if self.text.startswith(word, self.at)), key=len, default="")
        beyond = self.text[self.at : self.at + len(whole) + 1]
        if whole and len(beyond) > len(whole) and not any(word.startswith(beyond) for word in left):
            self.at += len(whole)
            return whole
        while True:
            char = yield from self.peek()
            fitting = tuple(word for word in left if word[len(read) : len(read) + 1] == char) if char else ()
            if not fitting:
                return read
            left, read = fitting, read + char
            self.at += 1

    def until(self, marker: str) -> Steps[str | None]:
        """Read up to *marker* and over it, and give what is before it; None if the answer ends first."""
        pieces: list[str] = []
        tail = ""  # of what was read: what the marker may begin with
        while True:
            seam = tail + self.text[self.at : self.at + len(marker) - 1]
            cut = seam.find(marker) if tail else -1
            end = cut - len(tail) + len(marker) + self.at if cut >= 0 else self.text.find(marker, self.at) + len(marker)
            if cut >= 0 or end >= self.at + len(marker):
                pieces.append(self.text[self.at : end])
                self.at = end
                return "".join(pieces)[: -len(marker)]
            rest = self.text[self.at :]
            pieces.append(rest)
            tail = (tail + rest)[1 - len(marker) :] if len(marker) > 1 else ""
            self.at = len(self.text)
            if not (yield from self.more()):
                return None

    def _next(self) -> None:
        """Put the next slice behind what is unread."""
        rest = self.text[self.at :]
        room = self._slice_chars
        if self.holding:
            self._held.append(self.text[self._mark : self.at])
            self._held_chars += self.at - self._mark
            self._mark = 0
            room = min(room, self._limit_chars - self._held_chars - len(rest))
            if room <= 0:
                self.text, self.at = rest, 0
                raise TooLong
        elif self._left_chars >= 0:
            room = min(room, self._left_chars)
            if not room:
                raise Oversize
        piece = self._queue.popleft()
        if len(piece) > room:
            later = (piece[start : start + self._slice_chars] for start in range(room, len(piece), self._slice_chars))
            self._queue.extendleft(reversed(list(later)))
            piece = piece[:room]
        if self._left_chars > 0:
            self._left_chars -= len(piece)
        self.text, self.at = rest + piece, 0
