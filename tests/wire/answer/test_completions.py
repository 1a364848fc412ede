"""The legacy surface, `text_completion`."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from proxy.wire.answer import Answer, AnswerHead, CompletionFrames, completion_body
from proxy.wire.events import (
    ChoiceExtras,
    Extras,
    Finished,
    Opened,
    ReasoningDelta,
    RefusalDelta,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    Usage,
)

HEAD = AnswerHead("cmpl-1", 1_790_000_000, "demo", include_usage=True)
START = b'data: {"id":"cmpl-1","object":"text_completion","created":1790000000,"model":"demo","choices":['
NOT_TEXT: list[StreamEvent] = [
    Opened({"id": "theirs"}),
    ReasoningDelta("hm"),
    RefusalDelta("no"),
    ToolCallDelta(0, "c", "f", "{}"),
    ChoiceExtras(Extras(None, {"k": 1})),
]


def test_a_stream_is_told_byte_for_byte_like_this(usage: Usage) -> None:
    frames = CompletionFrames(HEAD)
    told = frames.frames([TextDelta("Hel"), TextDelta("lo")]) + frames.closing({0: "stop"}, usage)

    assert told == (
        START
        + b'{"text":"Hel","index":0,"logprobs":null,"finish_reason":null}]}\n\n'
        + START
        + b'{"text":"lo","index":0,"logprobs":null,"finish_reason":null}]}\n\n'
        + START
        + b'{"text":"","index":0,"logprobs":null,"finish_reason":"stop"}]}\n\n'
        + START
        + b'],"usage":{"prompt_tokens":31,"completion_tokens":12,"total_tokens":43}}\n\n'
        + b"data: [DONE]\n\n"
    )


def test_a_body_is_told_byte_for_byte_like_this() -> None:
    answer = Answer()
    answer.fold([TextDelta("Hel"), TextDelta("lo"), *NOT_TEXT, Finished("length"), Usage(1, 2, 3)])

    assert completion_body(HEAD, answer) == (
        b'{"id":"cmpl-1","object":"text_completion","created":1790000000,"model":"demo",'
        b'"choices":[{"text":"Hello","index":0,"logprobs":null,"finish_reason":"length"}],'
        b'"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}'
    )


def test_usage_is_told_only_if_it_was_asked_for(usage: Usage, chunks_of: Callable[..., Any]) -> None:
    asked = chunks_of(CompletionFrames(HEAD).closing({0: "stop"}, usage))
    unasked = chunks_of(CompletionFrames(HEAD._replace(include_usage=False)).closing({0: "stop"}, usage))

    assert [chunk.get("usage") is not None for chunk in asked] == [False, True]
    assert [chunk.get("usage") for chunk in unasked] == [None]


def test_nothing_but_text_is_told() -> None:
    frames = CompletionFrames(HEAD)

    assert frames.frames([*NOT_TEXT, Usage(1, 2, 3), Finished("stop")]) == b""
    assert not frames.emitted
    assert frames.frames([TextDelta("a")])
    assert frames.emitted


def test_the_fingerprint_is_told_once_it_is_known(usage: Usage, chunks_of: Callable[..., Any]) -> None:
    frames = CompletionFrames(HEAD)
    told = frames.frames([TextDelta("a"), ChoiceExtras(Extras({"system_fingerprint": "fp"})), TextDelta("b")])
    chunks = chunks_of(told + frames.closing({0: "stop"}, usage))

    assert [chunk.get("system_fingerprint") for chunk in chunks] == [None, "fp", "fp", "fp"]


def test_a_finish_by_calls_is_a_stop_here(
    usage: Usage, chunks_of: Callable[..., Any], schema: Callable[..., None]
) -> None:
    chunks = chunks_of(CompletionFrames(HEAD).closing({0: "tool_calls"}, usage))

    assert chunks[0]["choices"][0]["finish_reason"] == "stop"


def test_every_chunk_and_body_is_valid_by_the_public_schema(
    usage: Usage, chunks_of: Callable[..., Any], schema: Callable[..., None]
) -> None:
    events: list[StreamEvent] = [
        TextDelta("a\u2028" * 9_000, 1, Extras({"system_fingerprint": "fp", "x": 1}, {"y": 2}, {"z": 3})),
        TextDelta("b", 0),
    ]
    frames, answer = CompletionFrames(HEAD), Answer()
    answer.fold([*events, Finished("stop", 0), Finished("content_filter", 1), usage])
    chunks = chunks_of(frames.frames(events) + frames.closing(answer.finishes, usage))
    body = json.loads(completion_body(HEAD, answer))

    for told in (*chunks, body):
        schema("CreateCompletionResponse", told)
        assert told["system_fingerprint"] == "fp"
    for chunk in chunks[:-1]:
        assert list(chunk["choices"][0]) == ["text", "index", "logprobs", "finish_reason"]
    told_text = {0: "", 1: ""}
    for chunk in chunks[:-1]:
        told_text[chunk["choices"][0]["index"]] += chunk["choices"][0]["text"]
    assert told_text == {choice["index"]: choice["text"] for choice in body["choices"]}


def test_closing_refuses_to_leave_a_choice_without_finish(usage: Usage) -> None:
    frames = CompletionFrames(HEAD)
    frames.frames([TextDelta("a", 1)])

    with pytest.raises(ValueError, match="finish"):
        frames.closing({0: "stop"}, usage)
