"""The messages themselves: they are what a caller sees of all the rules."""

from collections.abc import Callable
from typing import Any

import pytest

from proxy.errors import RequestRejected
from proxy.wire.request import ModelRules

OTHER = ModelRules(any_part=True)
USER = {"role": "user", "content": "Hi."}
CALL = {"id": "a", "type": "function", "function": {"name": "now", "arguments": "{}"}}
CALLS = {"role": "assistant", "tool_calls": [CALL, {**CALL, "id": "b"}]}
RESULT = {"role": "tool", "tool_call_id": "a", "content": "noon"}
TOOL = {"type": "function", "function": {"name": "now"}}


def history(*messages: Any) -> dict[str, Any]:
    return {"messages": [USER, *messages]}


def part(**members: Any) -> dict[str, Any]:
    return history({"role": "user", "content": [members]})


def calling(*calls: Any) -> dict[str, Any]:
    return history({"role": "assistant", "tool_calls": list(calls)})


AT = "messages[1].content[0]"
K = "messages[1].tool_calls"
SHORT_ID = "a string of 1 to 256 characters"
NAME = "1 to 128 of the characters A-Z a-z 0-9 _ - . :"
ID = "1 to 128 of the characters A-Z a-z 0-9 . _ : -"

SAID: list[tuple[dict[str, Any], str]] = [
    ({"model": None}, "'model': expected a string of 1 to 256 characters, got nothing"),
    ({"model": "m" * 300}, "'model': expected a string of 1 to 256 characters, got one of 300"),
    ({"messages": [USER] * 10_001}, "'messages': expected at most 10000 messages, got 10001"),
    (
        history({**USER, "content": 5}),
        "'messages[1].content': expected a string or an array of content parts, got a number",
    ),
    (history({**USER, "content": []}), "'messages[1].content': expected at least one content part, got none"),
    (history({**USER, "content": ["x"]}), f"'{AT}': expected an object, got a string"),
    (part(), f"'{AT}.type': expected the type of a content part, got nothing"),
    (part(type=5), f"'{AT}.type': expected the type of a content part, got a number"),
    (part(type="text"), f"'{AT}.text': expected a string, got nothing"),
    (
        part(type="image_url", image_url={"url": "x"}),
        f"'{AT}.image_url.url': expected an http, https or data URL, got another string",
    ),
    (
        part(type="input_audio", input_audio={"data": "", "format": "ogg"}),
        f"'{AT}.input_audio.format': expected 'wav' or 'mp3', got 'ogg'",
    ),
    (
        history({**USER, "tool_calls": [CALL]}),
        f"'{K}': expected calls in assistant messages only, got some in a user message",
    ),
    (history({"role": "assistant", "tool_calls": {}}), f"'{K}': expected an array, got an object"),
    (calling(None), f"'{K}[0]': expected an object, got null"),
    (calling({**CALL, "type": 5}), f"'{K}[0].type': expected 'function', got a number"),
    (calling({**CALL, "type": "custom"}), f"'{K}[0].type': expected 'function', got 'custom'"),
    (calling({**CALL, "id": ""}), f"'{K}[0].id': expected {SHORT_ID}, got nothing"),
    (calling({**CALL, "id": "i" * 257}), f"'{K}[0].id': expected {SHORT_ID}, got one of 257"),
    (calling(CALL, CALL), f"'{K}[1].id': expected an id used once in the message, got one used before"),
    (calling({**CALL, "function": {}}), f"'{K}[0].function.name': expected a non-empty string, got nothing"),
    (history(CALLS), f"'{K}[0].id': expected an answer by a tool message right after, got none"),
    (history(RESULT), "'messages[1].role': expected an assistant message with tool calls before, got another message"),
    (history(CALLS, {**RESULT, "tool_call_id": 5}), "'messages[2].tool_call_id': expected a string, got a number"),
    (
        history(CALLS, {**RESULT, "tool_call_id": "c"}),
        "'messages[2].tool_call_id': expected an id of the assistant message before, got another",
    ),
    (
        history(CALLS, RESULT, RESULT),
        "'messages[3].tool_call_id': expected a call that has no answer yet, got an answered one",
    ),
    (
        history(CALLS, {**RESULT, "name": "then"}),
        "'messages[2].name': expected the name of the tool that was called, got another",
    ),
    (
        history({**CALLS, "function_call": {"name": "f", "arguments": ""}}),
        "'messages[1].function_call': expected nothing beside tool_calls, got a call",
    ),
    (
        history(CALLS, RESULT, {**RESULT, "tool_call_id": "b"}, {"role": "function"}),
        "'messages[4].name': expected a call that has no answer yet, got an answered one",
    ),
    (history(CALLS, {**RESULT, "name": 5}), "'messages[2].name': expected a string, got a number"),
    ({"tools": {}}, "'tools': expected an array, got an object"),
    ({"tools": [TOOL] * 129}, "'tools': expected at most 128 tools, got 129"),
    ({"tools": [{"type": 5}]}, "'tools[0].type': expected the type of a tool, got a number"),
    ({"tools": [{"type": "mcp"}]}, "'tools[0].type': expected 'function', got 'mcp'"),
    ({"tools": [{}]}, "'tools[0].type': expected 'function', got nothing"),
    ({"tools": [{"function": {"name": 5}}]}, f"'tools[0].function.name': expected a string of {NAME}, got a number"),
    ({"tools": [{"name": "a b"}]}, f"'tools[0].name': expected {NAME}, got 'a b'"),
    ({"tools": [TOOL, TOOL]}, "'tools[1].function.name': expected a name used once, got 'now'"),
    ({"tools": [TOOL], "functions": [{}]}, "'functions': expected nothing beside tools, got an array"),
    ({"functions": []}, "'functions': expected 1 to 128 functions, got 0"),
    ({"tool_choice": 5}, "'tool_choice': expected 'none', 'auto', 'required' or an object, got a number"),
    ({"tool_choice": "required"}, "'tool_choice': expected tools to choose from, got none"),
    ({"function_call": "any"}, "'function_call': expected 'none', 'auto' or an object, got 'any'"),
    ({"tool_choice": {"type": "x"}}, "'tool_choice.type': expected 'function' or 'allowed_tools', got 'x'"),
    (
        {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "x"}}},
        "'tool_choice.function.name': expected the name of a declared tool, got 'x'",
    ),
    (
        {"tools": [TOOL], "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}},
        "'tool_choice.allowed_tools.tools': expected at least one tool, got none",
    ),
    (
        {"tool_choice": "auto", "function_call": "auto"},
        "'function_call': expected nothing beside tool_choice, got a choice",
    ),
    ({"stream": 1}, "'stream': expected a boolean, got a number"),
    ({"stream_options": {}}, "'stream_options': expected it only with 'stream' true, got it without"),
    ({"n": True}, "'n': expected an integer from 1 to 128, got a boolean"),
    ({"n": 1.5}, "'n': expected an integer from 1 to 128, got 1.5"),
    ({"max_tokens": 0}, "'max_tokens': expected an integer of at least 1, got 0"),
    ({"temperature": 3}, "'temperature': expected a number from 0 to 2, got 3"),
    ({"temperature": "hot"}, "'temperature': expected a number from 0 to 2, got a string"),
    ({"stop": []}, "'stop': expected 1 to 4 strings, got none"),
    ({"stop": ["a"] * 5}, "'stop': expected 1 to 4 strings, got 5"),
    ({"stop": [""]}, "'stop[0]': expected a non-empty string, got an empty one"),
    ({"stop": {}}, "'stop': expected a string or an array of strings, got an object"),
    (
        {"response_format": {"type": "yaml"}},
        "'response_format.type': expected 'text', 'json_object' or 'json_schema', got 'yaml'",
    ),
    ({"top_logprobs": 1}, "'top_logprobs': expected it only with 'logprobs' true, got it without"),
    ({"logit_bias": {"a b": 101}}, "'logit_bias': expected a number from -100 to 100, got 101"),
    ({"modalities": "text"}, "'modalities': expected an array of strings, got a string"),
    ({"user": "u" * 1025}, "'user': expected a string of at most 1024 characters, got one of 1025"),
    ({"user": 5}, "'user': expected a string of at most 1024 characters, got a number"),
    ({"verbosity": 5}, "'verbosity': expected a string, got a number"),
    ({"session_id": "a b"}, f"'session_id': expected {ID}, got something else"),
    ({"session_id": 5}, f"'session_id': expected a string of {ID}, got a number"),
    ({"n": 2}, "'n': expected the default with this model, got 2"),
]


@pytest.mark.parametrize(("members", "said"), SAID)
def test_a_refusal_says_what_was_expected_and_what_came(
    members: dict[str, Any], said: str, refusal: Callable[..., RequestRejected]
) -> None:
    assert refusal(OTHER, **members).message == f"Invalid {said}."


def test_a_parameter_that_the_kind_refuses_is_named(refusal: Callable[..., RequestRejected]) -> None:
    assert refusal(ModelRules(refused=frozenset({"seed"})), seed=1).message == (
        "Invalid 'seed': expected it left out with this model, got a value."
    )
