"""The fold of events."""

from typing import Any

import pytest

from proxy.errors import UpstreamProtocolError
from proxy.wire.answer import Answer
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


def folded(*events: StreamEvent) -> Answer:
    answer = Answer()
    answer.fold(events)
    return answer


def test_pieces_are_joined_per_choice() -> None:
    answer = folded(TextDelta("a"), TextDelta("x", 1), ReasoningDelta("r"), TextDelta("b"), RefusalDelta("n", 1))

    assert (answer.text(0), answer.text(1), answer.text(7)) == ("ab", "x", "")
    assert (answer.choices[0].reasoning, answer.choices[1].refusal) == ("r", "n")


def test_the_last_usage_and_finish_count() -> None:
    answer = folded(Usage(1, 1, 2), Usage(1, 5, 6), Finished("stop"), Finished("length", 1))

    assert answer.usage == Usage(1, 5, 6)
    assert answer.finishes == {0: "stop", 1: "length"}


@pytest.mark.parametrize(
    ("events", "text_only"),
    [
        ([], True),
        ([TextDelta("a"), Opened({"id": "x"}), Usage(1, 1, 2), Finished("stop")], True),
        ([TextDelta("a"), ChoiceExtras(Extras({"x": 1}))], True),
        ([TextDelta("a"), ToolCallDelta(0, "c", "f", "")], False),
        ([TextDelta("a"), ReasoningDelta("r")], False),
        ([TextDelta("a"), RefusalDelta("r")], False),
        ([TextDelta("a"), TextDelta("b", 1)], False),
        ([TextDelta("b", 1)], False),
    ],
)
def test_text_only_means_another_candidate_could_go_on_from_the_text(
    events: list[StreamEvent], *, text_only: bool
) -> None:
    assert folded(*events).text_only is text_only


@pytest.mark.parametrize(
    ("arguments", "whole"),
    [
        ("", True),
        ("{}", True),
        ('{"a":[1,2]} ', True),
        ('"text"', True),
        ("{", False),
        ('{"a":"b', False),
        ("{}{}", False),
        (" ", False),
        ("nope", False),
    ],
)
def test_a_call_is_cut_if_its_arguments_are_not_one_json_text(arguments: str, *, whole: bool) -> None:
    answer = folded(ToolCallDelta(0, "c", "f", ""), *(ToolCallDelta(0, None, None, char) for char in arguments))

    assert answer.choices[0].calls[0].whole is whole
    assert answer.cut_calls() == ([] if whole else [(0, 0)])


def test_cut_calls_are_named_by_choice_and_index() -> None:
    answer = folded(
        ToolCallDelta(0, "a", "f", "{}"),
        ToolCallDelta(1, "b", "f", "{"),
        ToolCallDelta(0, "c", "f", "[", 1),
        ToolCallDelta(1, "d", "f", "", 1),
    )

    assert answer.cut_calls() == [(0, 1), (1, 0)]


def test_a_call_is_known_by_its_first_piece() -> None:
    answer = folded(ToolCallDelta(0, "call_a", "f", "1"), ToolCallDelta(0, "late", "late", "2"))

    (call,) = answer.choices[0].calls
    assert (call.id, call.name, call.arguments) == ("call_a", "f", "12")


def test_the_129th_call_is_a_fault_of_the_upstream() -> None:
    answer = folded(*(ToolCallDelta(index, f"c{index}", "f", "{}") for index in range(128)))

    with pytest.raises(UpstreamProtocolError):
        answer.fold([ToolCallDelta(128, "c128", "f", "{}")])


@pytest.mark.parametrize(
    ("event", "size_bytes"),
    [
        (TextDelta("abc"), 3),
        (TextDelta("é你🦊"), 9),
        (TextDelta("\ud800"), 3),
        (ReasoningDelta("é"), 2),
        (RefusalDelta("ab"), 2),
        (ToolCallDelta(0, "c", "now", '{"é":1}'), 11),
    ],
)
def test_size_is_counted_in_bytes_of_utf_8(event: StreamEvent, size_bytes: int) -> None:
    assert folded(event).size_bytes == size_bytes


def test_what_an_upstream_adds_counts_as_size_where_it_grows() -> None:
    """Log probabilities can be a hundred times as large as the text; the limit is about memory."""
    constant, growing = Extras({"system_fingerprint": "fp"}), Extras(None, {"logprobs": {"content": []}}, {"x": "y"})

    assert folded(TextDelta("a", 0, constant), TextDelta("b", 0, constant)).size_bytes == 2
    assert folded(TextDelta("a", 0, growing), TextDelta("b", 0, growing)).size_bytes > 60
    assert folded(ToolCallDelta(0, "c", "f", "", 0, Extras(call={"signature": "s" * 100}))).size_bytes > 100


def test_constant_extras_are_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[Extras] = []

    def look(extras: Extras) -> dict[str, Any]:
        looked.append(extras)
        return {}

    monkeypatch.setattr("proxy.wire.answer.fold.chunk_members", look)
    extras = Extras({"system_fingerprint": "fp"})
    folded(*(TextDelta("a", 0, extras) for _ in range(50)))

    assert looked == [extras]


def test_the_input_of_a_custom_tool_is_never_cut() -> None:
    """It is free text: nothing in it could show that."""
    assert folded(ToolCallDelta(0, "c", "sql", "select {", kind="custom")).cut_calls() == []


def test_extras_that_come_again_after_others_count_again() -> None:
    """Remembering the last ones must not hide a change back."""
    first, second = Extras({"service_tier": "flex"}), Extras({"service_tier": "default"}, {"stop_reason": "x"})
    answer = folded(TextDelta("a", 0, first), TextDelta("b", 0, second), TextDelta("c", 0, first))

    assert answer.chunk == {"service_tier": "flex"}


def test_a_choice_that_only_finished_is_a_choice() -> None:
    """Its finish reason is to be settled like any other."""
    assert folded(Finished("stop", 1)).choices.keys() == {1}


def test_the_events_of_an_answer_are_the_shortest_that_fold_to_it() -> None:
    answer = folded(
        TextDelta("a", 0, Extras({"provider": "p"}, {"stop_reason": "x"})),
        ToolCallDelta(0, "c", "f", "{", 0, Extras(call={"signature": "s"})),
        TextDelta("b", 1),
        RefusalDelta("r", 1),
        ToolCallDelta(0, None, None, "}"),
        TextDelta("c", 0, Extras(None, None, {"n": 1})),
        ReasoningDelta("h", 1),
        ToolCallDelta(0, "d", "sql", "", 2, kind="custom"),
        Usage(1, 1, 2),
        Finished("stop"),
    )

    assert answer.events() == [
        ChoiceExtras(Extras({"provider": "p"}, {"stop_reason": "x"}, {"n": 1})),
        TextDelta("ac"),
        ToolCallDelta(0, "c", "f", "{}", 0, Extras(call={"signature": "s"})),
        ReasoningDelta("h", 1),
        TextDelta("b", 1),
        RefusalDelta("r", 1),
        ToolCallDelta(0, "d", "sql", "", 2, kind="custom"),
    ]
