"""Tools, functions, and the choice among them."""

from collections.abc import Callable
from typing import Any

import pytest

from proxy.errors import RequestRejected
from proxy.wire.request import ChatRequest, ModelRules, ToolChoice

Chat = Callable[..., ChatRequest]
Refusal = Callable[..., RequestRejected]
Json = dict[str, Any]

OTHER = ModelRules()
OPENAI = ModelRules(openai=True)


def tool(name: Any = "now", **more: Any) -> Json:
    return {"type": "function", "function": {"name": name, **more}}


def named(name: str) -> Json:
    return {"type": "function", "function": {"name": name}}


def allowed(mode: str, *tools: Json) -> Json:
    return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": list(tools)}}


FULL: Json = {"description": "", "parameters": {"type": "object"}, "strict": False, "new": [1]}
KEPT: list[tuple[Json, Json]] = [
    (tool(), tool()),
    (tool(**FULL), tool(**FULL)),
    (tool("aZ0_-.:" + "x" * 121), tool("aZ0_-.:" + "x" * 121)),
    ({**tool(), "new": 1}, {**tool(), "new": 1}),
    ({**tool(), "name": "other"}, {**tool(), "name": "other"}),
    ({"function": {"name": "now"}}, tool()),
    ({"type": None, "function": {"name": "now"}}, tool()),
    ({"name": "now", **FULL}, tool(**FULL)),
    ({"type": "function", "name": "now", "parameters": {}}, tool(parameters={})),
    (tool(description=None, parameters=None, strict=None), tool()),
]


@pytest.mark.parametrize(("sent", "kept"), KEPT)
@pytest.mark.parametrize("rules", [OTHER, OPENAI], ids=["other", "openai"])
def test_a_tool_is_kept_in_its_modern_form(sent: Json, kept: Json, rules: ModelRules, chat: Chat) -> None:
    request = chat(rules, tools=[sent])

    assert request.tools == [kept]
    assert request.tool_names == {kept["function"]["name"]}
    assert request.body["tools"] == [kept]


@pytest.mark.parametrize("none", [{}, {"tools": []}, {"tools": None}])
def test_no_tools_are_no_tools(none: Json, chat: Chat) -> None:
    """Nothing is forwarded of a choice among nothing either: upstreams refuse it."""
    request = chat(**none, tool_choice="auto")

    assert (request.tools, request.tool_choice) == ([], ToolChoice("none"))
    assert not {"tools", "tool_choice"} & request.body.keys()


def test_as_many_tools_as_allowed(chat: Chat, refusal: Refusal) -> None:
    tools = [tool(f"t{index}") for index in range(129)]

    assert len(chat(tools=tools[:128]).tool_names) == 128
    assert len(chat(functions=[each["function"] for each in tools[:128]]).tools) == 128
    assert refusal(tools=tools).told_code == "array_above_max_length"


OTHER_TOOLS: list[Json] = [
    {"type": "custom", "custom": {"name": "sh"}},
    {"type": "web_search", "web_search": {"near": "Lisbon"}},
    {"type": "mcp"},
    {"type": ""},
]


@pytest.mark.parametrize("other", OTHER_TOOLS)
def test_tools_that_are_no_functions_are_for_kind_openai(other: Json, chat: Chat, refusal: Refusal) -> None:
    error = refusal(OTHER, tools=[tool(), other])

    assert chat(OPENAI, tools=[tool(), other]).body["tools"] == [tool(), other]
    assert (error.told_code, error.param) == ("unsupported_tool_type", "tools[1].type")


BROKEN: list[tuple[Any, str, str]] = [
    (5, "invalid_type", "tools[1]"),
    ({}, "missing_required_parameter", "tools[1].type"),
    ({"type": 5}, "invalid_type", "tools[1].type"),
    ({"type": "function"}, "missing_required_parameter", "tools[1].function"),
    ({"type": "function", "function": []}, "invalid_type", "tools[1].function"),
    ({"function": {}}, "missing_required_parameter", "tools[1].function.name"),
    (tool(name=5), "invalid_type", "tools[1].function.name"),
    (tool(name=""), "invalid_value", "tools[1].function.name"),
    (tool(name="a b"), "invalid_value", "tools[1].function.name"),
    (tool(name="n" * 129), "invalid_value", "tools[1].function.name"),
    (tool(name="now\n"), "invalid_value", "tools[1].function.name"),
    (tool(name="first"), "duplicate_tool_name", "tools[1].function.name"),
    (tool(parameters=[]), "invalid_type", "tools[1].function.parameters"),
    (tool(strict="yes"), "invalid_type", "tools[1].function.strict"),
    (tool(description=5), "invalid_type", "tools[1].function.description"),
    ({"name": "a b"}, "invalid_value", "tools[1].name"),
    ({"name": "first"}, "duplicate_tool_name", "tools[1].name"),
    ({"name": "b", "parameters": 5}, "invalid_type", "tools[1].parameters"),
]


