"""Tool calls as upstreams stream them: fragments, with indexes and ids of any quality, become calls counted from 0."""

import re
from collections.abc import Callable
from typing import Any, Literal

import orjson

from proxy.errors import UpstreamProtocolError
from proxy.wire.events import Extras, StreamEvent, ToolCallDelta
from proxy.wire.upstream.extras import CALL_KEYS, unknown_keys
from proxy.wire.upstream.json_text import JsonPrefix
from proxy.wire.upstream.text import Snapshot

MAX_CALLS = 128  # official clients refuse a call index above 127
MAX_HELD_BYTES = 1_048_576  # of arguments whose function has no name yet
MAX_NAME_CHARS = 1024  # far above any tool's name

_USABLE_ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


class CallIds:
    """The call ids of one answer: an upstream's own where it is usable and new, one of *make* where not."""

    __slots__ = ("_make", "_used")

    def __init__(self, make: Callable[[], str]) -> None:
        self._make = make
        self._used: set[str] = set()

    def settle(self, theirs: str | None) -> str:
        """Give the id to tell for a call to which the upstream gave *theirs*."""
        usable = theirs is not None and theirs not in self._used and _USABLE_ID.fullmatch(theirs)
        chosen = theirs if theirs is not None and usable else self._make()
        self._used.add(chosen)
        return chosen


class _Call:
    """One call; *number* is its index among those told, None until its name is known."""

    __slots__ = ("arguments", "extras", "held", "held_bytes", "id", "name", "number", "snapshot")

    def __init__(self, theirs: str | None) -> None:
        self.number: int | None = None
        self.id = theirs
        self.name = ""
        self.arguments = JsonPrefix()
        self.snapshot = Snapshot()
        self.held = ""
        self.held_bytes = 0
        self.extras: dict[str, Any] | None = None


class CallAssembler:
    """The calls of one choice."""

    __slots__ = ("_by_id", "_by_index", "_calls", "_choice", "_ids", "_snapshots", "_told")

    def __init__(self, choice: int, ids: CallIds, arguments: Literal["delta", "snapshot"]) -> None:
        self._choice = choice
        self._ids = ids
        self._snapshots = arguments == "snapshot"
        self._calls: list[_Call] = []
        self._by_index: dict[int, _Call] = {}
        self._by_id: dict[str, _Call] = {}
        self._told = 0

    @property
    def last_is_cut(self) -> bool:
        """Whether the last call's arguments are the beginning of a JSON text."""
        return bool(self._calls) and self._calls[-1].arguments.cut

    @property
    def nameless(self) -> int:
        """How many calls have no name yet."""
        return len(self._calls) - self._told

    def take(self, fragments: Any, events: list[StreamEvent]) -> None:
        """Take what a delta has as `tool_calls`: a list of fragments.  Raises UpstreamProtocolError."""
        if type(fragments) is not list:
            raise UpstreamProtocolError(detail="tool_calls is no array")
        for fragment in fragments:
            if type(fragment) is not dict:
                raise UpstreamProtocolError(detail="a tool call is no object")
            self._take_fragment(fragment, events)

    def _take_fragment(self, fragment: dict[str, Any], events: list[StreamEvent]) -> None:
        kind, body, arguments = _content_of(fragment)
        name = _name_of(body)
        call = self._call_of(fragment, name)
        if self._snapshots:
            arguments = call.snapshot.extension(arguments) if arguments else ""
        if kind == "function":
            call.arguments.push(arguments)
        extras = unknown_keys(fragment, CALL_KEYS)
        if call.number is not None:
            if arguments or extras is not None:
                told_extras = Extras(call=extras) if extras is not None else None
                events.append(ToolCallDelta(call.number, None, None, arguments, self._choice, told_extras, kind))
            return
        call.held += arguments
        call.extras = extras or call.extras
        if name:
            self._start(call, name, kind, events)
        else:
            call.held_bytes += len(arguments.encode())
            if call.held_bytes > MAX_HELD_BYTES:
                raise UpstreamProtocolError(detail="too many arguments came for a tool call without a name")

    def _start(self, call: _Call, name: str, kind: Literal["function", "custom"], events: list[StreamEvent]) -> None:
        call.name = name
        call.number = self._told
        self._told += 1
        extras = Extras(call=call.extras) if call.extras is not None else None
        settled = self._ids.settle(call.id)
        events.append(ToolCallDelta(call.number, settled, name, call.held, self._choice, extras, kind))
        call.held, call.extras = "", None

    def _call_of(self, fragment: dict[str, Any], name: str) -> _Call:
        """Find the call that a fragment belongs to, or begin one.

        The index decides, and a new id at an old index is a new call.  Without an index the id decides, and without
        either it is the last call; unless the fragment names a function where that call has one: then it is a new call.
        """
        theirs = fragment.get("id")
        theirs = theirs if type(theirs) is str and theirs else None
        index = fragment.get("index")
        if index is None:
            call = self._of_id(theirs, name) if theirs is not None else self._last_open(name)
        elif type(index) is not int or index < 0:
            raise UpstreamProtocolError(detail="a tool call's index is no index")
        else:
            call = self._by_index.get(index)
            if call is not None and theirs is not None and call.id not in (None, theirs):
                call = self._by_id.get(theirs)
        if call is None:
            call = self._begin(theirs)
        elif call.id is None and theirs is not None:
            call.id = theirs  # late: a call that was told keeps the id it was told with, but is found by this one
            self._by_id.setdefault(theirs, call)
        if index is not None:
            self._by_index[index] = call
        return call

    def _begin(self, theirs: str | None) -> _Call:
        if len(self._calls) == MAX_CALLS:
            raise UpstreamProtocolError(detail=f"more than {MAX_CALLS} tool calls")
        call = _Call(theirs)
        self._calls.append(call)
        if theirs is not None:
            self._by_id.setdefault(theirs, call)
        return call

    def _of_id(self, theirs: str, name: str) -> _Call | None:
        known = self._by_id.get(theirs)
        if known is None and not name and self._calls and self._calls[-1].id is None:
            return self._calls[-1]
        return known

    def _last_open(self, name: str) -> _Call | None:
        last = self._calls[-1] if self._calls else None
        if last is not None and name and last.name and (name != last.name or last.arguments.whole):
            return None
        return last


def _content_of(fragment: dict[str, Any]) -> tuple[Literal["function", "custom"], dict[str, Any], str]:
    """Give the kind of a call, its object, and the next piece of its arguments (for a custom tool, of its input)."""
    custom = fragment.get("custom")
    if type(custom) is dict:
        given = custom.get("input")
        if given is not None and type(given) is not str:
            raise UpstreamProtocolError(detail="a custom tool call's input is no string")
        return "custom", custom, given or ""
    function = fragment.get("function")
    if function is None:
        return "function", {}, ""
    if type(function) is not dict:
        raise UpstreamProtocolError(detail="a tool call's function is no object")
    return "function", function, _arguments_of(function)


def _arguments_of(function: dict[str, Any]) -> str:
    given = function.get("arguments")
    if type(given) is str:
        return given
    if given is None:
        return ""
    if type(given) in (dict, list):
        return orjson.dumps(given).decode()
    raise UpstreamProtocolError(detail="a tool call's arguments are neither a string nor an object")


def _name_of(body: dict[str, Any]) -> str:
    name = body.get("name")
    if name is None:
        return ""
    if type(name) is not str or len(name) > MAX_NAME_CHARS:
        raise UpstreamProtocolError(detail="a tool call's name is no name")
    return name
