"""Splice: the text of a second answer is joined to what was told, or refused."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import UpstreamProtocolError
from proxy.wire.events import Finished, ReasoningDelta, RefusalDelta, StreamEvent, TextDelta, ToolCallDelta
from proxy.wire.splice import AGREEMENT_CHARS, Splice

TOLD = "The quick brown fox jumps over the "
CALL = ToolCallDelta(0, "call_1", "now", "")


def feed(splice: Splice, *pieces: str) -> str:
    events: list[StreamEvent] = []
    for piece in pieces:
        events += splice.feed([TextDelta(piece)])
    return text_of([*events, *splice.end()])


def text_of(events: Sequence[StreamEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def pieces_of(text: str, cuts: set[int]) -> list[str]:
    edges = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    return [text[start:end] for start, end in pairwise(edges) if text[start:end]]


cuts = st.sets(st.integers(0, 60), max_size=10)


@given(more=st.text("abc ", min_size=1, max_size=20), cuts=cuts)
def test_an_answer_that_goes_on_is_passed_on(more: str, cuts: set[int]) -> None:
    assert feed(Splice(TOLD, prefilled=True), *pieces_of(more, cuts)) == more


@given(more=st.text("abc ", max_size=20), cuts=cuts, prefilled=st.booleans())
def test_an_answer_that_starts_over_is_used_from_where_it_is_new(more: str, cuts: set[int], *, prefilled: bool) -> None:
    assert feed(Splice(TOLD, prefilled=prefilled), *pieces_of(TOLD + more, cuts)) == more


@given(at=st.integers(AGREEMENT_CHARS, len(TOLD) - 1), cuts=cuts)
def test_an_answer_that_starts_over_and_then_disagrees_is_refused(at: int, cuts: set[int]) -> None:
    other = TOLD[:at] + ("x" if TOLD[at] != "x" else "y") + TOLD[at + 1 :]
    with pytest.raises(UpstreamProtocolError, match="disagrees"):
        feed(Splice(TOLD, prefilled=True), *pieces_of(other, cuts))


@given(at=st.integers(0, len(TOLD) - 1), cuts=cuts)
def test_without_a_prefill_any_disagreement_is_refused(at: int, cuts: set[int]) -> None:
    with pytest.raises(UpstreamProtocolError):
        feed(Splice(TOLD, prefilled=False), *pieces_of(TOLD[:at] + "\0", cuts))


@given(size=st.integers(0, len(TOLD) - 1))
def test_an_answer_shorter_than_what_was_told_is_refused(size: int) -> None:
    with pytest.raises(UpstreamProtocolError, match="shorter"):
        feed(Splice(TOLD, prefilled=False), *pieces_of(TOLD[:size], set()))


def test_a_few_characters_that_might_have_been_a_repetition_are_not_lost() -> None:
    assert feed(Splice(TOLD, prefilled=True), "The", " quick") == "The quick"


def test_a_repetition_of_little_told_text_is_recognised() -> None:
    assert feed(Splice("Hel", prefilled=True), "Hello.") == "lo."


def test_nothing_leaves_before_it_is_clear_what_the_answer_does() -> None:
    splice = Splice(TOLD, prefilled=True)

    assert splice.feed([TextDelta("The quick")]) == []
    assert not splice.joined
    assert text_of(splice.feed([TextDelta(" fox")])) == "The quick fox"
    assert splice.joined


def test_a_call_shows_that_the_answer_has_gone_on() -> None:
    splice = Splice(TOLD, prefilled=True)

    assert splice.feed([TextDelta("The"), CALL]) == [TextDelta("The"), CALL]
    assert splice.joined


@pytest.mark.parametrize("event", [CALL, RefusalDelta("No.")])
def test_anything_else_before_the_told_text_was_repeated_is_refused(event: StreamEvent) -> None:
    with pytest.raises(UpstreamProtocolError):
        Splice(TOLD, prefilled=False).feed([TextDelta("The quick"), event])


def test_reasoning_and_finish_pass() -> None:
    splice = Splice(TOLD, prefilled=False)
    events = [ReasoningDelta("Hm."), TextDelta(TOLD + "dog."), Finished("stop")]

    assert splice.feed(events) == [ReasoningDelta("Hm."), TextDelta("dog."), Finished("stop")]
    assert splice.end() == []


def test_once_joined_everything_passes_untouched() -> None:
    splice = Splice(TOLD, prefilled=True)
    feed(splice, "lazy dog.")
    events = [TextDelta(TOLD), CALL]

    assert splice.feed(events) is events
