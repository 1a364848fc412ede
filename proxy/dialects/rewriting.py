"""A request as a model is told it that writes tools as text: the tools as words, calls and results in the history."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from proxy.dialects.port import Dialect, PastCall, PastResult, Tool, Toolset
from proxy.dialects.words import how_many, tool_lines
from proxy.wire.request import ChatRequest, JsonObject, rejected, text_of, without_tools

_ONE = "Make exactly one call."
UNWRITABLE = frozenset("<>\r\n")
"""What a name in a tag can't hold."""


def toolset_of(request: ChatRequest) -> Toolset:
    """The tools that may become calls in the answer to *request*; none where the caller wants none.

    Whoever knows `function_call` alone can be told of one call only.
    """
    choice = request.tool_choice
    if choice.mode == "none":
        return Toolset()
    return Toolset(
        tuple(tool for tool in declared_tools(request).values() if not choice.names or tool.name in choice.names),
        must_call=choice.mode == "required",
        parallel=request.parallel_tool_calls and not request.legacy_functions,
    )


def declared_tools(request: ChatRequest) -> dict[str, Tool]:
    """The functions that *request* declares, by name; tools of other types can't be told as text."""
    functions = [tool["function"] for tool in request.tools if tool.get("type") == "function"]
    return {
        function["name"]: Tool(function["name"], function.get("description") or "", function.get("parameters") or {})
        for function in functions
    }


def check_parameter_names(request: ChatRequest) -> None:
    """Refuse a parameter whose name can't stand in a tag, for dialects that put it there; raises `RequestRejected`."""
    for index, tool in enumerate(request.tools):
        parameters = (tool.get("function") or {}).get("parameters") or {}
        properties = parameters.get("properties")
        for name in properties if type(properties) is dict else ():
            if UNWRITABLE.intersection(name):
                path = f"tools[{index}].function.parameters"
                raise rejected(path, "names without '<', '>' and line ends with this model", "another", "invalid_value")


def tool_block(dialect: Dialect, toolset: Toolset, prompt: str) -> str:
    """What the model is told of *toolset*; *prompt* stands for the dialect's own words, the tools follow it."""
    if not prompt or not toolset.tools:
        return dialect.block(toolset)
    asked = how_many(toolset, "", _ONE).strip()
    return "\n".join(part for part in (prompt.rstrip(), asked, tool_lines(toolset)) if part)


def as_text(request: ChatRequest, dialect: Dialect) -> ChatRequest:
    """*request* without tools, its calls and their results as text.

    Messages stay what they are, one for one: results keep the role `tool`, and stand in the order of their calls.
    """
    tools = declared_tools(request)
    messages: list[JsonObject] = []
    calls: dict[str, tuple[int, JsonObject]] = {}
    results: list[tuple[int, JsonObject]] = []
    for message in request.messages:
        if message["role"] == "tool":
            results.append(_result(message, calls, dialect))
            continue
        messages += _in_order(results)
        results = []
        made = message.get("tool_calls") or []
        if made:
            calls = {call["id"]: (number, call) for number, call in enumerate(made, 1)}
        messages.append(_with_calls_as_text(message, made, tools, dialect) if made else message)
    messages += _in_order(results)
    bare = without_tools(request)
    return replace(bare, messages=messages, body={**bare.body, "messages": messages})


def _in_order(results: list[tuple[int, JsonObject]]) -> list[JsonObject]:
    return [message for _, message in sorted(results, key=lambda result: result[0])]


def _with_calls_as_text(
    message: JsonObject, calls: list[JsonObject], tools: Mapping[str, Tool], dialect: Dialect
) -> JsonObject:
    told = [dialect.call_text(PastCall(*_called(call), tools.get(_called(call)[0]))) for call in calls]
    said = text_of(message)
    text = "\n".join(told)
    rest = {key: value for key, value in message.items() if key != "tool_calls"}
    return {**rest, "content": f"{said}\n\n{text}" if said else text}


def _called(call: JsonObject) -> tuple[str, str]:
    """Name and arguments of a call; of one to a custom tool, its input."""
    function: dict[str, Any] = call.get("function") or call.get("custom") or {}
    return str(function.get("name", "")), str(function.get("arguments") or function.get("input") or "")


def _result(
    message: JsonObject, calls: Mapping[str, tuple[int, JsonObject]], dialect: Dialect
) -> tuple[int, JsonObject]:
    position, call = calls.get(message["tool_call_id"], (0, {}))
    name = _called(call)[0] or None
    text = dialect.result_text(PastResult(name, position, len(calls), text_of(message)))
    return position, {**message, "content": text}
