"""The guards, fact by fact: each written down a second time, as the sentence of the contract that it stands for."""

from collections.abc import Callable

import pytest

from statechart.guards import GUARDS, Guard
from statechart.truth import BUDGETS, VALUATIONS, meaning, reads, spends, truth_table
from statechart.vocabulary import Facts

SENTENCES: dict[str, Callable[[Facts], bool]] = {
    "always": lambda _: True,
    "live_stream": lambda f: f.live_stream is True,
    "may_reauth": lambda f: f.reauth_left is True and f.emitted is False,
    "may_replay": lambda f: (f.replay_left, f.history_missing, f.emitted) == (True, False, False),
    "history_missing": lambda f: f.history_missing is True,
    "may_retry": lambda f: not f.emitted and any([f.retryable and f.attempt_left, f.falls_back and f.candidate_left]),
    "may_resume": lambda f: all([f.resume_enabled, f.text_only_sent, f.falls_back, f.candidate_left]),
}


def named(name: str) -> Guard:
    return next(guard for guard in GUARDS if guard.__name__ == name)


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.__name__)
def test_a_guard_is_its_sentence_for_all_facts(guard: Guard) -> None:
    sentence = SENTENCES[guard.__name__]

    assert [facts for facts in VALUATIONS if guard(facts) is not sentence(facts)] == []


@pytest.mark.parametrize("name", ["may_reauth", "may_replay", "may_retry"])
def test_no_fresh_attempt_once_anything_has_left(name: str) -> None:
    """A second attempt would repeat what the caller has seen."""
    assert not any(named(name)(facts) for facts in VALUATIONS if facts.emitted)


@pytest.mark.parametrize("fact", ["resume_enabled", "text_only_sent", "candidate_left", "falls_back"])
def test_going_on_after_a_cut_needs_everything(fact: str) -> None:
    """Off by default, and never with half a tool call told."""
    assert not any(named("may_resume")(facts) for facts in VALUATIONS if not getattr(facts, fact))


def test_all_combinations_of_facts_are_tried() -> None:
    assert len(VALUATIONS) == len(set(VALUATIONS)) == 2 ** len(Facts._fields)


def test_the_facts_that_a_guard_reads_are_found_by_trying() -> None:
    assert {guard.__name__: reads(guard) for guard in GUARDS} == {
        "always": (),
        "live_stream": ("live_stream",),
        "may_reauth": ("reauth_left", "emitted"),
        "may_replay": ("replay_left", "history_missing", "emitted"),
        "history_missing": ("history_missing",),
        "may_retry": ("retryable", "attempt_left", "falls_back", "candidate_left", "emitted"),
        "may_resume": ("falls_back", "candidate_left", "resume_enabled", "text_only_sent"),
    }


def test_a_truth_table_counts_up_the_facts_that_are_read() -> None:
    assert truth_table(named("always")) == "1"
    assert truth_table(named("live_stream")) == "01"
    assert truth_table(named("may_reauth")) == "0010", "reauth_left, and not emitted"
    assert truth_table(named("may_resume")) == "0" * 15 + "1"


def test_only_guards_that_fail_without_a_budget_spend_one() -> None:
    assert BUDGETS == ("reauth_left", "replay_left", "attempt_left", "candidate_left")
    assert {guard.__name__ for guard in GUARDS if spends(guard)} == {
        "may_reauth",
        "may_replay",
        "may_retry",
        "may_resume",
    }


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.__name__)
def test_a_guard_says_in_one_line_what_it_means(guard: Guard) -> None:
    assert meaning(guard).endswith(".")
