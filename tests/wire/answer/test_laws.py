"""What holds of every answer, for whatever events: the laws of a stream, and that stream and body say the same."""

import json
import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from proxy.wire.answer import Answer, AnswerHead, ChatFrames, chat_body
from proxy.wire.answer.json_out import REPLACEMENT, SURROGATES
from proxy.wire.events import (
    ChoiceExtras,
    Extras,
    Opened,
    ReasoningDelta,
    RefusalDelta,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    Usage,
)

CHUNK_KEYS = ["id", "object", "created", "model", "choices"]
CHOICE_KEYS = ["index", "delta", "logprobs", "finish_reason"]

JsonObject = dict[str, Any]
AnyAnswer = tuple[list[StreamEvent], dict[int, str]]

# --- any answer that an adapter may give

ODD = '\u0085\u2028\u2029\ud83d\ude00\udfff"\\\n\r\x00\x7fé你🦊 ab'
LONG = ("x" * 16_385, "你\u2028" * 5_000, "\ud83d🦊" * 3_000)  # over what one frame takes
texts = st.text(ODD, min_size=1, max_size=8) | st.sampled_from([*ODD, *LONG])

TOKEN = {"token": "a", "logprob": -0.25, "bytes": None, "top_logprobs": []}
LOGPROBS: list[Any] = [
    {"content": [TOKEN]},
    {"content": [], "refusal": None},
    {"content": None, "refusal": [TOKEN]},
    {"x": 1},
    None,
]
CHUNKS: list[Any] = [
    {"system_fingerprint": "fp_1", "service_tier": "default"},
    {"system_fingerprint": "", "service_tier": "their own"},
    {"system_fingerprint": None, "provider": "\u2028"},
    {"service_tier": "flex", "id": "theirs", "usage": None, "big": 2**70},
]
CHOICES: list[Any] = [{"stop_reason": "x", "index": 99}, *({"logprobs": logprobs} for logprobs in LOGPROBS)]
DELTAS: list[Any] = [{"signature": "\u2028s"}, {"signature": "\ud800", "n": 3}, {"role": "theirs", "content": "theirs"}]
CALLS: list[Any] = [{"signature": "s"}, {"id": "theirs", "type": "x", "function": {}}, {"signature": "\udfff", "n": 1}]
EXTRAS = [Extras(chunk) for chunk in CHUNKS] + [Extras(None, choice) for choice in CHOICES]
EXTRAS += [Extras(None, None, delta) for delta in DELTAS]
EXTRAS += [Extras(*parts) for parts in zip(CHUNKS, CHOICES[1:], DELTAS, strict=False)]
extras = st.none() | st.sampled_from(EXTRAS)
call_extras = extras | st.sampled_from([Extras(call=call) for call in CALLS])

heads = st.builds(
    lambda model, legacy, usage, field: AnswerHead(
        "chatcmpl-0123456789abcdef0123456789abcdef", 1_790_000_000, model, legacy, usage, field
    ),
    st.sampled_from(["demo", 'odd"\u2028model']),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["reasoning_content", "reasoning", None]),
)
usages = st.sampled_from(
    [Usage(9, 2, 11), Usage(0, 0, 0, estimated=True), Usage(1, 2, 3, {"cached_tokens": 1, "audio_tokens": None}, {})]
)


TEXT_EVENTS: dict[str, Callable[..., StreamEvent]] = {
    "text": TextDelta,
    "reasoning": ReasoningDelta,
    "refusal": RefusalDelta,
}


@st.composite
def answers(draw: st.DrawFn, max_choices: int = 3) -> AnyAnswer:
    """(events, finishes): what the events' own documentation allows, for one or more choices."""
    choices = draw(st.integers(1, max_choices))
    calls = dict.fromkeys(range(choices), 0)
    events: list[StreamEvent] = [Opened({"id": "theirs"})]
    kinds = st.sampled_from(["text", "text", "reasoning", "refusal", "call", "arguments", "extras", "usage"])
    for kind in draw(st.lists(kinds, max_size=12)):
        choice = draw(st.integers(0, choices - 1))
        if kind in ("text", "reasoning", "refusal"):
            events.append(TEXT_EVENTS[kind](draw(texts), choice, draw(extras)))
        elif kind == "call":
            number, calls[choice] = calls[choice], calls[choice] + 1
            arguments = draw(st.just("") | texts)
            events.append(ToolCallDelta(number, f"call_{choice}_{number}", "f", arguments, choice, draw(call_extras)))
        elif kind == "arguments" and calls[choice]:
            number = draw(st.integers(0, calls[choice] - 1))
            events.append(ToolCallDelta(number, None, None, draw(st.just("") | texts), choice, draw(call_extras)))
        elif kind == "extras":
            events.append(ChoiceExtras(draw(st.sampled_from(EXTRAS)), choice))
        elif kind == "usage":
            events.append(draw(usages))
    reasons = st.sampled_from(["stop", "length", "content_filter", "tool_calls"])
    return events, {choice: draw(reasons) for choice in range(choices)}


