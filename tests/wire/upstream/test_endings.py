"""How an answer ends: whole, cut off, never begun, empty; and that none of these is taken for another."""

from collections.abc import Callable
from typing import Any

import pytest

from proxy.errors import (
    UpstreamDisconnected,
    UpstreamFailed,
    UpstreamProtocolError,
    UpstreamTruncated,
)
from proxy.wire.events import Finished, TextDelta, ToolCallDelta, Usage
from proxy.wire.upstream import ChunkReader

Play = Callable[..., Any]

DONE = "[DONE]"
USAGE = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}
ROLE = {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}]}
TEXT = {"id": "x", "choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": None}]}
STOP = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
COUNTS = {"choices": [], "usage": USAGE}


def call(arguments: str) -> dict[str, Any]:
    fragment = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}}
    return {"choices": [{"index": 0, "delta": {"tool_calls": [fragment]}, "finish_reason": None}]}


@pytest.mark.parametrize("silence", [b"", b"\n\n", b"id: 1\n\nretry: 5\n\n", b'data: {"id"', b"\xef\xbb"])
def test_the_end_before_any_event_is_a_disconnect(play: Play, silence: bytes) -> None:
    outcome = play(silence)
    assert type(outcome.failure) is UpstreamDisconnected
    assert not outcome.had_events


@pytest.mark.parametrize(
    "item",
    [b": ping\n", b"data:\n\n", "noise", ROLE, TEXT, call("{}"), b'data: {"choices":[{"delta":{"content":"a"}}]}'],
)
def test_the_end_after_events_is_a_truncated_answer(play: Play, item: Any) -> None:
    outcome = play(item)
    assert type(outcome.failure) is UpstreamTruncated
    assert outcome.had_events


def test_events_before_the_cut_are_told(play: Play) -> None:
    outcome = play(TEXT, TEXT, b'data: {"choices":[{"delta":{"content":"lo')
    assert (outcome.text, type(outcome.failure)) == ("aa", UpstreamTruncated)


def test_the_end_mark_alone_means_stop(play: Play) -> None:
    assert play(TEXT, DONE, eof=False).events[1:] == [TextDelta("a"), Finished("stop")]


@pytest.mark.parametrize("mark", ["[DONE]", " [DONE] ", "[DONE]\t"])
def test_the_end_mark_is_trimmed_and_the_rest_is_ignored(play: Play, mark: str) -> None:
    outcome = play(TEXT, STOP, mark, TEXT, "{broken", b"data: " + b"x" * 999, max_event_bytes=500)
    assert (outcome.complete, outcome.failure, outcome.text, outcome.finish) == (True, None, "a", ["stop"])
    assert outcome.anomalies == {}


@pytest.mark.parametrize("eof", [True, False])
def test_the_last_event_counts_without_its_blank_line_if_it_is_the_end_mark(play: Play, eof: Any) -> None:
    outcome = play(TEXT, b"data: [DONE]", eof=eof)
    assert outcome.complete is eof


@pytest.mark.parametrize("end", [b"", b"\n", b"\r"])
def test_the_last_event_counts_without_its_blank_line_if_it_is_one_whole_object(play: Play, end: bytes) -> None:
    outcome = play(b'data: {"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}' + end)
    assert outcome.events == [TextDelta("a"), Finished("stop")]


@pytest.mark.parametrize("end", [b"data: {", b"data: noise", b"data: {}{}", b"data: []", b"event: error\ndata: x"])
def test_any_other_pending_event_is_dropped(play: Play, end: bytes) -> None:
    assert play(TEXT, STOP, end).complete
    assert type(play(TEXT, end).failure) is UpstreamTruncated


def test_a_finish_waits_for_usage_or_the_end_mark(play: Play) -> None:
    outcome = play(TEXT, STOP, eof=False)
    assert (outcome.finishing, outcome.complete, outcome.finish) == (True, False, [])


def test_a_finish_is_whole_at_the_end_of_bytes(play: Play) -> None:
    outcome = play(TEXT, STOP)
    assert (outcome.finishing, outcome.complete, outcome.finish) == (False, True, ["stop"])


def test_usage_after_the_finish_completes_the_answer_at_once(play: Play) -> None:
    """Nothing more can be due, so nobody waits for an end mark that may never come."""
    outcome = play(TEXT, STOP, COUNTS, eof=False)
    assert (outcome.complete, outcome.finishing) == (True, False)
    assert outcome.events[-2:] == [Usage(9, 2, 11), Finished("stop")]


@pytest.mark.parametrize("reason", [None, "", "null"])
def test_so_does_usage_beside_an_empty_delta(play: Play, reason: Any) -> None:
    chunk = {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}], "usage": USAGE}
    assert play(TEXT, STOP, chunk, eof=False).complete


def test_usage_beside_more_text_does_not(play: Play) -> None:
    assert play(TEXT, STOP, TEXT | {"usage": USAGE}, eof=False).finishing


