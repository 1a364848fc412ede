"""Calls as JSON objects with a name and arguments, read string-aware: what several dialects put between markers."""

from proxy.dialects.json_pieces import (
    after_space,
    arguments_of,
    nothing,
    read_arguments,
    read_key,
    read_string,
    read_value,
)
from proxy.dialects.port import DialectOptions, Toolset
from proxy.dialects.reader import Mismatch, Steps
from proxy.dialects.scanner import Scanner
from proxy.dialects.schema import ToolSchema, load

ARGUMENTS = ("arguments", "parameters")

SEVERAL = "Several calls may follow one another; then stop, and wait for their results."
ONE = "Write one call only; then stop, and wait for its result."


class JsonCallScanner(Scanner):
    """What dialects have in common whose calls hold JSON.

    *name_keys*: what an object may have its tool's name under.  *needs_arguments*: one without arguments is data.
    """

    name_keys: tuple[str, ...] = ("name",)
    needs_arguments = False

    def __init__(self, toolset: Toolset, options: DialectOptions) -> None:
        super().__init__(toolset, options)
        self.schemas = {tool.name: ToolSchema(tool.parameters) for tool in toolset.tools}
        self._list_ended = False

    def arguments(self, name: str) -> Steps[None]:
        """Read a call's arguments, whose `{` is next, and tell the call, all but its end, as it comes.

        If they break, the call stays open, and the rest is text; while nothing has left, it is a `Mismatch`.
        """
        self.begin_call(name)
        yield from read_arguments(self.reader, self.fragment, self.schemas[name])

    def object_call(self) -> Steps[None]:
        """Read an object with a name and arguments, in any order, and tell the call."""
        yield from self.reader.expect("{")
        yield from self.object_members()

    def object_members(self) -> Steps[None]:
        """Read such an object from behind its `{`."""
        reader = self.reader
        name, kept, told = "", None, False
        char = yield from after_space(reader)
        while char != "}":
            key = yield from read_key(reader, nothing)
            char = yield from after_space(reader)
            if key in self.name_keys and not name:
                name = yield from self._declared_name(char)
            elif key not in ARGUMENTS or told or kept is not None:
                yield from read_value(reader, nothing)
            elif name and char == "{":
                told = True
                yield from self.arguments(name)
            else:
                kept = yield from self._kept_arguments(char)
            char = yield from after_space(reader)
            if char == ",":
                reader.at += 1
                if (yield from after_space(reader)) != '"':
                    raise Mismatch
            elif char != "}":
                raise Mismatch
        if told:
            reader.at += 1
            self.fragment("}")
            reader.unbind()
            return
        arguments = arguments_of(kept, self.schemas[name]) if name and kept else "{}"
        if not name or arguments is None or (kept is None and self.needs_arguments):
            raise Mismatch
        reader.at += 1
        self.call(name, arguments)

    def whole_or_open(self, call: Steps[None]) -> Steps[bool]:
        """Read a *call*; true if it is whole.  One that breaks after it was told in part stays open."""
        calls = self.calls
        try:
            yield from call
        except Mismatch:
            if self.calls == calls or self.fenced:
                raise
            self.half = True
            self.reader.unbind()
            return False
        return True

    def named_call(self, name: str) -> Steps[bool]:
        """Read the arguments of a call whose *name* was read, and tell it; true if it is whole."""
        if (yield from after_space(self.reader)) != "{":
            raise Mismatch
        if not (yield from self.whole_or_open(self.arguments(name))):
            return False
        self.fragment("}")
        self.reader.unbind()
        return True

    def object_calls(self) -> Steps[bool]:
        """Read an object, or a list of objects; true if all is whole.

        What in a list is no call is text, from there on.
        """
        reader = self.reader
        if (yield from reader.peek()) == "{":
            whole = yield from self.whole_or_open(self.object_call())
            return whole
        reader.at += 1
        if (yield from after_space(reader)) != "{":
            raise Mismatch
        whole = yield from self.whole_or_open(self.object_call())
        while whole:
            whole = yield from self.going_on(self._next_item())
            if whole and self._list_ended:
                return True
        return False

    def going_on(self, steps: Steps[bool]) -> Steps[bool]:
        """Read on after a call that was told.  What *steps* read until they mismatch is text; then it is false."""
        if self.fenced:
            went_on = yield from steps
            return went_on
        self.reader.hold()
        try:
            went_on = yield from steps
        except Mismatch:
            self.say(self.reader.release())
            return False
        self.reader.release()
        return went_on

    def next_object(self, separator: str) -> Steps[bool]:
        """Read a *separator*, and the object behind it; true if that is a whole call."""
        reader = self.reader
        yield from after_space(reader)
        yield from reader.expect(separator)
        if (yield from after_space(reader)) != "{":
            raise Mismatch
        whole = yield from self.whole_or_open(self.object_call())
        return whole

    def _next_item(self) -> Steps[bool]:
        """Read the next item of a list, or its end."""
        self._list_ended = (yield from after_space(self.reader)) == "]"
        if self._list_ended:
            self.reader.at += 1
            return True
        whole = yield from self.next_object(",")
        return whole

    def _declared_name(self, char: str) -> Steps[str]:
        if char != '"':
            raise Mismatch
        parts: list[str] = []
        yield from read_string(self.reader, parts.append)
        name: str = load("".join(parts))
        if name not in self.schemas:
            raise Mismatch
        return name

    def _kept_arguments(self, char: str) -> Steps[str]:
        """Read arguments that can't be told yet: a string that holds an object, or an object before the name."""
        parts: list[str] = []
        yield from read_value(self.reader, parts.append)
        raw = "".join(parts)
        if char == '"':
            text: str = load(raw)
            return text
        return "" if raw == "null" else raw