def any_answer(examples: int) -> settings:
    """Few examples in the daily run, many in the deep one."""
    deep = "HYPOTHESIS_EXAMPLES" in os.environ
    return settings(
        max_examples=int(os.environ["HYPOTHESIS_EXAMPLES"]) if deep else examples,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


def stream_of(head: AnswerHead, events: list[StreamEvent], finishes: dict[int, str], usage: Usage) -> bytes:
    frames = ChatFrames(head)
    return frames.frames(events) + frames.closing(finishes, usage)


def folded(events: list[StreamEvent], finishes: dict[int, str], usage: Usage) -> Answer:
    answer = Answer()
    answer.fold(events)
    answer.finishes, answer.usage = finishes, usage
    return answer


# --- the laws


@any_answer(100)
@given(heads, answers(), usages)
def test_every_stream_keeps_the_laws_of_a_stream(
    chunks_of: Callable[..., Any], head: AnswerHead, answer: AnyAnswer, usage: Usage
) -> None:
    events, finishes = answer
    *chunks, last = chunks_of(stream_of(head, events, finishes, usage))
    if head.include_usage:
        assert last["choices"] == []
        assert last["usage"]["total_tokens"] == usage.total_tokens
        assert ("estimated" in last["usage"]) is usage.estimated
    else:
        chunks.append(last)

    seen: set[int] = set()
    finished: set[int] = set()
    told_calls: dict[int, set[int]] = {}
    for chunk in chunks:
        assert list(chunk)[:5] == CHUNK_KEYS
        assert ("usage" in chunk) is head.include_usage
        assert chunk.get("usage") is None
        assert (chunk["id"], chunk["created"], chunk["model"]) == (head.id, head.created, head.model)
        (choice,) = chunk["choices"]
        assert list(choice)[:4] == CHOICE_KEYS
        index, delta = choice["index"], choice["delta"]
        assert index not in finished, "a chunk after the finish"
        assert ("role" in delta) is (index not in seen), "the role comes once, before all else"
        if index not in seen:
            seen.add(index)
            assert list(delta) == ["role", "content", "refusal"]
            assert delta["role"] == "assistant"
        else:
            assert delta.get("content", "text") != "", "text is never empty"
        if choice["finish_reason"]:
            finished.add(index)
            assert delta == {}
        for call in delta.get("tool_calls", []):
            opened = told_calls.setdefault(index, set())
            assert ("id" in call) is (call["index"] not in opened), "an id comes once"
            assert call["index"] <= len(opened), "indices have no gaps"
            assert len(delta["tool_calls"]) == 1, "one call per chunk"
            opened.add(call["index"])
    assert finished == set(finishes), "one finish per choice"


@any_answer(100)
@given(heads, answers(), usages, st.data())
def test_the_batches_in_which_events_come_change_no_byte(
    head: AnswerHead, answer: AnyAnswer, usage: Usage, data: st.DataObject
) -> None:
    """Neither how the network cuts, nor how many frames share a write."""
    events, finishes = answer
    frames, at, told = ChatFrames(head), 0, b""
    while at < len(events):
        size = data.draw(st.integers(1, 4))
        batch = frames.frames(events[at : at + size])
        assert frames.emitted is bool(told + batch)
        told, at = told + batch, at + size

    assert told + frames.closing(finishes, usage) == stream_of(head, events, finishes, usage)


@any_answer(100)
@given(heads, answers(), usages)
def test_stream_and_body_say_the_same(
    chunks_of: Callable[..., Any], collected: Callable[..., Any], head: AnswerHead, answer: AnyAnswer, usage: Usage
) -> None:
    events, finishes = answer
    chunks = chunks_of(stream_of(head, events, finishes, usage))
    body = json.loads(chat_body(head, folded(events, finishes, usage)))
    streamed = collected(chunks)

    assert sorted(streamed) == [choice["index"] for choice in body["choices"]]
    for choice in body["choices"]:
        same_choice(head, streamed[choice["index"]], choice)
    if head.include_usage:
        assert chunks[-1]["usage"] == body["usage"]
    for key in ("system_fingerprint", "service_tier"):
        assert chunks[-1].get(key) == body.get(key)


def same_choice(head: AnswerHead, streamed: JsonObject, choice: JsonObject) -> None:
    """What a simple client has made of the chunks is what the body says."""
    message, strings = choice["message"], streamed["strings"]
    assert strings.get("content", "") == (message["content"] or "")
    assert strings.get("refusal") == message["refusal"]
    assert strings.get("signature") == message.get("signature")
    if head.reasoning_field:
        assert strings.get(head.reasoning_field) == message.get(head.reasoning_field)
    assert streamed["finish"] == choice["finish_reason"]
    assert streamed["logprobs"] == ((choice["logprobs"] or {}).get("content") or [])
    if head.legacy_functions:
        told = [message["function_call"]] if "function_call" in message else []
    else:
        told = [
            {"id": call["id"], "signature": call.get("signature", ""), **call["function"]}
            for call in message.get("tool_calls", [])
        ]
    assert [{key: call[key] for key in (told[0] if told else call)} for call in streamed["calls"]] == told


@any_answer(100)
@given(heads, answers(), usages)
def test_an_answer_told_late_says_the_same(
    chunks_of: Callable[..., Any], collected: Callable[..., Any], head: AnswerHead, answer: AnyAnswer, usage: Usage
) -> None:
    """Assured delivery: collected whole, then told as frames; to be folded again from them, if need be."""
    events, finishes = answer
    once = folded(events, finishes, usage)
    twice = folded(once.events(), finishes, usage)

    assert json.loads(chat_body(head, twice)) == json.loads(chat_body(head, once))
    chunks = chunks_of(stream_of(head, once.events(), finishes, usage))
    for choice in json.loads(chat_body(head, once))["choices"]:
        same_choice(head, collected(chunks)[choice["index"]], choice)


@any_answer(60)
@given(heads, answers(), usages)
def test_chunks_and_body_are_valid_by_the_public_schema(
    schema: Callable[..., None], chunks_of: Callable[..., Any], head: AnswerHead, answer: AnyAnswer, usage: Usage
) -> None:
    events, finishes = answer
    body = json.loads(chat_body(head, folded(events, finishes, usage)))

    schema("CreateChatCompletionResponse", body)
    for chunk in chunks_of(stream_of(head, events, finishes, usage)):
        schema("CreateChatCompletionStreamResponse", chunk)


@any_answer(60)
@given(heads, answers(max_choices=1), usages)
def test_the_official_client_reads_stream_and_body_alike(
    chunks_of: Callable[..., Any], head: AnswerHead, answer: AnyAnswer, usage: Usage
) -> None:
    """Its own types take every chunk and the body, and its own accumulation of the chunks gives the body."""
    events, finishes = answer
    body = ChatCompletion.model_validate(json.loads(chat_body(head, folded(events, finishes, usage))), strict=True)
    state = ChatCompletionStreamState()
    for chunk in chunks_of(stream_of(head, events, finishes, usage)):
        state.handle_chunk(ChatCompletionChunk.model_validate(chunk, strict=True))
    read = state.current_completion_snapshot

    assert (read.id, read.model, len(read.choices)) == (body.id, body.model, len(body.choices))
    by_index = {choice.index: choice for choice in read.choices}
    for told in body.choices:
        choice = by_index[told.index]
        assert (choice.message.content or "") == (told.message.content or "")
        assert (choice.message.refusal, choice.finish_reason) == (told.message.refusal, told.finish_reason)
        assert choice.message.role == "assistant"
        calls, told_calls = choice.message.tool_calls or [], told.message.tool_calls or []
        assert [call_fields(call.to_dict()) for call in calls] == [call_fields(call.to_dict()) for call in told_calls]
        assert choice.message.function_call == told.message.function_call


def call_fields(call: JsonObject) -> tuple[str, str, str]:
    return call["id"], call["function"]["name"], call["function"]["arguments"]


def test_the_official_client_reads_several_choices(
    chunks_of: Callable[..., Any], head: AnswerHead, usage: Usage
) -> None:
    events: list[StreamEvent] = [
        TextDelta("a", 0),
        TextDelta("x", 1),
        ToolCallDelta(0, "call_b", "f", "{}", 1),
        TextDelta("b", 0),
    ]
    state = ChatCompletionStreamState()
    for chunk in chunks_of(stream_of(head, events, {0: "stop", 1: "tool_calls"}, usage)):
        state.handle_chunk(ChatCompletionChunk.model_validate(chunk, strict=True))

    first, second = state.current_completion_snapshot.choices
    assert (first.message.content, first.finish_reason) == ("ab", "stop")
    assert (second.message.content, second.finish_reason) == ("x", "tool_calls")


@any_answer(100)
@given(st.lists(texts, max_size=5))
def test_replacing_surrogates_does_not_depend_on_where_text_is_cut(pieces: list[str]) -> None:
    """A pair that is cut in two is two replacement characters, in the stream as in the body."""
    whole = SURROGATES.sub(REPLACEMENT, "".join(pieces))

    assert "".join(SURROGATES.sub(REPLACEMENT, piece) for piece in pieces) == whole


@pytest.mark.deep
def test_the_laws_hold_for_many_more_answers(request: pytest.FixtureRequest) -> None:
    """Runs this file again with more examples."""
    import subprocess
    import sys

    env = {**os.environ, "HYPOTHESIS_EXAMPLES": "3000"}
    command = [sys.executable, "-m", "pytest", "-q", "-m", "not deep", str(request.path)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)  # noqa: S603 - our own tests
    assert done.returncode == 0, done.stdout
