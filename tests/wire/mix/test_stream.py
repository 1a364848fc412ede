"""Streamed answers of the site, event by event."""

import pytest

from proxy.errors import (
    UpstreamContentFiltered,
    UpstreamDisconnected,
    UpstreamEmptyAnswer,
    UpstreamFailed,
    UpstreamOversize,
    UpstreamProtocolError,
    UpstreamTruncated,
)
from proxy.wire.events import Finished, ReasoningDelta, TextDelta, ToolCallDelta, Usage
from tests.wire.mix.answers import DONE, FINISH, START, delta, line, read, text_of


@pytest.mark.parametrize("piece", [0, 1, 7])
def test_a_whole_answer(piece):
    usage = {"type": "data-usage", "data": {"inputTokens": 21, "outputTokens": 4}}
    events, made = read(START, delta("It is "), delta("sunny."), FINISH, usage, DONE, piece=piece)

    assert events == [TextDelta("It is "), TextDelta("sunny."), Usage(21, 4, 25), Finished("stop")]
    assert made.complete
    assert made.ids.told() == {"session_id": "sess-1", "exchange_id": "exch-1"}


def test_after_the_finish_usage_and_late_ids_are_still_read():
    late = {"type": "message-metadata", "messageMetadata": {"exchangeId": "exch-2"}}
    events, made = read(START, delta("x"), FINISH, late, end=False)

    assert (events, made.finishing, made.complete) == ([TextDelta("x")], True, False)
    assert made.settle() == [Finished("stop")]
    assert made.ids.exchange_id == "exch-2"


@pytest.mark.parametrize("told", [{"delta": "x"}, {"text": "x"}, {"textDelta": "x"}, {"delta": None, "text": "x"}])
def test_text_under_any_of_its_names(told):
    assert read({"type": "text-delta", **told}, DONE)[0] == [TextDelta("x"), Finished("stop")]


@pytest.mark.parametrize("told", [{}, {"delta": 7}, {"delta": None}, {"text": ["x"]}])
def test_a_delta_without_text_is_not_skipped(told):
    """A lost delta is lost text."""
    assert isinstance(read({"type": "text-delta", **told})[1].failure, UpstreamProtocolError)


def test_no_separator_is_made_up():
    events, _ = read(
        {"type": "text-delta", "id": "a", "delta": "x"}, {"type": "text-delta", "id": "b", "delta": "y"}, DONE
    )

    assert text_of(events) == "xy"


def test_the_type_may_stand_in_the_events_name():
    events, _ = read(line({"delta": "x"}, "text-delta"), line({}, "finish"))

    assert events == [TextDelta("x"), Finished("stop")]


@pytest.mark.parametrize("kind", ["reasoning-delta", "reasoning"])
def test_reasoning(kind):
    assert read({"type": kind, "delta": "hm"}, DONE)[0][0] == ReasoningDelta("hm")


@pytest.mark.parametrize(
    "kind",
    [
        "start-step",
        "finish-step",
        "text-start",
        "text-end",
        "reasoning-start",
        "tool-output",
        "source-url",
        "data-weather",
        "file",
        "new-thing",
    ],
)
def test_what_is_not_for_us_is_ignored_and_counted(kind):
    events, made = read({"type": kind, "delta": "no text"}, delta("x"), DONE)

    assert text_of(events) == "x"
    assert made.ignored == {kind: 1}


@pytest.mark.parametrize(
    "told",
    [
        {"type": "tool-input-available", "toolCallId": "c1", "toolName": "now", "input": {"zone": "UTC"}},
        {"type": "tool-input", "tool_name": "now", "tool_input": {"zone": "UTC"}},
    ],
)
def test_a_call_of_a_declared_tool_is_a_call_and_any_other_is_the_sites_own(told):
    call_id = told.get("toolCallId", "call_made")
    events, _ = read(told, DONE, tool_names=frozenset({"now"}))
    assert events == [ToolCallDelta(0, call_id, "now", '{"zone":"UTC"}'), Finished("tool_calls")]

    events, made = read(told, DONE)
    assert events == [Finished("stop")]
    assert sum(made.ignored.values()) == 1


@pytest.mark.parametrize(
    "counts",
    [
        {"promptTokens": 2, "completionTokens": 3},
        {"input_tokens": 2, "output_tokens": 3, "total_tokens": 9},
        {"prompt_tokens": 2.0, "completion_tokens": 3},
    ],
)
def test_usage_under_any_name_and_the_last_wins(counts):
    first = {"type": "data-usage", "data": {"inputTokens": 1, "outputTokens": 1}}
    events, _ = read(first, delta("x"), {"type": "finish", "messageMetadata": {"usage": counts}}, DONE)

    assert events[-2] == Usage(2, 3, 9 if "total_tokens" in counts else 5)


@pytest.mark.parametrize(
    "counts",
    [{}, None, [], {"inputTokens": 1}, {"inputTokens": 0, "outputTokens": 0}, {"inputTokens": "x", "outputTokens": 2}],
)
def test_usage_that_says_nothing_is_none(counts):
    """Zeros are no count."""
    events, _ = read(delta("x"), {"type": "data-usage", "data": counts}, DONE)

    assert events == [TextDelta("x"), Finished("stop")]


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("content-filter", "length"),
        ("content_filter", "content_filter"),
        ("odd", "length"),
        (None, "stop"),
    ],
)
@pytest.mark.parametrize("name", ["finishReason", "finish_reason"])
def test_a_finish_reason(word, reason, name):
    assert read(delta("x"), {"type": "finish", name: word}, DONE)[0][-1] == Finished(reason)


def test_a_finish_that_means_failure_is_one():
    assert isinstance(read(delta("x"), {"type": "finish", "finishReason": "error"})[1].failure, UpstreamFailed)


def test_the_end_mark_alone_means_stop():
    assert read(delta("x"), DONE)[0] == [TextDelta("x"), Finished("stop")]


@pytest.mark.parametrize(
    ("events", "error"),
    [
        ((), UpstreamDisconnected),
        ((START,), UpstreamTruncated),
        ((b": ping\n\n",), UpstreamTruncated),
        ((START, delta("x")), UpstreamTruncated),
        ((delta("x"), {"type": "abort"}, DONE), UpstreamTruncated),
        ((delta("x"), b'data: {"type":\n\n', DONE), UpstreamProtocolError),
        ((delta("x" * 5000),), UpstreamOversize),
    ],
)
def test_what_ends_otherwise_is_never_told_as_stop(events, error):
    got, made = read(*events)

    assert type(made.failure) is error
    assert not made.complete
    assert not any(isinstance(each, Finished) for each in got)


def test_an_error_in_the_stream_counts_whatever_came_before():
    events, made = read(delta("x"), {"type": "error", "errorText": "kaputt"}, FINISH, DONE)

    assert events == [TextDelta("x")]
    assert type(made.failure) is UpstreamFailed


def test_a_policy_after_output_ends_it_and_before_output_refuses_it():
    error = {"type": "error", "errorText": "blocked by content policy"}

    assert read(delta("x"), error)[0][-1] == Finished("content_filter")
    assert isinstance(read(error)[1].failure, UpstreamContentFiltered)


@pytest.mark.parametrize("events", [(START, DONE), (START, FINISH, DONE)])
def test_an_empty_answer_is_one_unless_it_is_configured_not_to_be(events):
    assert read(*events)[0] == [Finished("stop")]
    assert isinstance(read(*events, accepts_empty=False)[1].failure, UpstreamEmptyAnswer)
