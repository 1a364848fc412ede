"""The tools that a request declares, in modern form."""

import re
from typing import Any, NamedTuple

from proxy.wire.request.body import JsonObject
from proxy.wire.request.rules import ModelRules
from proxy.wire.request.say import missing, rejected, wrong_type, wrong_value
from proxy.wire.request.values import Check, boolean, json_object, object_in, string

MAX_TOOLS = 128
_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
_NAME_RULE = "1 to 128 of the characters A-Z a-z 0-9 _ - . :"
_OPTIONAL: tuple[tuple[str, Check], ...] = (
    ("parameters", json_object),
    ("strict", boolean),
    ("description", string()),
)


class Tools(NamedTuple):
    """The tools of a request.

    *declared*: each as `{"type": "function", "function": {"name": …, …}}`; for kind `openai` also others, as sent.
    *names*: of those that have one.  *legacy*: they came as `functions`, and calls are answered in that form.
    """

    declared: list[JsonObject]
    names: frozenset[str]
    legacy: bool


def check_tools(body: JsonObject, rules: ModelRules) -> Tools:
    """Check `tools` and `functions`; raises `RequestRejected`."""
    names: set[str] = set()
    tools = body.get("tools")
    declared = [] if tools is None else _check_declared(tools, rules, names)
    functions = body.get("functions")
    if functions is None:
        return Tools(declared, frozenset(names), legacy=False)
    if type(functions) is not list:
        raise wrong_type("functions", "an array", functions)
    if declared:
        raise rejected("functions", "nothing beside tools", "an array", "invalid_value")
    if not 1 <= len(functions) <= MAX_TOOLS:
        raise rejected("functions", f"1 to {MAX_TOOLS} functions", f"{len(functions)}", "invalid_value")
    declared = [_as_tool(_check_function(f"functions[{index}]", each, names)) for index, each in enumerate(functions)]
    return Tools(declared, frozenset(names), legacy=True)


def _check_declared(tools: Any, rules: ModelRules, names: set[str]) -> list[JsonObject]:
    if type(tools) is not list:
        raise wrong_type("tools", "an array", tools)
    if len(tools) > MAX_TOOLS:
        raise rejected("tools", f"at most {MAX_TOOLS} tools", f"{len(tools)}", "array_above_max_length")
    return [_check_tool(f"tools[{index}]", tool, rules, names) for index, tool in enumerate(tools)]


def _check_tool(path: str, tool: Any, rules: ModelRules, names: set[str]) -> JsonObject:
    if type(tool) is not dict:
        raise wrong_type(path, "an object", tool)
    kind = tool.get("type")
    if kind is not None and type(kind) is not str:
        raise wrong_type(f"{path}.type", "the type of a tool", kind)
    if kind not in (None, "function"):
        return _check_other(path, kind, tool, rules, names)
    if tool.get("function") is None and "name" in tool:  # the bare function, as some clients send it
        return _as_tool(
            _check_function(path, {key: tool[key] for key in tool if key not in ("type", "function")}, names)
        )
    if kind is None and "function" not in tool:
        raise missing(f"{path}.type", "'function'")
    asked = object_in(path, tool, "function")
    function = _check_function(f"{path}.function", asked, names)
    return tool if kind and function is asked else {**tool, "type": "function", "function": function}


def _check_other(path: str, kind: str, tool: JsonObject, rules: ModelRules, names: set[str]) -> JsonObject:
    """A tool that is no function: kind `openai` takes it as it is, and a choice may name it."""
    if not rules.openai:
        raise wrong_value(f"{path}.type", "'function'", kind, "unsupported_tool_type")
    details = tool.get(kind)
    if type(details) is dict and type(details.get("name")) is str:
        names.add(details["name"])
    return tool


def _check_function(path: str, function: Any, names: set[str]) -> JsonObject:
    """Check one function, add its name to *names*, and return it without the nulls of its optional fields."""
    if type(function) is not dict:
        raise wrong_type(path, "an object", function)
    name = function.get("name")
    if name is None:
        raise missing(f"{path}.name", _NAME_RULE)
    if type(name) is not str:
        raise wrong_type(f"{path}.name", f"a string of {_NAME_RULE}", name)
    if not _NAME.fullmatch(name):
        raise wrong_value(f"{path}.name", _NAME_RULE, name)
    if name in names:
        raise wrong_value(f"{path}.name", "a name used once", name, "duplicate_tool_name")
    names.add(name)
    nulls = set()
    for key, check in _OPTIONAL:
        if key in function:
            if function[key] is None:
                nulls.add(key)
            else:
                check(f"{path}.{key}", function[key])
    return {key: function[key] for key in function if key not in nulls} if nulls else function


def _as_tool(function: JsonObject) -> JsonObject:
    return {"type": "function", "function": function}
