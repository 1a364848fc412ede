"""The body of a chat completion that is not streamed."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from proxy.wire.answer import Answer, AnswerHead, chat_body
from proxy.wire.events import (
    ChoiceExtras,
    Extras,
    Finished,
    ReasoningDelta,
    RefusalDelta,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    Usage,
)

USAGE = Usage(9, 2, 11)


def body(head: AnswerHead, *events: StreamEvent, usage: Usage = USAGE) -> dict[str, Any]:
    answer = Answer()
    answer.fold([*events, usage])
    if not answer.finishes:
        answer.finishes = {0: "stop"}
    told: dict[str, Any] = json.loads(chat_body(head, answer))
    return told


def message(head: AnswerHead, *events: StreamEvent) -> Any:
    return body(head, *events)["choices"][0]["message"]


def test_a_text_answer_is_told_byte_for_byte_like_this(head: AnswerHead) -> None:
    answer = Answer()
    answer.fold([TextDelta("Hel"), TextDelta("lo."), Finished("stop"), Usage(9, 2, 11)])

    assert chat_body(head, answer) == (
        b'{"id":"chatcmpl-3f9a0c7e51d24b6c8e0f7a1b2c3d4e5f","object":"chat.completion","created":1790000000,'
        b'"model":"demo-large","choices":[{"index":0,'
        b'"message":{"role":"assistant","content":"Hello.","refusal":null,"annotations":[]},'
        b'"logprobs":null,"finish_reason":"stop"}],'
        b'"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11}}'
    )


def test_choices_come_by_index_whatever_came_first(head: AnswerHead) -> None:
    told = body(head, TextDelta("b", 1), TextDelta("a", 0), Finished("length", 1), Finished("stop", 0))

    assert [(c["index"], c["message"]["content"], c["finish_reason"]) for c in told["choices"]] == [
        (0, "a", "stop"),
        (1, "b", "length"),
    ]


@pytest.mark.parametrize(
    ("events", "content"),
    [
        ([TextDelta("a")], "a"),
        ([ToolCallDelta(0, "c", "f", "{}")], None),
        ([ReasoningDelta("hm"), ToolCallDelta(0, "c", "f", "{}")], None),
        ([TextDelta("a"), ToolCallDelta(0, "c", "f", "{}")], "a"),
        ([], ""),
        ([ReasoningDelta("hm")], ""),
    ],
)
def test_content_is_text_or_null_for_calls_alone_or_empty(
    head: AnswerHead, events: list[StreamEvent], content: str | None
) -> None:
    assert message(head, *events)["content"] == content


def test_tool_calls_have_arguments_as_one_string_and_no_index(head: AnswerHead) -> None:
    told = message(
        head, ToolCallDelta(0, "a", "f", '{"x"'), ToolCallDelta(0, None, None, ":1}"), ToolCallDelta(1, "b", "g", "")
    )

    assert told["tool_calls"] == [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}},
        {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{}"}},
    ]


def test_keys_that_have_nothing_to_say_are_absent(head: AnswerHead) -> None:
    assert message(head, TextDelta("a")).keys() == {"role", "content", "refusal", "annotations"}


def test_reasoning_is_told_under_the_configured_name_or_not_at_all(head: AnswerHead) -> None:
    assert message(head, ReasoningDelta("h"), ReasoningDelta("m"))["reasoning_content"] == "hm"
    assert message(head._replace(reasoning_field="reasoning"), ReasoningDelta("hm"))["reasoning"] == "hm"
    off = message(head._replace(reasoning_field=None), ReasoningDelta("hm"))
    assert not off.keys() & {"reasoning", "reasoning_content"}


def test_a_refusal_is_told_as_such(head: AnswerHead) -> None:
    assert message(head, RefusalDelta("I "), RefusalDelta("won't"))["refusal"] == "I won't"


def test_functions_are_answered_by_the_first_call_as_function_call(head: AnswerHead) -> None:
    legacy = head._replace(legacy_functions=True)
    told = body(legacy, ToolCallDelta(0, "a", "f", ""), ToolCallDelta(1, "b", "g", "{}"), Finished("tool_calls"))[
        "choices"
    ][0]

    assert told["finish_reason"] == "function_call"
    assert told["message"]["function_call"] == {"name": "f", "arguments": "{}"}
    assert told["message"]["content"] is None
    assert "tool_calls" not in told["message"]


def test_usage_has_details_only_if_the_upstream_gave_them(head: AnswerHead) -> None:
    assert body(head, usage=Usage(1, 2, 3))["usage"] == {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    detailed = body(head, usage=Usage(1, 2, 3, {"cached_tokens": 1, "audio_tokens": None}, {"reasoning_tokens": 2}))
    assert detailed["usage"]["prompt_tokens_details"] == {"cached_tokens": 1}
    assert detailed["usage"]["completion_tokens_details"] == {"reasoning_tokens": 2}


def test_estimated_usage_says_so(head: AnswerHead) -> None:
    assert body(head, usage=Usage(1, 2, 3, estimated=True))["usage"]["estimated"] is True


def test_the_session_is_told_only_if_it_is_to_be_echoed(head: AnswerHead) -> None:
    assert "session_id" not in body(head, ChoiceExtras(Extras({"session_id": "theirs"})))
    assert body(head._replace(session_id="s-1"), ChoiceExtras(Extras({"session_id": "theirs"})))["session_id"] == "s-1"


def test_line_separators_and_surrogates_are_made_harmless(head: AnswerHead) -> None:
    answer = Answer()
    answer.fold([TextDelta("a\u2028\ud83d"), TextDelta("\ude00b"), Finished("stop"), Usage(1, 1, 2)])
    raw = chat_body(head, answer)

    assert b'"a\\u2028\xef\xbf\xbd\xef\xbf\xbdb"' in raw


def test_an_answer_that_is_not_settled_is_refused(head: AnswerHead, usage: Usage) -> None:
    """Nothing is made up: neither a finish reason nor a count."""
    no_usage, no_finish = Answer(), Answer()
    no_usage.fold([TextDelta("a"), Finished("stop")])
    no_finish.fold([TextDelta("a"), usage])

    for answer in (no_usage, no_finish):
        with pytest.raises(ValueError, match="not settled"):
            chat_body(head, answer)


def test_settled_finishes_take_the_place_of_the_upstreams(head: AnswerHead, usage: Usage) -> None:
    answer = Answer()
    answer.fold([ToolCallDelta(0, "a", "f", "{"), Finished("tool_calls"), usage])
    answer.finishes = {0: "length"}

    assert json.loads(chat_body(head, answer))["choices"][0]["finish_reason"] == "length"


def test_a_custom_tool_is_called_in_its_own_form(head: AnswerHead, schema: Callable[..., None]) -> None:
    told = body(
        head,
        ToolCallDelta(0, "c", "sql", "select ", kind="custom"),
        ToolCallDelta(0, None, None, "1", kind="custom"),
        Finished("tool_calls"),
    )

    schema("CreateChatCompletionResponse", told)
    assert told["choices"][0]["message"]["tool_calls"] == [
        {"id": "c", "type": "custom", "custom": {"name": "sql", "input": "select 1"}}
    ]
