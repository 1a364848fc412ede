"""Tool calls of an assistant message, and the results that must follow it: each call is answered once, in any order."""

from collections.abc import Iterator
from typing import Any

from proxy.wire.request.body import JsonObject, encode_json
from proxy.wire.request.rules import ModelRules
from proxy.wire.request.say import missing, rejected, wrong_type, wrong_value
from proxy.wire.request.values import json_object, object_in, string_in

_MAX_ID_CHARS = 256
_AN_ID = f"a string of 1 to {_MAX_ID_CHARS} characters"


class OpenCalls:
    """The calls of the assistant message before.

    *paths* and *names* are by id, in the order of the calls; a call whose name does not matter has None.  A call in
    *answered* is no longer open.
    """

    __slots__ = ("_order", "answered", "names", "paths")

    def __init__(self) -> None:
        self.paths: dict[str, str] = {}
        self.names: dict[str, str | None] = {}
        self.answered: set[str] = set()
        self._order: Iterator[str] | None = None

    def add(self, call_id: str, path: str, name: str | None) -> None:
        """One more call; *path* is told if it is never answered."""
        self.paths[call_id] = path
        self.names[call_id] = name

    def close(self) -> None:
        """Anything but a result comes next: raise `missing_tool_result` if a call is still open."""
        for call_id, path in self.paths.items():
            if call_id not in self.answered:
                raise rejected(path, "an answer by a tool message right after", "none", "missing_tool_result")

    def answer(self, path: str, call_id: str, name: Any) -> None:
        """A tool message at *path* answers the call *call_id*; *name* is the tool's, if the message gives it."""
        self._check_place(path)
        where = f"{path}.tool_call_id"
        if call_id not in self.paths:
            raise rejected(where, "an id of the assistant message before", "another", "tool_call_id_mismatch")
        if call_id in self.answered:
            raise rejected(where, "a call that has no answer yet", "an answered one", "duplicate_tool_call_id")
        self._settle(path, call_id, name)

    def answer_in_order(self, path: str, name: Any) -> str:
        """A legacy function message at *path*, which knows no ids, answers the first open call; return its id."""
        self._check_place(path)
        if self._order is None:
            self._order = iter(self.paths)
        call_id = next((each for each in self._order if each not in self.answered), None)
        if call_id is None:
            raise rejected(f"{path}.name", "a call that has no answer yet", "an answered one", "duplicate_tool_call_id")
        self._settle(path, call_id, name)
        return call_id

    def _check_place(self, path: str) -> None:
        if not self.paths:
            what = "an assistant message with tool calls before"
            raise rejected(f"{path}.role", what, "another message", "missing_assistant_tool_calls")

    def _settle(self, path: str, call_id: str, name: Any) -> None:
        if name is not None:
            if type(name) is not str:
                raise wrong_type(f"{path}.name", "a string", name)
            if self.names[call_id] not in (None, name):
                raise rejected(f"{path}.name", "the name of the tool that was called", "another", "tool_name_mismatch")
        self.answered.add(call_id)


def check_calls(path: str, calls: Any, rules: ModelRules, opened: OpenCalls) -> list[JsonObject]:
    """Check the array of calls at *path*, add them to *opened*, and return them with types, and arguments as text."""
    if type(calls) is not list:
        raise wrong_type(path, "an array", calls)
    return [_check_call(f"{path}[{index}]", call, rules, opened) for index, call in enumerate(calls)]


def call_of_function(path: str, function: Any, call_id: str, opened: OpenCalls) -> JsonObject:
    """Make the legacy `function_call` at *path* a call with the id *call_id*, and add it to *opened*."""
    function = _check_function(path, json_object(path, function))
    opened.add(call_id, path, function["name"])
    return {"id": call_id, "type": "function", "function": function}


def _check_call(path: str, call: Any, rules: ModelRules, opened: OpenCalls) -> JsonObject:
    if type(call) is not dict:
        raise wrong_type(path, "an object", call)
    kind = call.get("type")
    if kind == "custom" and rules.openai:
        opened.add(_check_id(f"{path}.id", call.get("id"), opened), f"{path}.id", None)
        return call
    if kind is not None and type(kind) is not str:
        raise wrong_type(f"{path}.type", "'function'", kind)
    if kind not in (None, "function"):
        raise wrong_value(f"{path}.type", "'function'", kind)
    call_id = _check_id(f"{path}.id", call.get("id"), opened)
    asked = object_in(path, call, "function")
    function = _check_function(f"{path}.function", asked)
    opened.add(call_id, f"{path}.id", function["name"])
    return call if kind and function is asked else {**call, "type": "function", "function": function}


def _check_id(path: str, call_id: Any, opened: OpenCalls) -> str:
    if call_id is None or call_id == "":
        raise missing(path, _AN_ID)
    if type(call_id) is not str:
        raise wrong_type(path, _AN_ID, call_id)
    if len(call_id) > _MAX_ID_CHARS:
        raise rejected(path, _AN_ID, f"one of {len(call_id)}", "string_above_max_length")
    if call_id in opened.paths:
        raise rejected(path, "an id used once in the message", "one used before", "duplicate_tool_call_id")
    return call_id


def _check_function(path: str, function: JsonObject) -> JsonObject:
    """Check name and arguments; arguments given as an object become the JSON text that they should have been."""
    string_in(path, function, "name")
    arguments = function.get("arguments")
    if type(arguments) is dict:
        return {**function, "arguments": encode_json(arguments).decode()}
    string_in(path, function, "arguments", may_be_empty=True)
    return function
