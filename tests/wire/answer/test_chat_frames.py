"""The frames of a streamed chat completion, chunk by chunk."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from proxy.errors import UpstreamProtocolError
from proxy.wire.answer import DONE, PING, AnswerHead, ChatFrames
from proxy.wire.events import (
    Finished,
    Opened,
    ReasoningDelta,
    RefusalDelta,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    Usage,
)

START = (
    b'data: {"id":"chatcmpl-3f9a0c7e51d24b6c8e0f7a1b2c3d4e5f","object":"chat.completion.chunk","created":1790000000,'
)
START += b'"model":"demo-large",'


def choice_chunk(delta: bytes, finish: bytes = b"null", after: bytes = b"", index: int = 0) -> bytes:
    return b'%b"choices":[{"index":%d,"delta":%b,"logprobs":null,"finish_reason":%b}]%b}\n\n' % (
        START,
        index,
        delta,
        finish,
        after,
    )


ROLE = choice_chunk(b'{"role":"assistant","content":"","refusal":null}')
CALL_ROLE = choice_chunk(b'{"role":"assistant","content":null,"refusal":null}')


def deltas(chunks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [chunk["choices"][0]["delta"] for chunk in chunks]


def test_a_text_answer_is_told_byte_for_byte_like_this(head: AnswerHead, usage: Usage) -> None:
    """Key order and absence of blanks are part of the promise: some clients compare strings."""
    frames = ChatFrames(head)

    assert frames.frames([Opened({"id": "theirs"}), TextDelta("Hel"), TextDelta("lo.")]) == (
        ROLE + choice_chunk(b'{"content":"Hel"}') + choice_chunk(b'{"content":"lo."}')
    )
    assert frames.frames([Finished("stop"), usage]) == b""
    assert frames.closing({0: "stop"}, usage) == choice_chunk(b"{}", b'"stop"') + DONE


def test_a_tool_call_with_usage_is_told_byte_for_byte_like_this(head: AnswerHead, usage: Usage) -> None:
    frames = ChatFrames(head._replace(include_usage=True))
    no_usage = b',"usage":null'
    call = b'{"tool_calls":[{"index":0,"id":"call_Xk2","type":"function","function":{"name":"now","arguments":""}}]}'
    arguments = b'{"tool_calls":[{"index":0,"function":{"arguments":"{\\"zone\\":\\"UTC\\"}"}}]}'

    told = frames.frames([ToolCallDelta(0, "call_Xk2", "now", ""), ToolCallDelta(0, None, None, '{"zone":"UTC"}')])
    told += frames.closing({0: "tool_calls"}, usage)

    assert told == (
        choice_chunk(b'{"role":"assistant","content":null,"refusal":null}', after=no_usage)
        + choice_chunk(call, after=no_usage)
        + choice_chunk(arguments, after=no_usage)
        + choice_chunk(b"{}", b'"tool_calls"', no_usage)
        + START
        + b'"choices":[],"usage":{"prompt_tokens":31,"completion_tokens":12,"total_tokens":43}}\n\n'
        + b"data: [DONE]\n\n"
    )


def test_nothing_is_emitted_before_the_first_delta(head: AnswerHead, usage: Usage) -> None:
    """Until then another attempt is lawful."""
    frames = ChatFrames(head)

    assert frames.frames([Opened({"id": "x"}), usage]) == b""
    assert not frames.emitted
    frames.frames([TextDelta("a")])
    assert frames.emitted


def test_role_comes_once_per_choice_directly_before_its_first_chunk(
    head: AnswerHead, chunks_of: Callable[..., Any]
) -> None:
    frames = ChatFrames(head)
    told = frames.frames([TextDelta("a", 1), TextDelta("b", 0), TextDelta("c", 1), RefusalDelta("d", 0)])

    assert [(c["choices"][0]["index"], *c["choices"][0]["delta"]) for c in chunks_of(told, done=False)] == [
        (1, "role", "content", "refusal"),
        (1, "content"),
        (0, "role", "content", "refusal"),
        (0, "content"),
        (1, "content"),
        (0, "refusal"),
    ]


@pytest.mark.parametrize(
    ("first", "content"),
    [(TextDelta("a"), ""), (ReasoningDelta("a"), ""), (RefusalDelta("a"), ""), (ToolCallDelta(0, "c", "f", ""), None)],
)
def test_content_of_the_role_chunk_is_null_only_before_a_tool_call(
    head: AnswerHead, chunks_of: Callable[..., Any], first: StreamEvent, content: str | None
) -> None:
    """A null there tells clients that no text is to be expected."""
    role, *_ = deltas(chunks_of(ChatFrames(head).frames([first]), done=False))

    assert role == {"role": "assistant", "content": content, "refusal": None}


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_is_told_under_the_configured_name(
    head: AnswerHead, chunks_of: Callable[..., Any], field: str
) -> None:
    told = ChatFrames(head._replace(reasoning_field=field)).frames([ReasoningDelta("hm")])

    assert deltas(chunks_of(told, done=False))[1] == {field: "hm"}


def test_reasoning_that_is_off_leaves_nothing(head: AnswerHead) -> None:
    frames = ChatFrames(head._replace(reasoning_field=None))

    assert frames.frames([ReasoningDelta("hm")]) == b""
    assert not frames.emitted


def test_each_call_is_opened_once_and_a_chunk_tells_one_call(head: AnswerHead, chunks_of: Callable[..., Any]) -> None:
    """Official clients join repeated ids and names."""
    events = [
        ToolCallDelta(0, "call_a", "f", '{"x":'),
        ToolCallDelta(1, "call_b", "g", ""),
        ToolCallDelta(0, None, None, "1}"),
        ToolCallDelta(1, None, None, "[]"),
        ToolCallDelta(1, None, None, ""),
    ]
    calls = [d["tool_calls"] for d in deltas(chunks_of(ChatFrames(head).frames(events), done=False))[1:]]

    assert calls == [
        [{"index": 0, "id": "call_a", "type": "function", "function": {"name": "f", "arguments": ""}}],
        [{"index": 0, "function": {"arguments": '{"x":'}}],
        [{"index": 1, "id": "call_b", "type": "function", "function": {"name": "g", "arguments": ""}}],
        [{"index": 0, "function": {"arguments": "1}"}}],
        [{"index": 1, "function": {"arguments": "[]"}}],
    ]


def test_a_call_without_arguments_gets_one_empty_object_at_the_end(
    head: AnswerHead, usage: Usage, chunks_of: Callable[..., Any]
) -> None:
    frames = ChatFrames(head)
    frames.frames([ToolCallDelta(0, "a", "f", ""), ToolCallDelta(1, "b", "g", "{}"), ToolCallDelta(2, "c", "h", "")])
    *empty, finish = deltas(chunks_of(frames.closing({0: "tool_calls"}, usage)))

    assert finish == {}
    assert [d["tool_calls"] for d in empty] == [
        [{"index": 0, "function": {"arguments": "{}"}}],
        [{"index": 2, "function": {"arguments": "{}"}}],
    ]


def test_the_129th_call_is_a_fault_of_the_upstream(head: AnswerHead) -> None:
    frames = ChatFrames(head)
    frames.frames([ToolCallDelta(index, f"call_{index}", "f", "{}") for index in range(128)])

    with pytest.raises(UpstreamProtocolError):
        frames.frames([ToolCallDelta(128, "call_128", "f", "{}")])


def test_functions_are_answered_by_the_first_call_as_function_call(
    head: AnswerHead, usage: Usage, chunks_of: Callable[..., Any]
) -> None:
    """Legacy in, legacy out: such a client knows nothing of indices and ids."""
    frames = ChatFrames(head._replace(legacy_functions=True))
    told = frames.frames(
        [
            ToolCallDelta(0, "a", "f", ""),
            ToolCallDelta(0, None, None, '{"x":1}'),
            ToolCallDelta(1, "b", "g", "{}"),
        ]
    )
    chunks = chunks_of(told + frames.closing({0: "tool_calls"}, usage))

    assert deltas(chunks) == [
        {"role": "assistant", "content": None, "refusal": None},
        {"function_call": {"name": "f", "arguments": ""}},
        {"function_call": {"arguments": '{"x":1}'}},
        {},
    ]
    assert chunks[-1]["choices"][0]["finish_reason"] == "function_call"


def test_a_legacy_call_without_arguments_gets_an_empty_object_too(
    head: AnswerHead, usage: Usage, chunks_of: Callable[..., Any]
) -> None:
    frames = ChatFrames(head._replace(legacy_functions=True))
    frames.frames([ToolCallDelta(0, "a", "f", "")])

    assert deltas(chunks_of(frames.closing({0: "tool_calls"}, usage)))[0] == {"function_call": {"arguments": "{}"}}


def test_a_choice_that_said_nothing_still_gets_role_and_finish(
    head: AnswerHead, usage: Usage, chunks_of: Callable[..., Any]
) -> None:
    chunks = chunks_of(ChatFrames(head).closing({0: "stop", 1: "length"}, usage))

    told = [(c["choices"][0]["index"], c["choices"][0]["delta"], c["choices"][0]["finish_reason"]) for c in chunks]
    role = {"role": "assistant", "content": "", "refusal": None}
    assert told == [(0, role, None), (0, {}, "stop"), (1, role, None), (1, {}, "length")]


def test_closing_refuses_to_leave_a_choice_without_finish(head: AnswerHead, usage: Usage) -> None:
    """An answer that is not whole must never get the end mark."""
    frames = ChatFrames(head)
    frames.frames([TextDelta("a", 0), TextDelta("b", 1)])

    with pytest.raises(ValueError, match="finish"):
        frames.closing({0: "stop"}, usage)


def test_usage_is_null_on_every_chunk_until_the_usage_chunk(
    head: AnswerHead, usage: Usage, chunks_of: Callable[..., Any]
) -> None:
    frames = ChatFrames(head._replace(include_usage=True))
    *chunks, last = chunks_of(frames.frames([TextDelta("a")]) + frames.closing({0: "stop"}, usage))

    assert [chunk["usage"] for chunk in chunks] == [None] * 3
    assert (last["choices"], last["usage"]["total_tokens"]) == ([], 43)


def test_without_include_usage_no_chunk_has_the_key(
    head: AnswerHead, usage: Usage, chunks_of: Callable[..., Any]
) -> None:
    frames = ChatFrames(head)
    chunks = chunks_of(frames.frames([TextDelta("a")]) + frames.closing({0: "stop"}, usage))

    assert not any("usage" in chunk for chunk in chunks)


def test_estimated_usage_says_so_in_the_usage_chunk(head: AnswerHead, chunks_of: Callable[..., Any]) -> None:
    frames = ChatFrames(head._replace(include_usage=True))

    *_, last = chunks_of(frames.closing({0: "stop"}, Usage(1, 2, 3, estimated=True)))
    assert last["usage"] == {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3, "estimated": True}


@pytest.mark.parametrize("text", ["x" * 16_385, "é" * 9_000, "你" * 20_000, "🦊" * 4_097, '"\n' * 20_000])
@pytest.mark.parametrize("kind", ["text", "reasoning", "refusal", "arguments"])
def test_what_is_over_16_kib_is_cut_at_code_points(
    head: AnswerHead, chunks_of: Callable[..., Any], frames_of: Callable[..., Any], text: str, kind: str
) -> None:
    """Clients exist whose lines end at 64 KiB."""
    kinds: dict[str, StreamEvent] = {
        "text": TextDelta(text),
        "reasoning": ReasoningDelta(text),
        "refusal": RefusalDelta(text),
        "arguments": ToolCallDelta(0, "c", "f", text),
    }
    told = ChatFrames(head).frames([kinds[kind]])

    assert all(len(frame.encode()) < 64 * 1024 for frame in frames_of(told))
    pieces: list[str] = []
    for delta in deltas(chunks_of(told, done=False))[1:]:
        calls = delta.get("tool_calls")
        pieces += [calls[0]["function"]["arguments"]] if calls else delta.values()
    pieces = [piece for piece in pieces if piece]
    assert "".join(pieces) == text
    assert len(pieces) > 1
    assert all(len(piece.encode()) <= 16 * 1024 for piece in pieces)


@pytest.mark.parametrize("text", ["x" * 16_384, "你" * 5_461])
def test_what_fits_into_16_kib_stays_in_one_piece(head: AnswerHead, chunks_of: Callable[..., Any], text: str) -> None:
    assert deltas(chunks_of(ChatFrames(head).frames([TextDelta(text)]), done=False))[1:] == [{"content": text}]


def test_line_separators_leave_as_escapes(head: AnswerHead) -> None:
    r"""Clients that split lines as Unicode has it would cut a frame in two."""
    told = ChatFrames(head).frames([TextDelta("a\u0085b\u2028c\u2029d"), ToolCallDelta(0, "c", "f", "\u2028")])

    assert b'"a\\u0085b\\u2028c\\u2029d"' in told
    assert not any(character in told.decode() for character in "\u0085\u2028\u2029")


def test_lone_surrogates_leave_as_replacement_characters(head: AnswerHead, chunks_of: Callable[..., Any]) -> None:
    told = ChatFrames(head).frames([TextDelta("a\ud800b"), TextDelta("\udc00é"), ReasoningDelta("\udfff" * 6_000)])

    _, first, second, *long = deltas(chunks_of(told, done=False))
    assert (first, second) == ({"content": "a\ufffdb"}, {"content": "\ufffdé"})
    assert "".join(delta["reasoning_content"] for delta in long) == "\ufffd" * 6_000


def test_odd_models_and_ids_stay_one_line_of_json(
    head: AnswerHead, usage: Usage, chunks_of: Callable[..., Any]
) -> None:
    odd = head._replace(model='a"\u2028\n', id="chatcmpl-\ud800")
    frames = ChatFrames(odd)

    for chunk in chunks_of(frames.frames([TextDelta("x")]) + frames.closing({0: "stop"}, usage)):
        assert (chunk["model"], chunk["id"]) == (odd.model, "chatcmpl-\ufffd")


def test_the_heartbeat_is_one_line() -> None:
    """A comment and a blank line would be an empty event to an official client."""
    assert PING == b": ping\n"


def test_finish_reasons_leave_as_they_were_settled(head: AnswerHead, usage: Usage) -> None:
    for reason in ("stop", "length", "content_filter", "tool_calls"):
        told = ChatFrames(head).closing({0: reason}, usage)
        assert b'"delta":{},"logprobs":null,"finish_reason":%b' % json.dumps(reason).encode() in told


def test_a_custom_tool_is_called_in_its_own_form(head: AnswerHead, usage: Usage, chunks_of: Callable[..., Any]) -> None:
    """Its input is free text: no `{}` is made up for it."""
    frames = ChatFrames(head)
    told = frames.frames(
        [
            ToolCallDelta(0, "c", "sql", "", kind="custom"),
            ToolCallDelta(0, None, None, "select", kind="custom"),
            ToolCallDelta(1, "d", "sql", "", kind="custom"),
        ]
    )
    _, *calls, finish = deltas(chunks_of(told + frames.closing({0: "tool_calls"}, usage)))

    assert [call["tool_calls"][0] for call in calls] == [
        {"index": 0, "id": "c", "type": "custom", "custom": {"name": "sql", "input": ""}},
        {"index": 0, "custom": {"input": "select"}},
        {"index": 1, "id": "d", "type": "custom", "custom": {"name": "sql", "input": ""}},
    ]
    assert finish == {}