def test_usage_with_the_finish_waits_since_it_may_not_be_the_last(play: Play) -> None:
    """Servers that count in every chunk put a finish reason into every chunk as well."""
    outcome = play(TEXT, STOP | {"usage": USAGE}, eof=False)
    assert outcome.finishing


def test_not_every_choice_finished_is_not_finishing(play: Play) -> None:
    outcome = play(TEXT, STOP, COUNTS, eof=False, n=2)
    assert (outcome.finishing, outcome.complete) == (False, False)


def test_the_end_of_bytes_before_every_choice_finished_is_a_truncated_answer(play: Play) -> None:
    assert type(play(TEXT, STOP, n=2).failure) is UpstreamTruncated


def test_the_end_mark_before_every_choice_began_is_the_upstreams_word_and_counted(play: Play) -> None:
    outcome = play(TEXT, STOP, DONE, n=3)
    assert (outcome.finish, outcome.anomalies) == (["stop"], {"choices_missing": 2})


def test_settling_gives_the_final_events_once(make_call_id: Callable[[], str]) -> None:
    reader = ChunkReader(max_event_bytes=1000, make_call_id=make_call_id)
    assert reader.settle() == []
    reader.feed(b'data: {"choices":[{"delta":{"content":"a"},"finish_reason":"length"}]}\n\n')
    assert reader.settle() == [Finished("length")]
    assert (reader.complete, reader.settle(), reader.end(), reader.feed(b"data: x\n\n")) == (True, [], [], [])


def test_settling_tells_a_fault_as_one(make_call_id: Callable[[], str]) -> None:
    reader = ChunkReader(max_event_bytes=1000, make_call_id=make_call_id)
    reader.feed(b'data: {"choices":[{"delta":{"tool_calls":[{"index":0}]},"finish_reason":"stop"}]}\n\n')
    assert reader.settle() == []
    assert isinstance(reader.failure, UpstreamProtocolError)


def test_after_a_failure_nothing_is_told(make_call_id: Callable[[], str]) -> None:
    reader = ChunkReader(max_event_bytes=1000, make_call_id=make_call_id)
    reader.feed(b"data: {broken\n\n")
    failure = reader.failure
    assert (reader.feed(b"data: [DONE]\n\n"), reader.settle(), reader.end()) == ([], [], [])
    assert reader.failure is failure
    assert (reader.complete, reader.finishing) == (False, False)


@pytest.mark.parametrize("arguments", ["{", '{"a', '{"a":"}', '{"a":[1]', '"x', '{"a":"\\'])
def test_the_end_mark_inside_a_call_is_a_truncated_answer(play: Play, arguments: str) -> None:
    outcome = play(call(arguments), DONE)
    assert type(outcome.failure) is UpstreamTruncated
    assert outcome.finish == []


@pytest.mark.parametrize("arguments", ["", "{}", '{"a":"{"}', '{"a":"\\""}', "null"])
def test_the_end_mark_after_whole_calls_is_the_end(play: Play, arguments: str) -> None:
    assert play(call(arguments), DONE).finish == ["stop"]


@pytest.mark.parametrize("reason", ["length", "tool_calls", "stop"])
def test_a_finish_reason_inside_a_call_is_told_as_it_came(play: Play, reason: str) -> None:
    """What becomes of it is settled when all calls are known."""
    outcome = play(call("{"), {"choices": [{"delta": {}, "finish_reason": reason}]})
    assert (outcome.finish, outcome.failure) == ([reason], None)


@pytest.mark.parametrize("word", ["error", "FAILED", "abort", "cancelled", "insufficient_system_resource"])
def test_a_finish_reason_that_means_failure_is_an_error(play: Play, word: str) -> None:
    outcome = play(TEXT, {"choices": [{"delta": {"content": "b"}, "finish_reason": word}]}, DONE)
    assert type(outcome.failure) is UpstreamFailed
    assert (outcome.text, outcome.finish) == ("ab", [])


def test_malformed_json_is_an_error_and_never_skipped(play: Play) -> None:
    """A lost chunk is lost text."""
    outcome = play(TEXT, '{"choices":[}', TEXT, STOP, DONE)
    assert (type(outcome.failure), outcome.text) == (UpstreamProtocolError, "a")


def test_a_fault_between_finish_and_end_is_one(play: Play) -> None:
    outcome = play(TEXT, STOP, "{broken", DONE)
    assert (type(outcome.failure), outcome.finish) == (UpstreamProtocolError, [])


def test_what_a_chunk_said_before_its_fault_is_told(play: Play) -> None:
    chunk = {"choices": [{"index": 0, "delta": {"content": "a"}}, {"index": 9}]}
    outcome = play(chunk, n=2)
    assert (outcome.text, type(outcome.failure)) == ("a", UpstreamProtocolError)


def test_calls_are_told_as_they_come(play: Play) -> None:
    outcome = play(call("{"), eof=False)
    assert outcome.events == [ToolCallDelta(0, "c", "f", "{")]
