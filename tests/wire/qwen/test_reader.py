"""The event stream of an answer, read: section by section of what the site sends."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import (
    ConversationLost,
    InsufficientQuota,
    UpstreamContentFiltered,
    UpstreamDisconnected,
    UpstreamEmptyAnswer,
    UpstreamFailed,
    UpstreamOversize,
    UpstreamProtocolError,
    UpstreamRejected,
    UpstreamTruncated,
)
from proxy.wire.events import Finished, Opened, ReasoningDelta, StreamEvent, TextDelta, Usage
from proxy.wire.qwen import AnswerIds, Oddity, QwenReader

CHAT = "c0ffee00-0000-4000-8000-000000000001"
CREATED = {"response.created": {"chat_id": CHAT, "parent_id": "asked", "response_id": "answered"}}
COUNTED = {
    "input_tokens": 21,
    "output_tokens": 2,
    "total_tokens": 23,
    "input_tokens_details": {"text_tokens": 21},
    "output_tokens_details": {"text_tokens": 2},
    "cached_tokens": 0,
    "characters": 0,
}
OPENED = Opened({"chat_id": CHAT, "parent_id": "asked", "response_id": "answered"})
USAGE = Usage(21, 2, 23, {"cached_tokens": 0}, None)


def delta(content: Any, phase: str | None = "answer", status: str = "typing", **more: Any) -> dict[str, Any]:
    told = {"role": "assistant", "content": content, "phase": phase, "status": status}
    return {"choices": [{"delta": told | more.pop("delta", {}), **more.pop("choice", {})}], **more}


FINISHED = delta("", status="finished")
THE_EXAMPLE = (
    CREATED,
    delta("They ask", "think", usage={**COUNTED, "output_tokens": 1}),
    delta("", "think", "finished"),
    delta("It is", usage={**COUNTED, "output_tokens": 1}),
    delta(" süß. 🌞", usage=COUNTED),
    delta(""),
    FINISHED,
)
ITS_EVENTS = [
    OPENED,
    ReasoningDelta("They ask"),
    TextDelta("It is"),
    TextDelta(" süß. 🌞"),
    USAGE,
    Finished("stop"),
]


def raw(*events: Any) -> bytes:
    lines = (each if isinstance(each, str) else json.dumps(each, ensure_ascii=False) for each in events)
    return "".join(f"data: {line}\n\n" for line in lines).encode()


def reader(**options: Any) -> QwenReader:
    return QwenReader(CHAT, **{"max_event_bytes": 65_536, **options})


def read(*pieces: bytes, end: bool = True, **options: Any) -> tuple[list[StreamEvent], QwenReader]:
    made = reader(**options)
    events: list[StreamEvent] = []
    for piece in pieces:
        events += made.feed(piece)
    if end:
        events += made.end()
    return events, made


def test_the_example_becomes_its_events() -> None:
    events, made = read(raw(*THE_EXAMPLE))

    assert events == ITS_EVENTS
    assert (made.complete, made.kept, made.failure) == (True, True, None)
    assert made.ids == AnswerIds("asked", "answered")


def test_a_cut_at_any_byte_changes_nothing() -> None:
    """Text is split in the middle of characters, events in the middle of lines."""
    whole = raw(*THE_EXAMPLE)

    for at in range(len(whole) + 1):
        assert read(whole[:at], whole[at:])[0] == ITS_EVENTS


def test_byte_by_byte_is_the_same() -> None:
    whole = raw(*THE_EXAMPLE)

    assert read(*(whole[at : at + 1] for at in range(len(whole))))[0] == ITS_EVENTS


@given(cuts=st.lists(st.integers(0, len(raw(*THE_EXAMPLE))), max_size=12))
def test_any_cuts_change_nothing(cuts: list[int]) -> None:
    whole = raw(*THE_EXAMPLE)
    at = [0, *sorted(cuts), len(whole)]

    assert read(*(whole[start:end] for start, end in pairwise(at)))[0] == ITS_EVENTS


def test_an_end_at_any_byte_before_the_finish_is_never_a_finish() -> None:
    """Whatever has come, and however cleanly the connection ended."""
    whole = raw(*THE_EXAMPLE)
    last = whole.rindex(b"}")

    for at in range(last):
        events, made = read(whole[:at])

        assert not any(isinstance(event, Finished) for event in events)
        assert isinstance(made.failure, UpstreamDisconnected if at < whole.index(b"\n\n") else UpstreamTruncated)
        assert not made.kept


def test_the_last_blank_line_may_be_missing() -> None:
    assert read(raw(*THE_EXAMPLE).rstrip(b"\n"))[0] == ITS_EVENTS


def test_text_in_the_event_that_says_finished_is_text() -> None:
    events, _ = read(raw(CREATED, delta("It is", usage=COUNTED), delta(" sunny.", status="finished")))

    assert events == [OPENED, TextDelta("It is"), TextDelta(" sunny."), USAGE, Finished("stop")]


@pytest.mark.parametrize("phase", ["answer", None])
def test_a_phase_that_is_null_or_absent_is_the_answer(phase: str | None) -> None:
    event = delta("Yes.", phase, "finished", usage=COUNTED)
    if phase is None:
        del event["choices"][0]["delta"]["phase"]

    assert read(raw(event))[0] == [TextDelta("Yes."), USAGE, Finished("stop")]


def test_the_end_of_thinking_is_no_end() -> None:
    events, made = read(raw(CREATED, delta("hm", "think"), delta("!", "think", "finished")), end=False)

    assert events == [OPENED, ReasoningDelta("hm"), ReasoningDelta("!")]
    assert (made.complete, made.finishing) == (False, False)


def test_a_summary_of_thoughts_repeats_itself_and_only_what_is_new_is_told() -> None:
    def thoughts(*texts: str) -> dict[str, Any]:
        return delta("", "thinking_summary", delta={"extra": {"summary_thought": {"content": list(texts)}}})

    events, made = read(raw(thoughts("One"), thoughts("One", "Two"), thoughts("One", "Two, and"), thoughts("Other")))

    assert events == [ReasoningDelta("One"), ReasoningDelta("\nTwo"), ReasoningDelta(", and")]
    assert made.counted[Oddity.SUMMARY_REWRITTEN] == 1


def test_frames_of_the_sites_own_tools_are_never_text_and_never_an_end() -> None:
    frames = [
        delta("searching", delta={"role": "function"}),
        delta("", status="finished", delta={"role": "function"}),
        delta("found", "web_search", "finished", delta={"role": "function"}),
    ]
    events, made = read(raw(CREATED, *frames, delta("Yes.", usage=COUNTED), FINISHED))

    assert events == [OPENED, TextDelta("Yes."), USAGE, Finished("stop")]
    assert made.counted[Oddity.FUNCTION_FRAME] == 3


def test_any_other_phase_is_passed_over_and_counted() -> None:
    events, made = read(raw(delta("…", "web_search", "finished"), delta("Yes.", usage=COUNTED), FINISHED))

    assert events == [TextDelta("Yes."), USAGE, Finished("stop")]
    assert made.counted[Oddity.OTHER_PHASE] == 1


def test_the_last_usage_wins_and_is_never_summed() -> None:
    counts = [{**COUNTED, "output_tokens": n, "total_tokens": 21 + n} for n in (1, 2, 3)]
    events, _ = read(raw(*(delta("x", usage=each) for each in counts), FINISHED))

    assert [(e.completion_tokens, e.total_tokens) for e in events if isinstance(e, Usage)] == [(3, 24)]


def test_details_of_usage_become_those_of_openai() -> None:
    counted = {**COUNTED, "cached_tokens": 5, "output_tokens_details": {"text_tokens": 1, "reasoning_tokens": 1}}
    events, _ = read(raw(delta("x", usage=counted), FINISHED))

    assert events[1] == Usage(21, 2, 23, {"cached_tokens": 5}, {"reasoning_tokens": 1})


@pytest.mark.parametrize("counted", [None, {}, {**COUNTED, "input_tokens": 0, "output_tokens": 0}])
def test_without_usage_there_is_no_usage_and_never_zeros(counted: dict[str, Any] | None) -> None:
    events, _ = read(raw(delta("x", usage=counted), FINISHED))

    assert events == [TextDelta("x"), Finished("stop")]


def test_a_finish_leaves_at_once_when_usage_is_known() -> None:
    events, made = read(raw(delta("x", usage=COUNTED), FINISHED), end=False)

    assert (events[-1], made.complete) == (Finished("stop"), True)


def test_a_finish_waits_for_usage_and_no_longer_than_it_is_told_to() -> None:
    events, made = read(raw(delta("x"), FINISHED), end=False)
    assert (events, made.complete, made.finishing) == ([TextDelta("x")], False, True)

    assert made.feed(raw({"usage": COUNTED})) == [USAGE, Finished("stop")]
    assert (made.complete, made.finishing) == (True, False)

    _, other = read(raw(delta("x"), FINISHED), end=False)
    assert other.settle() == [Finished("stop")]


@pytest.mark.parametrize("usage", [None, COUNTED])
def test_bytes_after_the_finish_never_become_text(usage: dict[str, Any] | None) -> None:
    later = (delta("more"), delta("even more", "think"), FINISHED, {"error": {"code": "quota_limit"}})
    events, made = read(raw(delta("x", usage=usage), FINISHED, *(later if usage else later[:3])))

    assert [each for each in events if not isinstance(each, Usage)] == [TextDelta("x"), Finished("stop")]
    assert made.failure is None
    assert made.counted[Oddity.AFTER_END] >= 1


def test_an_end_mark_ends_an_answer_that_has_text() -> None:
    events, made = read(raw(delta("x", usage=COUNTED), "[DONE]"), end=False)

    assert (events, made.complete) == ([TextDelta("x"), USAGE, Finished("stop")], True)


def test_an_end_mark_before_any_text_is_passed_over() -> None:
    for cut in range(len(raw("[DONE]"))):
        whole = raw("[DONE]", delta("x", usage=COUNTED), FINISHED)

        assert read(whole[:cut], whole[cut:])[0] == [TextDelta("x"), USAGE, Finished("stop")]


def test_an_end_before_any_text_is_read_over() -> None:
    events, made = read(raw(CREATED, FINISHED, delta("Yes.", usage=COUNTED), FINISHED))

    assert events == [OPENED, TextDelta("Yes."), USAGE, Finished("stop")]
    assert made.counted[Oddity.HOLLOW_FINISH] == 1


def test_text_after_an_early_end_needs_an_end_of_its_own() -> None:
    _, made = read(raw(CREATED, FINISHED, delta("Yes.")))

    assert isinstance(made.failure, UpstreamTruncated)


def test_an_answer_without_text_and_reasoning_is_an_error() -> None:
    _, made = read(raw(CREATED, delta(""), FINISHED))

    assert isinstance(made.failure, UpstreamEmptyAnswer)
    assert not made.kept


def test_an_empty_answer_may_be_accepted_but_is_not_gone_on_from() -> None:
    events, made = read(raw(CREATED, FINISHED), accepts_empty=True)

    assert (events, made.complete, made.kept) == ([OPENED, Finished("stop")], True, False)


def test_an_answer_of_nothing_but_reasoning_is_one() -> None:
    events, made = read(raw(delta("hm", "think"), delta("", "think", "finished"), FINISHED))

    assert (events, made.complete, made.kept) == ([ReasoningDelta("hm"), Finished("stop")], True, True)


@pytest.mark.parametrize(
    ("told", "reason"), [("length", "length"), ("content_filter", "content_filter"), ("stop", "stop"), ("", "stop")]
)
def test_a_finish_reason_that_is_told_is_the_one(told: str, reason: str) -> None:
    events, made = read(raw(delta("x", usage=COUNTED), delta("", status="finished", choice={"finish_reason": told})))

    assert events[-1] == Finished(reason)
    assert made.kept == (reason != "content_filter")


def test_a_finish_reason_that_nobody_knows_may_mean_a_cut() -> None:
    events, made = read(raw(delta("x", choice={"finish_reason": "tired"}), FINISHED))

    assert events[-1] == Finished("length")
    assert made.counted[Oddity.UNKNOWN_FINISH] == 1


def test_a_finish_reason_that_tells_a_failure_is_one() -> None:
    _, made = read(raw(delta("x", choice={"finish_reason": "error"}), FINISHED))

    assert type(made.failure) is UpstreamFailed


@pytest.mark.parametrize(
    ("told", "failure"),
    [
        ({"error": {"code": "quota_limit", "details": "no more"}, "response_id": "r"}, InsufficientQuota),
        ({"error": {"code": "tired"}}, UpstreamRejected),
        ({"success": False, "data": {"code": "Not_Found", "details": ""}}, ConversationLost),
        ({"response.stopped": {"response_id": "r"}}, UpstreamRejected),
    ],
)
@pytest.mark.parametrize("before", [(), (CREATED,), (CREATED, delta("x"))])
def test_an_error_in_the_stream_is_its_own_error(told: Any, failure: type[Exception], before: Any) -> None:
    events, made = read(raw(*before, told, FINISHED))

    assert type(made.failure) is failure
    assert len(events) == len(before)


def test_the_content_filter_before_output_is_an_error() -> None:
    _, made = read(raw(CREATED, {"error": {"code": "data_inspection_failed"}}))

    assert isinstance(made.failure, UpstreamContentFiltered)


def test_the_content_filter_after_output_is_a_finish_and_no_node_to_go_on_from() -> None:
    events, made = read(raw(CREATED, delta("x", usage=COUNTED), {"error": {"code": "data_inspection_failed"}}))

    assert events == [OPENED, TextDelta("x"), USAGE, Finished("content_filter")]
    assert (made.complete, made.kept) == (True, False)


@pytest.mark.parametrize("told", [{"response.created": {"chat_id": "other"}}, {"chat_id": "other", **delta("x")}])
def test_an_event_of_another_chat_is_refused(told: Any) -> None:
    events, made = read(raw(told))

    assert isinstance(made.failure, UpstreamProtocolError)
    assert not events


def test_an_empty_chat_id_says_nothing() -> None:
    _, made = read(raw({"response.created": {"chat_id": "", "response_id": "r"}}), end=False)

    assert made.failure is None


def test_without_response_created_the_first_response_id_is_taken() -> None:
    events, made = read(raw(delta("x", response_id="r1", parent_id="p1"), delta("y", response_id="r2")), end=False)

    assert events == [Opened({"chat_id": CHAT, "parent_id": "p1", "response_id": "r1"}), TextDelta("x"), TextDelta("y")]
    assert made.ids == AnswerIds("p1", "r1")


@pytest.mark.parametrize(
    ("told", "ids"),
    [
        ({"parent_id": "p"}, AnswerIds("p", None)),
        ({"response_id": "r"}, AnswerIds(None, "r")),
        ({"response_id": None, "parent_id": 5}, AnswerIds(None, None)),
    ],
)
def test_a_missing_id_is_counted(told: Any, ids: AnswerIds) -> None:
    _, made = read(raw({"response.created": told}), end=False)

    assert made.ids == ids
    assert made.counted[Oddity.ID_MISSING] == ids.count(None)


@pytest.mark.parametrize(
    ("data", "failure"),
    [
        (b"data: {not json\n\n", UpstreamProtocolError),
        (raw({"choices": [{"delta": 5}]}), UpstreamProtocolError),
        (raw(delta(5)), UpstreamProtocolError),
        (b"data: " + b"x" * 70_000, UpstreamOversize),
    ],
)
def test_what_cannot_be_read_is_never_skipped(data: bytes, failure: type[Exception]) -> None:
    _, made = read(raw(delta("x")) + data)

    assert isinstance(made.failure, failure)


def test_content_in_parts_is_joined() -> None:
    assert read(raw(delta([{"text": "a"}, {"text": "b"}])), end=False)[0] == [TextDelta("ab")]