@pytest.mark.parametrize(("broken", "code", "param"), BROKEN)
@pytest.mark.parametrize("rules", [OTHER, OPENAI], ids=["other", "openai"])
def test_a_broken_tool_is_refused(broken: Any, code: str, param: str, rules: ModelRules, refusal: Refusal) -> None:
    error = refusal(rules, tools=[tool("first"), broken])

    assert (error.told_code, error.param) == (code, param)


CHOICES: list[tuple[Any, ToolChoice]] = [
    (None, ToolChoice("auto")),
    ("none", ToolChoice("none")),
    ("auto", ToolChoice("auto")),
    ("required", ToolChoice("required")),
    (named("now"), ToolChoice("required", ("now",))),
    (allowed("auto", named("now")), ToolChoice("auto", ("now",))),
    (allowed("required", named("now"), named("then"), named("now")), ToolChoice("required", ("now", "then"))),
]


@pytest.mark.parametrize(("asked", "understood"), CHOICES)
@pytest.mark.parametrize("rules", [OTHER, OPENAI], ids=["other", "openai"])
def test_a_choice_is_understood_and_forwarded_as_sent(
    asked: Any, understood: ToolChoice, rules: ModelRules, chat: Chat
) -> None:
    request = chat(rules, tools=[tool("now"), tool("then")], tool_choice=asked)

    assert request.tool_choice == understood
    assert request.body.get("tool_choice") == asked


def test_a_tool_is_named_when_it_is_settled_which_must_be_called() -> None:
    assert ToolChoice("required", ("now",)).named == "now"
    assert ToolChoice("required", ("now", "then")).named is None
    assert ToolChoice("required").named is None
    assert ToolChoice("auto", ("now",)).named is None


def test_choices_of_other_tools_are_for_kind_openai(chat: Chat) -> None:
    tools = [tool(), OTHER_TOOLS[0]]
    custom = {"type": "custom", "custom": {"name": "sh"}}

    assert chat(OPENAI, tools=tools, tool_choice=custom).tool_choice == ToolChoice("required", ("sh",))
    assert chat(OPENAI, tools=tools, tool_choice={"type": "mcp"}).tool_choice == ToolChoice("required")
    assert chat(OPENAI, tools=tools, tool_choice=named("sh")).tool_choice.named == "sh"
    assert chat(
        OPENAI, tools=tools, tool_choice=allowed("auto", named("now"), custom, {"type": "mcp"})
    ).tool_choice == (ToolChoice("auto", ("now", "sh")))


