"""The event stream of an answer, read: what becomes of what the site sends, however it is cut."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import (
    UpstreamDisconnected,
    UpstreamTruncated,
)
from proxy.wire.events import Finished, ReasoningDelta, TextDelta, Usage
from proxy.wire.qwen import AnswerIds, Oddity
from tests.wire.qwen.streams import COUNTED, CREATED, FINISHED, ITS_EVENTS, OPENED, THE_EXAMPLE, USAGE, delta, raw, read


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
