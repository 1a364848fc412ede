"""Whether tools may or must be called, and which."""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

from proxy.wire.request.body import JsonObject
from proxy.wire.request.rules import ModelRules
from proxy.wire.request.say import missing, rejected, wrong_type, wrong_value
from proxy.wire.request.tools import Tools
from proxy.wire.request.values import object_in, string_in, word_in

ToolMode: TypeAlias = Literal["none", "auto", "required"]

_MODES: dict[str, ToolMode] = {"none": "none", "auto": "auto", "required": "required"}
_LEGACY_MODES: dict[str, ToolMode] = {"none": "none", "auto": "auto"}
_A_CHOICE = "'none', 'auto', 'required' or an object"
_A_LEGACY_CHOICE = "'none', 'auto' or an object"


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """Tools must not (`none`), may (`auto`) or must (`required`) be called; if *names* are given, only these.

    A named tool is `required` with one name, the list of allowed tools `auto` or `required` with its names.
    """

    mode: ToolMode
    names: tuple[str, ...] = ()

    @property
    def named(self) -> str | None:
        """The one tool that must be called, if it is settled which."""
        return self.names[0] if self.mode == "required" and len(self.names) == 1 else None


class Choice(NamedTuple):
    """The choice as understood, and as it may be forwarded: None where nothing needs to be said."""

    understood: ToolChoice
    forwarded: str | JsonObject | None


def check_tool_choice(body: JsonObject, tools: Tools, rules: ModelRules) -> Choice:
    """Check `tool_choice` and `function_call` against the declared tools; raises `RequestRejected`."""
    asked = body.get("tool_choice")
    choice = None if asked is None else Choice(_check_choice(asked, tools, rules), asked)
    legacy = body.get("function_call")
    if legacy is not None:
        if choice is not None:
            raise rejected("function_call", "nothing beside tool_choice", "a choice", "invalid_value")
        choice = _check_legacy(legacy, tools)
    if not tools.declared:
        return Choice(ToolChoice("none"), None)
    return choice or Choice(ToolChoice("auto"), None)


def _check_choice(choice: Any, tools: Tools, rules: ModelRules) -> ToolChoice:
    mode = _mode("tool_choice", choice, _MODES, _A_CHOICE, tools)
    if mode:
        return ToolChoice(mode)
    if rules.openai:
        kind = string_in("tool_choice", choice, "type")
    else:
        kind = word_in("tool_choice", choice, "type", ("function", "allowed_tools"))
    _need_tools("tool_choice", tools)
    if kind == "allowed_tools":
        return _check_allowed(object_in("tool_choice", choice, kind), tools, rules)
    return ToolChoice("required", _check_named("tool_choice", choice, kind, tools))


def _check_allowed(allowed: JsonObject, tools: Tools, rules: ModelRules) -> ToolChoice:
    path = "tool_choice.allowed_tools"
    mode = word_in(path, allowed, "mode", ("auto", "required"))
    listed = allowed.get("tools")
    if listed is None:
        raise missing(f"{path}.tools", "an array")
    if type(listed) is not list:
        raise wrong_type(f"{path}.tools", "an array", listed)
    if not listed:
        raise rejected(f"{path}.tools", "at least one tool", "none", "invalid_value")
    names: list[str] = []
    for index, tool in enumerate(listed):
        where = f"{path}.tools[{index}]"
        if type(tool) is not dict:
            raise wrong_type(where, "an object", tool)
        kind = string_in(where, tool, "type")
        if kind != "function" and not rules.openai:
            raise wrong_value(f"{where}.type", "'function'", kind)
        names += _check_named(where, tool, kind, tools)
    return ToolChoice(_MODES[mode], tuple(dict.fromkeys(names)))


def _check_named(path: str, choice: JsonObject, kind: str, tools: Tools) -> tuple[str, ...]:
    """The name of the chosen function, which must be declared; of another type of tool the name, if it has one."""
    if kind != "function":
        details = choice.get(kind)
        name = details.get("name") if type(details) is dict else None
        return (name,) if type(name) is str else ()
    return (_declared(f"{path}.function", object_in(path, choice, "function"), tools),)


def _check_legacy(choice: Any, tools: Tools) -> Choice:
    mode = _mode("function_call", choice, _LEGACY_MODES, _A_LEGACY_CHOICE, tools)
    if mode:
        return Choice(ToolChoice(mode), mode)
    _need_tools("function_call", tools)
    name = _declared("function_call", choice, tools)
    return Choice(ToolChoice("required", (name,)), {"type": "function", "function": {"name": name}})


def _mode(path: str, choice: Any, modes: dict[str, ToolMode], expected: str, tools: Tools) -> ToolMode | None:
    """The mode that a string names; None for an object."""
    if type(choice) is dict:
        return None
    if type(choice) is not str:
        raise wrong_type(path, expected, choice)
    if choice not in modes:
        raise wrong_value(path, expected, choice)
    if choice == "required":
        _need_tools(path, tools)
    return modes[choice]


def _need_tools(path: str, tools: Tools) -> None:
    if not tools.declared:
        raise rejected(path, "tools to choose from", "none", "invalid_value")


def _declared(path: str, function: JsonObject, tools: Tools) -> str:
    name = string_in(path, function, "name")
    if name not in tools.names:
        raise wrong_value(f"{path}.name", "the name of a declared tool", name, "unknown_tool")
    return name