LIST = "tool_choice.allowed_tools"
WRONG_CHOICES: list[tuple[Any, str, str]] = [
    (5, "invalid_type", "tool_choice"),
    ([], "invalid_type", "tool_choice"),
    ("any", "invalid_value", "tool_choice"),
    ({}, "missing_required_parameter", "tool_choice.type"),
    ({"type": 5}, "invalid_type", "tool_choice.type"),
    ({"type": "tool"}, "invalid_value", "tool_choice.type"),
    ({"type": "function"}, "missing_required_parameter", "tool_choice.function"),
    ({"type": "function", "function": "now"}, "invalid_type", "tool_choice.function"),
    ({"type": "function", "function": {}}, "missing_required_parameter", "tool_choice.function.name"),
    ({"type": "function", "function": {"name": 5}}, "invalid_type", "tool_choice.function.name"),
    (named("later"), "unknown_tool", "tool_choice.function.name"),
    ({"type": "allowed_tools"}, "missing_required_parameter", LIST),
    ({"type": "allowed_tools", "allowed_tools": []}, "invalid_type", LIST),
    ({"type": "allowed_tools", "allowed_tools": {}}, "missing_required_parameter", f"{LIST}.mode"),
    (allowed("none", named("now")), "invalid_value", f"{LIST}.mode"),
    ({"type": "allowed_tools", "allowed_tools": {"mode": "auto"}}, "missing_required_parameter", f"{LIST}.tools"),
    ({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": 5}}, "invalid_type", f"{LIST}.tools"),
    (allowed("auto"), "invalid_value", f"{LIST}.tools"),
    (allowed("auto", named("now"), {}), "missing_required_parameter", f"{LIST}.tools[1].type"),
    (allowed("auto", {"type": "mcp"}), "invalid_value", f"{LIST}.tools[0].type"),
    (allowed("auto", named("later")), "unknown_tool", f"{LIST}.tools[0].function.name"),
]


@pytest.mark.parametrize(("asked", "code", "param"), WRONG_CHOICES)
def test_a_wrong_choice_is_refused(asked: Any, code: str, param: str, refusal: Refusal) -> None:
    error = refusal(OTHER, tools=[tool("now")], tool_choice=asked)

    assert (error.told_code, error.param) == (code, param)


@pytest.mark.parametrize("asked", ["required", named("now"), allowed("auto", named("now"))])
@pytest.mark.parametrize("tools", [None, []])
def test_a_choice_that_calls_needs_tools(asked: Any, tools: Any, refusal: Refusal) -> None:
    error = refusal(tools=tools, tool_choice=asked)

    assert (error.told_code, error.param) == ("invalid_value", "tool_choice")


def test_functions_become_tools_and_are_answered_as_functions(chat: Chat) -> None:
    function = {"name": "now", "description": "The time.", "parameters": {}, "new": 1}
    request = chat(OPENAI, functions=[function], function_call={"name": "now"})

    assert request.legacy_functions
    assert request.tools == request.body["tools"] == [{"type": "function", "function": function}]
    assert request.tool_choice.named == "now"
    assert request.body["tool_choice"] == named("now")
    assert not {"functions", "function_call"} & request.body.keys()


@pytest.mark.parametrize("mode", ["none", "auto"])
def test_a_legacy_choice_of_a_mode_is_that_mode(mode: str, chat: Chat) -> None:
    request = chat(functions=[{"name": "now"}], function_call=mode)

    assert (request.tool_choice.mode, request.body["tool_choice"]) == (mode, mode)


def test_functions_may_stand_beside_an_empty_array_of_tools(chat: Chat) -> None:
    assert chat(tools=[], functions=[{"name": "now"}], function_call=None, tool_choice="required").legacy_functions


WRONG_FUNCTIONS: list[tuple[Json, str, str]] = [
    ({"functions": {}}, "invalid_type", "functions"),
    ({"functions": []}, "invalid_value", "functions"),
    ({"functions": [{"name": f"f{index}"} for index in range(129)]}, "invalid_value", "functions"),
    ({"functions": [{"name": "f"}], "tools": [tool()]}, "invalid_value", "functions"),
    ({"functions": [None]}, "invalid_type", "functions[0]"),
    ({"functions": [{}]}, "missing_required_parameter", "functions[0].name"),
    ({"functions": [{"name": "f"}, {"name": "f"}]}, "duplicate_tool_name", "functions[1].name"),
    ({"functions": [{"name": "f", "parameters": 5}]}, "invalid_type", "functions[0].parameters"),
    ({"functions": [{"name": "f"}], "function_call": "required"}, "invalid_value", "function_call"),
    ({"functions": [{"name": "f"}], "function_call": 5}, "invalid_type", "function_call"),
    ({"functions": [{"name": "f"}], "function_call": {}}, "missing_required_parameter", "function_call.name"),
    ({"functions": [{"name": "f"}], "function_call": {"name": "g"}}, "unknown_tool", "function_call.name"),
    ({"functions": [{"name": "f"}], "function_call": "auto", "tool_choice": "auto"}, "invalid_value", "function_call"),
    ({"function_call": {"name": "f"}}, "invalid_value", "function_call"),
]


@pytest.mark.parametrize(("members", "code", "param"), WRONG_FUNCTIONS)
def test_wrong_functions_are_refused(members: Json, code: str, param: str, refusal: Refusal) -> None:
    error = refusal(**members)

    assert (error.told_code, error.param) == (code, param)


def test_an_unknown_tool_is_told_by_name(refusal: Refusal) -> None:
    assert refusal(tools=[tool()], tool_choice=named("later")).message == (
        "Invalid 'tool_choice.function.name': expected the name of a declared tool, got 'later'."
    )
