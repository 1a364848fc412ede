"""Values on their way out: strings leave as they come, others when they are complete."""

import re
from collections.abc import Callable
from html import unescape
from typing import Protocol

from proxy.dialects.schema import Shape, dump

_ENTITY = re.compile(r"&(?:lt|gt|amp|quot|apos|#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6});")
_OPEN_ENTITY = re.compile(r"&[#a-zA-Z0-9]{0,8}\Z")
NULL = "null"


def decoded(text: str) -> str:
    """*text* with the five named and the numeric entities decoded, once."""
    return _ENTITY.sub(lambda entity: unescape(entity[0]), text)


class Value(Protocol):
    """Takes the text of one value.  *literal*: it stands in a CDATA section, so nothing in it means anything."""

    literal: bool

    def put(self, text: str) -> None:
        """More of it, as it stands."""

    def end(self, text: str) -> None:
        """The last of it."""

    def leave_open(self, text: str) -> None:
        """The answer has ended in it."""


class StringValue:
    """A string, told piece by piece; *head* is told before it."""

    __slots__ = ("_entities", "_head", "_kept", "_nullable", "_tell", "literal")

    def __init__(self, tell: Callable[[str], None], head: str, *, nullable: bool, entities: bool) -> None:
        self._tell = tell
        self._head = head
        self._kept = ""  # what may still become `null` or an entity
        self._nullable = nullable
        self.literal = False
        self._entities = entities

    def put(self, text: str) -> None:
        """Tell it, but for what must wait."""
        if self.literal:
            self._tell_text(text)
            return
        if self._kept:
            text = self._kept + text
            self._kept = ""
        if self._nullable:
            if NULL.startswith(text):
                self._kept = text
                return
            self._nullable = False
        if self._entities:
            found = _OPEN_ENTITY.search(text)
            if found:
                self._kept = found[0]
                text = text[: found.start()]
            text = decoded(text)
        self._tell_text(text)

    def end(self, text: str) -> None:
        """Tell the rest, and the closing quote."""
        text = self._kept + text
        if self._nullable and text == NULL and not self.literal:
            self._tell(self._head + NULL)
            return
        self._tell_text(decoded(text) if self._entities and not self.literal else text)
        self._tell('"')

    def leave_open(self, text: str) -> None:
        """Tell the rest."""
        self._tell_text(self._kept + text)

    def _tell_text(self, text: str) -> None:
        quoted = dump(text)
        if self._head:
            self._tell(self._head)
            self._head = ""
        else:
            quoted = quoted[1:]
        self._tell(quoted[:-1])


class WholeValue:
    """A value that is told when it is complete, since only then its type is known; *text* is all of it."""

    __slots__ = ("_entities", "_head", "_parts", "_tell", "literal", "text")

    def __init__(self, tell: Callable[[str], None], head: str, *, entities: bool) -> None:
        self._tell = tell
        self._head = head
        self._entities = entities
        self._parts: list[str] = []
        self.text = ""
        self.literal = False

    def put(self, text: str) -> None:
        """Keep it."""
        self._parts.append(text)

    def end(self, text: str) -> None:
        """Now it is whole."""
        text = "".join((*self._parts, text))
        self.text = decoded(text) if self._entities and not self.literal else text

    def leave_open(self, text: str) -> None:
        """Tell it as a string without an end: whatever it was to become, it is no JSON."""
        self._tell(self._head + dump("".join((*self._parts, text)))[:-1])


def streams(shape: Shape | None) -> bool:
    """Whether a value is a string whatever it holds, or null; *shape* None: an undeclared parameter's."""
    return shape is None or (shape.enum is None and "string" in shape.types)
