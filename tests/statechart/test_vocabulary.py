"""The words."""

import json
import pickle

import pytest

from statechart.vocabulary import (
    FACT_MEANINGS,
    TERMINAL_STATES,
    WORKING_STATES,
    Clock,
    EndReason,
    Event,
    Facts,
    State,
    Word,
)

WORDS: list[Word] = [*State, *Event, *Clock]


def test_every_word_has_one_line_of_meaning() -> None:
    for meaning in [*(word.meaning for word in WORDS), *FACT_MEANINGS.values()]:
        assert meaning
        assert "\n" not in meaning
        assert not set('"<>&') & set(meaning), "it is quoted in drawings and markup"


@pytest.mark.parametrize("kind", [State, Event, Clock])
def test_no_two_words_of_a_kind_mean_the_same(kind: type[Word]) -> None:
    assert len({word.meaning for word in kind}) == len(kind)


def test_a_word_is_its_string_to_programs() -> None:
    """In a log line, as a label, as a key, over the wire."""
    assert json.dumps([State.DONE, f"{Event.OPENED}"]) == '["done", "opened"]'
    assert State("done") is State.DONE
    assert pickle.loads(pickle.dumps(State.DONE)) is State.DONE  # noqa: S301 - our own bytes


def test_the_endings_are_the_terminal_states() -> None:
    assert {reason.value for reason in EndReason} == {state.value for state in TERMINAL_STATES}
    assert set(WORKING_STATES) == set(State) - TERMINAL_STATES
    assert list(State)[: len(WORKING_STATES)] == list(WORKING_STATES), "working states come first, in order of life"


def test_every_fact_is_no_until_it_is_known() -> None:
    assert not any(Facts())
    assert tuple(FACT_MEANINGS) == Facts._fields
