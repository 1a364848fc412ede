"""Unknown keys of an upstream: merged back, never in place of what the renderer owns."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from proxy.wire.answer import Answer, AnswerHead, ChatFrames, chat_body
from proxy.wire.answer.extras import OWNED, accumulate
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

TOKEN = {"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}


def told_chunks(head: AnswerHead, chunks_of: Callable[..., Any], *events: StreamEvent) -> list[dict[str, Any]]:
    chunks: list[dict[str, Any]] = chunks_of(ChatFrames(head).frames(events), done=False)
    return chunks


def told_body(head: AnswerHead, *events: StreamEvent) -> dict[str, Any]:
    answer = Answer()
    answer.fold([*events, Finished("stop"), Usage(1, 1, 2)])
    body: dict[str, Any] = json.loads(chat_body(head, answer))
    return body


ALL = Extras({"provider": "p"}, {"stop_reason": None}, {"audio": {"id": "au"}})


@pytest.mark.parametrize(
    "event",
    [
        TextDelta("a", 0, ALL),
        TextDelta("a" * 20_000, 0, ALL),
        ReasoningDelta("a", 0, ALL),
        RefusalDelta("a", 0, ALL),
        ToolCallDelta(0, "c", "f", "{}", 0, ALL),
    ],
)
def test_extras_leave_once_in_the_first_frame_that_the_event_becomes(
    head: AnswerHead, chunks_of: Callable[..., Any], event: StreamEvent
) -> None:
    role, first, *rest = told_chunks(head, chunks_of, event)

    assert (first["provider"], first["choices"][0]["stop_reason"]) == ("p", None)
    assert first["choices"][0]["delta"]["audio"] == {"id": "au"}
    assert list(first) == ["id", "object", "created", "model", "choices", "provider"]
    assert list(first["choices"][0]) == ["index", "delta", "logprobs", "finish_reason", "stop_reason"]
    assert not any(key in json.dumps(chunk) for chunk in [role, *rest] for key in ("provider", "stop_reason", "audio"))


def test_extras_come_after_usage(head: AnswerHead, chunks_of: Callable[..., Any]) -> None:
    _, first = told_chunks(head._replace(include_usage=True), chunks_of, TextDelta("a", 0, ALL))

    assert list(first) == ["id", "object", "created", "model", "choices", "usage", "provider"]


def test_what_the_renderer_owns_is_never_overridden(head: AnswerHead, chunks_of: Callable[..., Any]) -> None:
    theirs = dict.fromkeys(OWNED, "theirs")
    extras = Extras(theirs, theirs, theirs)
    plain = told_chunks(head, chunks_of, TextDelta("a"))

    assert told_chunks(head, chunks_of, TextDelta("a", 0, extras)) == plain
    assert told_body(head, TextDelta("a", 0, extras)) == told_body(head, TextDelta("a"))


@pytest.mark.parametrize(
    ("fingerprint", "tier"), [("", ""), (None, None), (7, {}), ([], "ultra"), ({}, 3), (True, ["auto"])]
)
def test_fingerprint_and_tier_are_told_only_as_the_schema_has_them(
    head: AnswerHead, chunks_of: Callable[..., Any], fingerprint: Any, tier: Any
) -> None:
    """Never null, never empty, never a word that makes a checking client refuse the answer."""
    extras = Extras({"system_fingerprint": fingerprint, "service_tier": tier})

    assert told_chunks(head, chunks_of, TextDelta("a", 0, extras)) == told_chunks(head, chunks_of, TextDelta("a"))
    assert told_body(head, TextDelta("a", 0, extras)) == told_body(head, TextDelta("a"))


def test_fingerprint_and_tier_once_known_are_in_every_chunk(
    head: AnswerHead, usage: Usage, chunks_of: Callable[..., Any]
) -> None:
    """Clients read them from the first chunk, or from the last."""
    frames = ChatFrames(head._replace(include_usage=True))
    extras = Extras({"system_fingerprint": "fp_1", "service_tier": "default", "provider": "p"})
    told = frames.frames([TextDelta("a", 0, extras), TextDelta("b"), ToolCallDelta(0, "c", "f", "")])
    chunks = chunks_of(told + frames.closing({0: "stop"}, usage))

    assert {chunk["system_fingerprint"] for chunk in chunks} == {"fp_1"}
    assert {chunk["service_tier"] for chunk in chunks} == {"default"}
    assert [chunk.get("provider") for chunk in chunks] == [None, "p", *[None] * (len(chunks) - 2)]
    body = told_body(head, TextDelta("a", 0, extras), TextDelta("b"))
    assert (body["system_fingerprint"], body["service_tier"], body["provider"]) == ("fp_1", "default", "p")


def test_constant_extras_are_encoded_once(head: AnswerHead, monkeypatch: pytest.MonkeyPatch) -> None:
    """Most upstreams send the same fingerprint in each of a thousand chunks."""
    made: list[Extras] = []

    def look(extras: Extras) -> dict[str, Any]:
        made.append(extras)
        return dict(extras.chunk or {})

    monkeypatch.setattr("proxy.wire.answer.frame_ends.chunk_members", look)
    extras = Extras({"system_fingerprint": "fp_1"})
    told = ChatFrames(head).frames([TextDelta("a", 0, extras) for _ in range(100)])

    assert (len(made), told.count(b"fp_1")) == (1, 101)


def test_extras_without_a_delta_get_a_frame_of_their_own(head: AnswerHead, chunks_of: Callable[..., Any]) -> None:
    chunks = told_chunks(head, chunks_of, TextDelta("a"), ChoiceExtras(Extras({"timings": {"ms": 3}}, None, None)))

    assert chunks[-1]["timings"] == {"ms": 3}
    assert chunks[-1]["choices"] == [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": None}]


def test_extras_before_the_first_delta_wait_for_it(head: AnswerHead, chunks_of: Callable[..., Any]) -> None:
    """They are no delta: status and headers stay back, and a call that comes first still makes content null."""
    frames = ChatFrames(head)
    early = ChoiceExtras(Extras({"prompt_ids": [1]}, {"filter": "ok"}, {"x": 1}))

    assert frames.frames([early]) == b""
    assert not frames.emitted
    role, waited, call = chunks_of(frames.frames([ToolCallDelta(0, "c", "f", "")]), done=False)
    assert role["choices"][0]["delta"]["content"] is None
    assert waited["choices"] == [
        {"index": 0, "delta": {"x": 1}, "logprobs": None, "finish_reason": None, "filter": "ok"}
    ]
    assert (waited["prompt_ids"], "prompt_ids" in call) == ([1], False)


def test_extras_before_a_finish_alone_leave_with_the_closing(
    head: AnswerHead, usage: Usage, chunks_of: Callable[..., Any]
) -> None:
    frames = ChatFrames(head)
    frames.frames([ChoiceExtras(Extras({"timings": 1}))])

    assert [chunk.get("timings") for chunk in chunks_of(frames.closing({0: "stop"}, usage))] == [None, 1, None]


def test_extras_that_say_nothing_new_get_no_frame(head: AnswerHead) -> None:
    frames = ChatFrames(head)
    frames.frames([TextDelta("a")])

    assert frames.frames([ChoiceExtras(Extras({"system_fingerprint": "fp_1"}, {"index": 0}, {"role": "x"}))]) == b""
    assert frames.frames([ToolCallDelta(0, "c", "f", "")]).count(b"fp_1") == 1


def test_extras_survive_where_their_delta_is_not_told(head: AnswerHead, chunks_of: Callable[..., Any]) -> None:
    """Reasoning that is off, a second legacy call, a piece of arguments that is empty."""
    extras = Extras(None, {"logprobs": {"content": [TOKEN]}}, None)
    off = told_chunks(head._replace(reasoning_field=None), chunks_of, TextDelta("a"), ReasoningDelta("b", 0, extras))
    legacy = told_chunks(
        head._replace(legacy_functions=True),
        chunks_of,
        ToolCallDelta(0, "c", "f", "{}"),
        ToolCallDelta(1, "d", "g", "{}", 0, extras),
    )
    empty = told_chunks(head, chunks_of, ToolCallDelta(0, "c", "f", ""), ToolCallDelta(0, None, None, "", 0, extras))

    for chunks in (off, legacy, empty):
        assert chunks[-1]["choices"][0]["logprobs"] == {"content": [TOKEN], "refusal": None}
        assert chunks[-1]["choices"][0]["delta"] == {}


def test_extras_of_a_call_are_told_beside_it_and_joined_in_the_body(
    head: AnswerHead, chunks_of: Callable[..., Any]
) -> None:
    """Signatures that the caller must send back with the call."""
    events: list[StreamEvent] = [
        ToolCallDelta(0, "c", "f", "{", 0, Extras(call={"signature": "a", "id": "theirs", "type": "theirs"})),
        ToolCallDelta(0, None, None, "}", 0, Extras(call={"signature": "b"})),
        ToolCallDelta(0, None, None, "", 0, Extras(call={"signature": "c", "function": "theirs"})),
    ]
    chunks = told_chunks(head, chunks_of, *events)[1:]

    assert [chunk["choices"][0]["delta"]["tool_calls"][0] for chunk in chunks] == [
        {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": ""}, "signature": "a"},
        {"index": 0, "function": {"arguments": "{"}},
        {"index": 0, "function": {"arguments": ""}, "signature": "b"},
        {"index": 0, "function": {"arguments": "}"}},
        {"index": 0, "function": {"arguments": ""}, "signature": "c"},
    ]
    assert told_body(head, *events)["choices"][0]["message"]["tool_calls"] == [
        {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}, "signature": "abc"}
    ]


def test_extras_of_a_later_piece_of_arguments_leave_once(head: AnswerHead, chunks_of: Callable[..., Any]) -> None:
    extras = Extras({"provider": "p"}, {"stop_reason": "x"}, {"n": 1})
    events = [ToolCallDelta(0, "c", "f", "{"), ToolCallDelta(0, None, None, "}", 0, extras)]
    *_, before, last = told_chunks(head, chunks_of, *events)

    assert "provider" not in before
    assert last["choices"][0]["delta"].keys() == {"tool_calls", "n"}


def test_extras_of_a_custom_call_are_told_in_its_form(head: AnswerHead, chunks_of: Callable[..., Any]) -> None:
    events: list[StreamEvent] = [
        ToolCallDelta(0, "c", "f", "", kind="custom"),
        ToolCallDelta(0, None, None, "", 0, Extras(call={"k": 1}), "custom"),
    ]

    assert told_chunks(head, chunks_of, *events)[-1]["choices"][0]["delta"]["tool_calls"] == [
        {"index": 0, "custom": {"input": ""}, "k": 1}
    ]


def test_a_legacy_call_has_no_place_for_extras_of_a_call(head: AnswerHead, chunks_of: Callable[..., Any]) -> None:
    legacy = head._replace(legacy_functions=True)
    chunks = told_chunks(legacy, chunks_of, ToolCallDelta(0, "c", "f", "{}", 0, Extras(call={"signature": "a"})))

    assert "signature" not in json.dumps(chunks)


def test_log_probabilities_are_told_in_the_choice_and_joined_in_the_body(
    head: AnswerHead, chunks_of: Callable[..., Any]
) -> None:
    events: list[StreamEvent] = [
        TextDelta("a", 0, Extras(None, {"logprobs": {"content": [TOKEN]}})),
        TextDelta("b"),
        TextDelta("c", 0, Extras(None, {"logprobs": {"content": [TOKEN, TOKEN], "refusal": None}})),
        RefusalDelta("d", 0, Extras(None, {"logprobs": {"content": None, "refusal": [TOKEN]}})),
        RefusalDelta("e", 0, Extras(None, {"logprobs": {"refusal": [TOKEN]}})),
    ]
    _, *chunks = told_chunks(head, chunks_of, *events)

    assert [chunk["choices"][0]["logprobs"] for chunk in chunks] == [
        {"content": [TOKEN], "refusal": None},
        None,
        {"content": [TOKEN, TOKEN], "refusal": None},
        {"content": None, "refusal": [TOKEN]},
        {"content": None, "refusal": [TOKEN]},
    ]
    assert told_body(head, *events)["choices"][0]["logprobs"] == {"content": [TOKEN] * 3, "refusal": [TOKEN] * 2}


def test_log_probabilities_with_gaps_are_filled_to_the_schema(
    head: AnswerHead, schema: Callable[..., None], chunks_of: Callable[..., Any]
) -> None:
    sloppy = {"content": [{"token": "a", "top_logprobs": [{"token": "b"}, 7]}, None, {"token": "c"}]}
    chunks = told_chunks(head, chunks_of, TextDelta("a", 0, Extras(None, {"logprobs": sloppy})))

    schema("CreateChatCompletionStreamResponse", chunks[1])
    assert chunks[1]["choices"][0]["logprobs"]["content"] == [
        {
            "token": "a",
            "logprob": -9999.0,
            "bytes": None,
            "top_logprobs": [{"token": "b", "logprob": -9999.0, "bytes": None}],
        },
        {"token": "c", "logprob": -9999.0, "bytes": None, "top_logprobs": []},
    ]


@pytest.mark.parametrize("given", [None, [], "x", {}, {"content": None}, {"tokens": ["a"], "token_logprobs": [-1]}])
def test_log_probabilities_of_another_shape_are_null(
    head: AnswerHead, chunks_of: Callable[..., Any], given: Any
) -> None:
    event = TextDelta("a", 0, Extras(None, {"logprobs": given}))

    assert told_chunks(head, chunks_of, event)[1]["choices"][0]["logprobs"] is None
    assert told_body(head, event)["choices"][0]["logprobs"] is None


def test_unknown_keys_of_deltas_add_up_in_the_body_as_official_clients_add_them(head: AnswerHead) -> None:
    told = told_body(
        head,
        TextDelta(
            "a", 0, Extras(None, None, {"audio": {"id": "au", "data": "AA"}, "details": [{"index": 0, "t": "x"}]})
        ),
        TextDelta("b", 0, Extras(None, None, {"audio": {"data": "BB", "expires_at": 5}, "annotations": [{"n": 1}]})),
        TextDelta("c", 0, Extras(None, None, {"details": [{"index": 0, "t": "y"}, {"index": 1, "t": "z"}]})),
        TextDelta("d", 0, Extras(None, None, {"audio": None, "annotations": [{"n": 2}]})),
    )["choices"][0]["message"]

    assert told["audio"] == {"id": "au", "data": "AABB", "expires_at": 5}
    assert told["details"] == [{"index": 0, "t": "xy"}, {"index": 1, "t": "z"}]
    assert told["annotations"] == [{"n": 1}, {"n": 2}]


def test_accumulating_changes_no_object_of_the_upstreams() -> None:
    """The same object is still to be told as a frame."""
    first, second = {"a": [{"index": 0, "t": "x"}], "o": {"s": "1"}}, {"a": [{"index": 0, "t": "y"}], "o": {"s": "2"}}
    total: dict[str, Any] = {}
    accumulate(total, first)
    accumulate(total, second)

    assert total == {"a": [{"index": 0, "t": "xy"}], "o": {"s": "12"}}
    assert first == {"a": [{"index": 0, "t": "x"}], "o": {"s": "1"}}


def test_types_and_other_kinds_are_replaced_not_joined() -> None:
    total = {"type": "a", "n": 1, "mixed": "s"}
    accumulate(total, {"type": "b", "n": 2, "mixed": ["l"]})

    assert total == {"type": "b", "n": 2, "mixed": ["l"]}


def test_keys_of_chunk_and_choice_are_told_in_the_body_as_last_heard(head: AnswerHead) -> None:
    told = told_body(
        head,
        TextDelta("a", 0, Extras({"provider": "p", "n": 1}, {"stop_reason": None})),
        TextDelta("b", 0, Extras({"n": 2}, {"stop_reason": "eos"})),
    )

    assert (told["provider"], told["n"], told["choices"][0]["stop_reason"]) == ("p", 2, "eos")


@pytest.mark.parametrize("odd", [2**70, "\ud800", {"k\u2028": ["\u2029", {"x": "\udfff"}]}, [2**64, float("inf")]])
def test_odd_values_of_an_upstream_never_break_a_frame(
    head: AnswerHead, frames_of: Callable[..., Any], odd: Any
) -> None:
    told = ChatFrames(head).frames([TextDelta("a", 0, Extras({"odd": odd}, {"odd": odd}, {"odd": odd}))])

    chunk = json.loads(frames_of(told)[1], parse_constant=pytest.fail)
    assert "odd" in chunk
