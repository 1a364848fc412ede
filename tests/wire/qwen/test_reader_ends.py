"""How the event stream of an answer ends: well, badly, or not at all."""

from typing import Any

import pytest

from proxy.errors import (
    ConversationLost,
    InsufficientQuota,
    UpstreamContentFiltered,
    UpstreamEmptyAnswer,
    UpstreamFailed,
    UpstreamOversize,
    UpstreamProtocolError,
    UpstreamRejected,
    UpstreamTruncated,
)
from proxy.wire.events import Finished, Opened, ReasoningDelta, TextDelta, Usage
from proxy.wire.qwen import AnswerIds, Oddity
from tests.wire.qwen.streams import CHAT, COUNTED, CREATED, FINISHED, OPENED, USAGE, delta, raw, read


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
