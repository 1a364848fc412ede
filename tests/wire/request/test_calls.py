"""Tool calls in the history, and the results that answer them."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from proxy.errors import RequestRejected
from proxy.wire.request import ChatRequest, ModelRules

Chat = Callable[..., ChatRequest]
Refusal = Callable[..., RequestRejected]
Json = dict[str, Any]

USER = {"role": "user", "content": "Hi."}
OTHER = ModelRules()
OPENAI = ModelRules(openai=True)


def call(call_id: str, name: str = "now", **more: Any) -> Json:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": "{}"}, **more}


def calls(*made: Json, **more: Any) -> Json:
    return {"role": "assistant", "content": None, "tool_calls": list(made), **more}


def result(call_id: str, **more: Any) -> Json:
    return {"role": "tool", "tool_call_id": call_id, "content": "noon", **more}


HISTORIES: list[list[Json]] = [
    [USER, calls(call("a")), result("a")],
    [USER, calls(call("a"), call("b")), result("b"), result("a"), USER],
    [USER, calls(call("a")), result("a"), calls(call("a")), result("a")],
    [USER, calls(call("a", "now")), result("a", name="now")],
    [USER, calls(call("i" * 256)), result("i" * 256)],
    [USER, calls(call("a", new=1), content="Wait."), result("a", content=[{"type": "text", "text": "x"}], new=2)],
    [USER, calls(call("a")), result("a", content="")],
    [USER, calls(call("a")), result("a", content=[])],
    [USER, calls(call("a")), result("a", name=None)],
    [USER, calls(call("a", function={"name": "now", "arguments": ""})), result("a")],
]


@pytest.mark.parametrize("messages", HISTORIES)
@pytest.mark.parametrize("rules", [OTHER, OPENAI], ids=["other", "openai"])
def test_calls_and_results_in_order_are_kept_as_sent(messages: list[Json], rules: ModelRules, chat: Chat) -> None:
    assert chat(rules, messages=messages).messages == messages


LOOSE: list[tuple[Json, Json]] = [
    (calls({"id": "a", "function": {"name": "now", "arguments": "{}"}}), calls(call("a"))),
    (calls(call("a", type=None)), calls(call("a"))),
    (
        calls(call("a", function={"name": "now", "arguments": {"é": [2**64]}, "new": 1})),
        calls(call("a", function={"name": "now", "arguments": '{"é":[18446744073709551616]}', "new": 1})),
    ),
    (calls(call("a"), function_call=None), calls(call("a"))),
]


@pytest.mark.parametrize(("sent", "kept"), LOOSE)
def test_loose_calls_are_kept_in_strict_form(sent: Json, kept: Json, chat: Chat) -> None:
    """A missing type is 'function', arguments as an object are serialised."""
    normal = chat(OTHER, messages=[USER, sent, result("a")]).messages[1]

    # JSON escapes are a matter of taste; what they say is not
    normal["tool_calls"][0]["function"]["arguments"] = normal["tool_calls"][0]["function"]["arguments"].replace(
        "\\u00e9", "é"
    )
    assert normal == kept


@pytest.mark.parametrize("none", [{"tool_calls": None}, {"tool_calls": []}, {"function_call": None}])
def test_no_calls_are_no_calls(none: Json, chat: Chat) -> None:
    """An empty array equals absence, in the forwarded history too: upstreams refuse it."""
    messages = [USER, {"role": "assistant", "content": "x", **none}, USER]

    assert chat(OTHER, messages=messages).messages[1] == {"role": "assistant", "content": "x"}
    assert chat(OTHER, messages=[{**USER, "tool_calls": []}]).messages[0]["content"] == "Hi."


@pytest.mark.parametrize("content", [{}, {"content": None}])
def test_a_result_without_content_is_empty(content: Json, chat: Chat) -> None:
    tool = {"role": "tool", "tool_call_id": "a", **content}

    assert chat(OTHER, messages=[USER, calls(call("a")), tool]).messages[2]["content"] == ""


def test_custom_calls_are_for_kind_openai(chat: Chat, refusal: Refusal) -> None:
    custom = {"id": "a", "type": "custom", "custom": {"name": "sh", "input": "ls"}}
    messages = [USER, calls(custom), result("a", name="whatever")]

    assert chat(OPENAI, messages=messages).messages == messages
    assert refusal(OTHER, messages=messages).message == (
        "Invalid 'messages[1].tool_calls[0].type': expected 'function', got 'custom'."
    )


WRONG: list[tuple[list[Json], str, str]] = [
    ([USER, result("a")], "missing_assistant_tool_calls", "messages[1].role"),
    ([USER, calls(call("a")), result("a"), USER, result("a")], "missing_assistant_tool_calls", "messages[4].role"),
    (
        [USER, calls(call("a")), result("a"), {"role": "assistant", "content": "x"}, result("a")],
        "missing_assistant_tool_calls",
        "messages[4].role",
    ),
    ([USER, calls(call("a")), result("b")], "tool_call_id_mismatch", "messages[2].tool_call_id"),
    ([USER, calls(call("a")), result("a"), result("a")], "duplicate_tool_call_id", "messages[3].tool_call_id"),
    (
        [USER, calls(call("a")), result("a"), calls(call("b")), result("a")],
        "tool_call_id_mismatch",
        "messages[4].tool_call_id",
    ),
    ([USER, calls(call("a"), call("a"))], "duplicate_tool_call_id", "messages[1].tool_calls[1].id"),
    ([USER, calls(call("a"))], "missing_tool_result", "messages[1].tool_calls[0].id"),
    ([USER, calls(call("a"), call("b")), result("a")], "missing_tool_result", "messages[1].tool_calls[1].id"),
    ([USER, calls(call("a"), call("b")), result("b"), USER], "missing_tool_result", "messages[1].tool_calls[0].id"),
    ([USER, calls(call("a")), calls(call("b"))], "missing_tool_result", "messages[1].tool_calls[0].id"),
    ([USER, calls(call("a")), result("a", name="then")], "tool_name_mismatch", "messages[2].name"),
    ([USER, calls(call("a")), result("a", name=5)], "invalid_type", "messages[2].name"),
    ([USER, calls(call("a")), result("a", content=5)], "invalid_type", "messages[2].content"),
    ([USER, calls(call("a")), result("a", tool_calls=[call("b")])], "invalid_value", "messages[2].tool_calls"),
    ([{**USER, "tool_calls": [call("a")]}], "invalid_value", "messages[0].tool_calls"),
    ([{**USER, "tool_calls": 5}], "invalid_value", "messages[0].tool_calls"),
]


@pytest.mark.parametrize(("messages", "code", "param"), WRONG)
@pytest.mark.parametrize("rules", [OTHER, OPENAI], ids=["other", "openai"])
def test_calls_and_results_go_in_pairs(
    messages: list[Json], code: str, param: str, rules: ModelRules, refusal: Refusal
) -> None:
    """Upstreams drop orphans, or invent answers for calls without one."""
    error = refusal(rules, messages=messages)

    assert (error.told_code, error.param) == (code, param)


def function_call(name: str = "now", arguments: Any = "{}") -> Json:
    return {"role": "assistant", "content": None, "function_call": {"name": name, "arguments": arguments}}


def test_legacy_calls_and_results_become_modern(chat: Chat) -> None:
    said = {"role": "function", "name": "now", "content": "noon", "new": 1}
    request = chat(OTHER, messages=[USER, function_call(), said, function_call("x", {}), {"role": "function"}])
    first, tool, second, empty = request.messages[1:]

    made_id = first["tool_calls"][0]["id"]
    assert first == calls(call(made_id))
    assert tool == {"role": "tool", "tool_call_id": made_id, "content": "noon", "new": 1}
    assert second["tool_calls"][0]["function"] == {"name": "x", "arguments": "{}"}
    assert empty == {"role": "tool", "tool_call_id": second["tool_calls"][0]["id"], "content": ""}
    assert made_id != empty["tool_call_id"]
    assert request.body["messages"] == request.messages


def test_legacy_results_answer_modern_calls_in_order(chat: Chat) -> None:
    messages = [
        USER,
        calls(call("a", "now"), call("b", "then"), call("c", "now")),
        {"role": "function", "name": "now", "content": "1"},
        result("b", content="2"),
        {"role": "function", "name": "now", "content": "3"},
    ]
    answers = {each["tool_call_id"]: each["content"] for each in chat(OTHER, messages=messages).messages[2:]}

    assert answers == {"a": "1", "b": "2", "c": "3"}


def test_a_hostile_number_of_calls_is_read_in_one_pass(refusal: Refusal) -> None:
    """Looking for the open call of each result anew took minutes for a body of 10 MB."""
    many = calls(*(call(f"c{index}") for index in range(50_000)))
    results = [{"role": "function", "name": "now", "content": ""}] * 9_998
    started_s = time.process_time()

    assert refusal(OTHER, messages=[USER, many, *results]).param == "messages[1].tool_calls[9998].id"
    assert time.process_time() - started_s < 2


LEGACY_WRONG: list[tuple[list[Json], str, str]] = [
    ([USER, {"role": "function", "name": "now"}], "missing_assistant_tool_calls", "messages[1].role"),
    ([USER, function_call(), {"role": "function", "name": "then"}], "tool_name_mismatch", "messages[2].name"),
    ([USER, function_call(), {"role": "function", "name": 5}], "invalid_type", "messages[2].name"),
    ([USER, function_call()], "missing_tool_result", "messages[1].function_call"),
    ([USER, function_call(), USER], "missing_tool_result", "messages[1].function_call"),
    (
        [USER, function_call(), {"role": "function", "name": "now"}, {"role": "function", "name": "now"}],
        "duplicate_tool_call_id",
        "messages[3].name",
    ),
    ([USER, function_call(""), USER], "missing_required_parameter", "messages[1].function_call.name"),
    ([USER, function_call(arguments=5), USER], "invalid_type", "messages[1].function_call.arguments"),
    ([USER, {**calls(call("a")), **function_call()}], "invalid_value", "messages[1].function_call"),
]


@pytest.mark.parametrize(("messages", "code", "param"), LEGACY_WRONG)
def test_legacy_calls_and_results_go_in_pairs_too(
    messages: list[Json], code: str, param: str, refusal: Refusal
) -> None:
    error = refusal(OTHER, messages=messages)

    assert (error.told_code, error.param) == (code, param)
