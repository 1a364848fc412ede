"""Where a value ends, once a tag has come that may have ended it.

Files contain tags, and a wrongly cut file is worse than a late or a lost call: a closing tag ends a value only if what
follows says so.  Everything from the first such tag on is kept until that is known; meanwhile nothing is told.
"""

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from proxy.dialects.reader import SPACE, Reader, Steps
from proxy.dialects.schema import ToolSchema
from proxy.dialects.tagged.grammar import CDATA_END, LINE_END, Grammar, Tags
from proxy.dialects.tagged.values import streams

_NO_TAG = re.compile(r"[^<]*")
_TAG_BODY = re.compile(r"[^<>\r\n\]]*")


class End(NamedTuple):
    """How a value has ended: with *text*, the last of it.

    Either the parameter *following* begins, or the call has ended: behind *elements*, further parameters as they stand,
    and before *rest*, which belongs to it no longer.
    """

    text: str
    following: str | None = None
    elements: tuple[tuple[str, str], ...] = ()
    rest: str = ""


@dataclass(slots=True)
class Chain:
    """Complete elements that follow a closing tag: if the call's end follows them, they are parameters, too.

    *end* is where the value ended, should it be so; *start* is where the element begins that is open now.
    """

    end: int
    name: str
    start: int
    done: list[tuple[str, int, int]] = field(default_factory=list)
    names: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Lookout:
    """Reads on from a tag that may have ended the value of *parameter*.

    *given*: the parameters that the call has already, this one included.  *depth*: how many calls that were opened
    inside the value still need their end.  *literal*: the value is a CDATA section, and its end stands here.
    """

    grammar: Grammar
    schema: ToolSchema
    tags: Tags
    parameter: str
    given: set[str]
    depth: int = 0
    literal: bool = False
    raw: list[str] = field(default_factory=list)  # what was read, `size` characters
    size: int = 0
    section_at: int = -1  # where the end of a CDATA section stands that comes before what is read next; -1: none does
    _line_at: int = -1  # the same of a line end
    _closed: str | None = None  # what the tag before has closed, if nothing but white space has come since
    _closed_at: int = 0
    _value_at: int = -1  # where the value ends, if that was its closing tag; -1: it was not
    _call_at: int = -1  # where that tag stood, if it was the call's
    _chains: dict[str, Chain] = field(default_factory=dict)
    _balanced: tuple[int, int] | None = None  # the first end of value and call after which all inner calls have theirs
    _last: tuple[int, int] | None = None  # the last end of value and call
    _trailing: tuple[int, int] | None = None  # the last end of the call, if only white space follows

    def look(self, reader: Reader) -> Steps[End | None]:
        """Read to the end of the value; None if the answer ends first."""
        while True:
            yield from self._between(reader)
            if reader.at == len(reader.text):
                return None
            tag = yield from self._tag(reader)
            if tag is not None and (end := self._seen(tag)) is not None:
                return end

    def put(self, text: str) -> None:
        """Keep *text*."""
        self.raw.append(text)
        self.size += len(text)

    def text(self, start: int = 0, end: int | None = None) -> str:
        """What was read, or a part of it."""
        if len(self.raw) > 1:
            self.raw = ["".join(self.raw)]
        return self.raw[0][start:end] if self.raw else ""

    def settle(self) -> End | None:
        """Where the value ends if the answer ends here, as the model meant it to; None: nowhere."""
        found = self._balanced or self._last or self._trailing
        return End(self.text(0, found[0]), rest=self.text(found[1])) if found else None

    # --- reading

    def _between(self, reader: Reader) -> Steps[None]:
        """Read what stands before the next tag."""
        text = yield from reader.run(_NO_TAG)
        if not text:
            return
        body = text.rstrip(SPACE)
        if body:
            self._forget()
            self._trailing = None
            self.section_at = self.size + len(body) - len(CDATA_END) if body.endswith(CDATA_END) else -1
        found = LINE_END.search(text)
        if found:
            self._line_at = self.size + found.start()
        elif body:
            self._line_at = -1
        self.put(text)

    def _tag(self, reader: Reader) -> Steps[str | None]:
        """Read a tag, or a character that begins none."""
        reader.at += 1
        body = yield from reader.run(_TAG_BODY)
        if (yield from reader.peek()) == ">":
            reader.at += 1
            tag = yield from self.grammar.read_on(reader, f"<{body}>")
            return tag
        self.put(f"<{body}")
        self._forget()
        self._trailing = None
        return None

    def _forget(self) -> None:
        self._closed = None
        self._value_at = self._call_at = self._line_at = self.section_at = -1

    # --- what a tag means

    def _seen(self, tag: str) -> End | None:
        start = self.size
        self.put(tag)
        end = None if self.depth else self._ended(tag)
        if end is None:
            self._remember(tag, start)
        return end

    def _ended(self, tag: str) -> End | None:
        """The rules by which *tag* says where the value ended."""
        chain = self._chains.get(self._closed) if self._closed is not None else None
        if chain is not None and tag == self.tags.call:
            elements = (*chain.done, (chain.name, chain.start, self._closed_at))
            text = self.text()
            return self._end(chain.end, elements=tuple((name, text[start:end]) for name, start, end in elements))
        if chain is not None and self._chained(tag, chain):
            return None
        if self._value_at >= 0:
            return self._after_value(tag)
        if self._call_at >= 0 and tag == self.grammar.wrapper_end:
            return self._end(self._call_at)
        if self._line_at >= 0 and not self.literal:
            name = self.next_on_line(tag)
            if name is not None:
                return self._end(self._line_at, name)
        return None

    def next_on_line(self, tag: str) -> str | None:
        """The parameter that *tag* opens on a new line, though the value's closing tag is missing."""
        name = self.grammar.opened(tag) if self.grammar.forgetful and not self.depth else None
        return name if name is not None and self._may_follow(name) else None

    def _after_value(self, tag: str) -> End | None:
        """What follows the value's closing tag: its call's, the next parameter, or perhaps the first of a chain."""
        end = self.plain_end(tag)
        if end is not None:
            return end._replace(text=self.text(0, self._value_at))
        name = self.grammar.opened(tag)
        if name is None:
            return None
        if name not in self.given and not self.grammar.opens_call(tag):
            chain = Chain(self._value_at, name, self.size, names={name})
            self._chains.setdefault(self.grammar.closer(name), chain)
        return None

    def plain_end(self, tag: str) -> End | None:
        """How the value ends if *tag* follows its closing tag, by the rules that need no more than that."""
        if tag == self.tags.call:
            return End("")
        name = self.grammar.opened(tag)
        if name is None:
            return None
        follows = self._may_follow(name) or (name == self.parameter and may_repeat(self.schema, name))
        return End("", name) if follows else None

    def _chained(self, tag: str, chain: Chain) -> bool:
        """Whether *tag* opens the next element of *chain*."""
        name = self.grammar.opened(tag)
        if name is None or name in self.given or name in chain.names or self.grammar.opens_call(tag):
            return False
        del self._chains[self.grammar.closer(chain.name)]
        chain.done.append((chain.name, chain.start, self._closed_at))
        chain.name, chain.start = name, self.size
        chain.names.add(name)
        self._chains.setdefault(self.grammar.closer(name), chain)
        return True

    def _may_follow(self, name: str) -> bool:
        return name not in self.given and self.schema.shape(name) is not None

    def _end(self, at: int, following: str | None = None, elements: tuple[tuple[str, str], ...] = ()) -> End:
        return End(self.text(0, at), following, elements)

    def _remember(self, tag: str, start: int) -> None:
        """Keep what the next tag must know of this one, and count the calls inside the value."""
        value_at, section_at, trailing = self._value_at, self.section_at, self._trailing
        self._forget()
        self._trailing = trailing if tag == self.grammar.wrapper_end else None
        if not self.literal:
            self._count(tag, start, value_at)
        self._closed, self._closed_at = self.grammar.closed(tag), start
        if tag == self.tags.value and (section_at >= 0 or not self.literal):
            self._value_at = section_at if self.literal else start

    def _count(self, tag: str, start: int, value_at: int) -> None:
        if tag == self.tags.call:
            self._trailing = (start, self.size)
            if not self.depth:
                self._call_at = start
                return
            self.depth -= 1
            if value_at >= 0:
                self._last = (value_at, self.size)
                if not self.depth:
                    self._balanced = self._balanced or self._last
        elif self.grammar.opens_call(tag):
            self.depth += 1


def may_repeat(schema: ToolSchema, name: str) -> bool:
    """Whether a parameter may be written several times, once for each item."""
    shape = schema.shape(name)
    return shape is not None and "array" in shape.types and not streams(shape)
