"""A JSON body becomes the events that its stream would have given."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import (
    CredentialStale,
    TurnstileError,
    UpstreamChallenge,
    UpstreamDisconnected,
    UpstreamEmptyAnswer,
    UpstreamFailed,
    UpstreamOversize,
    UpstreamProtocolError,
    UpstreamRateLimited,
    UpstreamTruncated,
)
from proxy.wire.events import (
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
from proxy.wire.upstream import completion, read_completion

AsOutcome = Callable[..., Any]


def read(body: Any, **options: Any) -> list[StreamEvent]:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return read_completion(raw, max_answer_bytes=10_000, make_call_id=lambda: "made", **options)


def answer(message: Any, reason: Any = "stop", **body: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "message": message, "finish_reason": reason}]} | body


def call(call_id: str, name: str, arguments: Any, **keys: Any) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}} | keys


def test_a_whole_answer_becomes_its_events() -> None:
    message: dict[str, Any] = {
        "role": "assistant",
        "content": "Hello.",
        "reasoning_content": "hm",
        "refusal": None,
        "annotations": [],
    }
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "system_fingerprint": "fp",
        "choices": [{"index": 0, "message": message, "logprobs": {"content": []}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11},
    }
    extras = Extras({"system_fingerprint": "fp"}, {"logprobs": {"content": []}}, {"annotations": []})
    assert read(body) == [
        Opened({"id": "chatcmpl-1"}),
        ReasoningDelta("hm", 0, extras),
        TextDelta("Hello."),
        Usage(9, 2, 11),
        Finished("stop"),
    ]


def test_a_refusal_is_told_as_one() -> None:
    assert read(answer({"content": None, "refusal": "No."})) == [RefusalDelta("No."), Finished("stop")]


def test_each_entry_of_the_calls_is_a_call_whatever_its_index_or_id() -> None:
    calls = [
        call("a", "f", "{}", index=0),
        call("a", "g", "[1]", index=0),
        {"function": {"name": "h"}},
        call("d", "f", {}),
    ]
    events = read(answer({"content": None, "tool_calls": calls}, "tool_calls"))
    assert events == [
        ToolCallDelta(0, "a", "f", "{}"),
        ToolCallDelta(1, "made", "g", "[1]"),
        ToolCallDelta(2, "made", "h", ""),
        ToolCallDelta(3, "d", "f", "{}"),
        Finished("tool_calls"),
    ]


def test_a_legacy_function_call_is_call_0() -> None:
    events = read(answer({"content": None, "function_call": {"name": "f", "arguments": "{}"}}, "function_call"))
    assert events == [ToolCallDelta(0, "made", "f", "{}"), Finished("tool_calls")]


def test_several_choices_are_told_one_after_the_other_and_end_together() -> None:
    choices = [{"index": 1, "message": {"content": "b"}, "finish_reason": "length"}, {"index": 0, "text": "a"}]
    assert read({"choices": choices}, n=2) == [
        TextDelta("b", 1),
        TextDelta("a", 0),
        Finished("stop", 0),
        Finished("length", 1),
    ]


@pytest.mark.parametrize("reason", [None, "", "null"])
def test_a_whole_body_without_a_finish_reason_stopped(reason: Any) -> None:
    assert read(answer({"content": "a"}, reason))[-1] == Finished("stop")


def test_think_tags_are_reasoning_where_configured() -> None:
    events = read(answer({"content": "<think>hm</think>\na"}), think_tags=True)
    assert events == [ReasoningDelta("hm"), TextDelta("a"), Finished("stop")]
    assert read(answer({"content": "<think>hm</think>"}))[0] == TextDelta("<think>hm</think>")


def test_what_was_passed_over_is_counted() -> None:
    anomalies: Counter[str] = Counter()
    read(answer({"content": [{"type": "image_url"}]}, "because"), anomalies=anomalies, n=2)
    assert anomalies == {"unknown_finish": 1, "part_ignored": 1, "empty": 1, "choices_missing": 1}


@pytest.mark.parametrize("usage", [{"prompt_tokens": 0, "completion_tokens": 0}, {"prompt_tokens": -1}, None])
def test_unusable_usage_is_absent(usage: Any) -> None:
    assert read(answer({"content": "a"}, usage=usage)) == [TextDelta("a"), Finished("stop")]


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        pytest.param({"choices": []}, UpstreamEmptyAnswer, id="no choices"),
        pytest.param({"choices": None, "usage": {}}, UpstreamEmptyAnswer, id="null choices"),
        pytest.param({"id": "x"}, UpstreamProtocolError, id="no such key"),
        pytest.param({"choices": {}}, UpstreamProtocolError, id="choices of another type"),
        pytest.param({"choices": [None]}, UpstreamProtocolError, id="a choice of another type"),
        pytest.param(answer("a"), UpstreamProtocolError, id="a message of another type"),
        pytest.param(answer({"content": 1}), UpstreamProtocolError, id="content of another type"),
        pytest.param(answer({"tool_calls": [None]}), UpstreamProtocolError, id="a call of another type"),
        pytest.param({"choices": [{"index": 1, "message": {}}]}, UpstreamProtocolError, id="a choice nobody asked for"),
        pytest.param(answer({"tool_calls": [call("a", "", "{}")]}), UpstreamProtocolError, id="a call without a name"),
        pytest.param(answer({"content": "a"}, "error"), UpstreamFailed, id="a finish that means failure"),
        pytest.param(answer({"tool_calls": [call("a", "f", "{")]}, None), UpstreamTruncated, id="cut in a call"),
        pytest.param({"error": {"message": "m", "code": 429}}, UpstreamRateLimited, id="an error"),
        pytest.param({"error": "m"}, UpstreamFailed, id="an error as text"),
        pytest.param({"object": "error", "message": "m"}, UpstreamFailed, id="an error without its envelope"),
        pytest.param(answer({"content": "a"}) | {"error": {"message": "m"}}, UpstreamFailed, id="an error beside text"),
        pytest.param(b"[]", UpstreamProtocolError, id="an array"),
        pytest.param(b'{"choices"]', UpstreamProtocolError, id="no JSON"),
        pytest.param(b'{"choices":[{"message":{"content":"a', UpstreamTruncated, id="cut JSON"),
        pytest.param(b"", UpstreamDisconnected, id="nothing"),
        pytest.param(b" \n", UpstreamDisconnected, id="white space"),
        pytest.param(b"\n<!doctype html><title>Log in", UpstreamChallenge, id="a web page"),
        pytest.param(answer({"content": "a" * 10_000}), UpstreamOversize, id="more than is collected"),
    ],
)
def test_what_is_no_answer_is_a_typed_error(body: Any, fault: type[TurnstileError]) -> None:
    with pytest.raises(TurnstileError) as caught:
        read(body)
    assert type(caught.value) is fault


def test_a_401_inside_is_about_the_credential() -> None:
    with pytest.raises(CredentialStale):
        read({"error": {"message": "expired", "code": 401}}, credential="managed")


def test_bad_bytes_and_halves_of_surrogate_pairs_become_replacement_characters() -> None:
    assert read(b'{"choices":[{"message":{"content":"a\xff\\ud83d"}}]}')[0] == TextDelta("a\ufffd\ufffd")


@given(st.binary(max_size=60) | st.binary(max_size=60).map(lambda tail: b'{"choices":[' + tail))
def test_any_bytes_are_events_or_a_typed_error(raw: bytes) -> None:
    try:
        assert isinstance(read(raw)[-1], Finished)
    except TurnstileError as error:
        assert error.code.startswith("upstream_")  # noqa: PT017 - either is right


def test_the_body_and_the_stream_of_one_answer_agree(play: Callable[..., Any], as_outcome: AsOutcome) -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}
    calls = [call("a", "f", '{"x":1}'), call("b", "g", "")]
    message = {"role": "assistant", "content": "Hi", "reasoning": "hm", "tool_calls": calls}
    whole = as_outcome(read(answer(message, "tool_calls", id="x", usage=usage)))
    deltas = [
        *({"role": "assistant"}, {"reasoning": "h"}, {"reasoning": "m"}, {"content": "H"}, {"content": "i"}),
        *({"tool_calls": [{"index": place} | piece]} for place, piece in enumerate(calls)),
    ]
    chunks = [{"id": "x", "choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    finish = {"choices": [{"delta": {}, "finish_reason": "tool_calls"}], "usage": usage}
    streamed = play(*chunks, finish, "[DONE]")
    for what in ("ids", "text", "reasoning", "calls", "usage", "finish"):
        assert getattr(whole, what) == getattr(streamed, what) != []


def change(key: str, value: Any) -> Any:
    def changed(body: dict[str, Any]) -> None:
        *path, last = key.split(".")
        place: Any = body
        for step in path:
            place = place[int(step)] if step.isdigit() else place[step]
        place[last] = value

    return changed


@pytest.mark.parametrize(
    "edit",
    [
        lambda _body: None,
        change("choices.0.finish_reason", "length"),
        change("choices.0.finish_reason", "tool_calls"),
        change("choices.0.finish_reason", None),
        change("choices.0.logprobs", {"content": []}),
        change("choices.0.stop_reason", 7),
        change("choices.0.message.reasoning_content", "Hm."),
        change("choices.0.message.refusal", "No."),
        change("choices.0.message.content", ""),
        change("choices.0.message.content", [{"type": "text", "text": "Hello."}]),
        change("choices.0.message.tool_calls", []),
        change("choices.0.index", "0"),
        change("system_fingerprint", None),
        change("system_fingerprint", "fp_1"),
        change("prompt_filter_results", [1]),
        change("id", ""),
        change("usage", None),
        change("usage", {"prompt_tokens": 1, "completion_tokens": 0}),
        change("usage", {"input_tokens": 1, "output_tokens": 2}),
    ],
)
def test_the_short_way_of_a_plain_body_gives_what_the_long_way_gives(
    edit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nearly all bodies are one text with its usage; that way must be nothing but shorter."""
    body: dict[str, Any] = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hello."},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11},
    }
    edit(body)
    raw = orjson.dumps(body)

    def events() -> Any:
        try:
            return read_completion(raw, max_answer_bytes=10_000, make_call_id=lambda: "call_1")
        except TurnstileError as error:
            return type(error)

    short = events()
    monkeypatch.setattr(completion, "_plain", lambda _body: None)

    assert short == events()
