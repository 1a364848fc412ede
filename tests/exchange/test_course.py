"""Course: what is spent on a request, and what is still allowed."""

from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config import Breaker, Model, Retry
from proxy.course import Course, retry_delay_s
from proxy.errors import (
    TurnstileError,
    UpstreamBusy,
    UpstreamFailed,
    UpstreamRateLimited,
    UpstreamRefused,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from proxy.ports import Candidate
from proxy.routing.health import ModelHealth, UpstreamHealth
from proxy.testing.clock import ManualClock

FAR_S = 1000.0


class Named:
    """As much of an upstream as a course looks at."""

    def __init__(self, name: str) -> None:
        self.name = name


def well(name: str) -> ModelHealth:
    health = UpstreamHealth(Breaker(), ManualClock(), Random(1), shared_credential=True)
    return health.of_model(name)


def candidate(name: str, *places: str) -> Candidate:
    entry = Model.model_validate({"id": name, "upstream": name})
    at: Any = tuple(SimpleNamespace(upstream=Named(each), health=well(each)) for each in places or (name,))
    return Candidate(model_id=name, upstream_model=name, entry=entry, places=at)


def course(*names: str, **policy: float) -> Course:
    return Course(tuple(candidate(name) for name in names), Retry.model_validate(policy))


def spend(walk: Course, error: TurnstileError | None = None) -> None:
    walk.begin(0.0)
    walk.close_attempt(0.0, error or UpstreamFailed())


@given(attempt=st.integers(1, 10), seed=st.integers(0, 1000))
def test_a_wait_is_drawn_below_a_doubling_bound(attempt: int, seed: int) -> None:
    delay_s = retry_delay_s(attempt, None, Retry(), Random(seed))

    assert 0 <= delay_s <= min(5, 0.2 * 2 ** (attempt - 1))


@given(attempt=st.integers(1, 10), hint_s=st.floats(0, 1000), seed=st.integers(0, 1000))
def test_a_hint_is_waited_for_in_full_and_hardly_more(attempt: int, hint_s: float, seed: int) -> None:
    delay_s = retry_delay_s(attempt, hint_s, Retry(), Random(seed))

    assert hint_s <= delay_s <= hint_s + min(1, hint_s / 10)


def test_a_late_attempt_has_no_overflow() -> None:
    assert 0 <= retry_delay_s(2000, None, Retry(), Random(1)) <= 5


def test_a_candidate_has_its_attempts() -> None:
    walk = course("main", attempts=2)
    spend(walk)
    assert walk.may_repeat(UpstreamFailed(), FAR_S)

    spend(walk)
    assert not walk.may_repeat(UpstreamFailed(), FAR_S)


def test_the_request_has_its_calls() -> None:
    walk = course("main", "spare", attempts=5, max_calls=2)
    spend(walk)
    assert walk.others_left

    spend(walk)
    assert not walk.others_left
    assert not walk.may_repeat(UpstreamFailed(), FAR_S)


def test_a_mended_call_is_given_back() -> None:
    walk = course("main", attempts=1, max_calls=1)
    spend(walk)
    walk.forgive()

    assert walk.calls_left


@pytest.mark.parametrize(("left_s", "may"), [(0.21, True), (0.2, False), (0.0, False)])
def test_no_wait_begins_that_may_end_after_the_deadline(left_s: float, *, may: bool) -> None:
    walk = course("main")
    spend(walk)

    assert walk.may_repeat(UpstreamFailed(), left_s) is may


@pytest.mark.parametrize(
    ("names", "hint_s", "may"),
    [(("main",), 20, True), (("main",), 20.5, False), (("main", "spare"), 5, True), (("main", "spare"), 5.5, False)],
)
def test_a_hint_is_in_reach_or_not(names: tuple[str, ...], hint_s: float, *, may: bool) -> None:
    walk = course(*names)
    spend(walk)

    assert walk.may_repeat(UpstreamRateLimited(retry_after_s=hint_s), FAR_S) is may


def test_a_hint_with_its_spread_must_fit_the_time_left() -> None:
    walk = course("main")
    spend(walk)

    assert not walk.may_repeat(UpstreamBusy(retry_after_s=10), 10.5)
    assert walk.may_repeat(UpstreamBusy(retry_after_s=10), 11.5)


def test_the_next_candidate_beats_another_wait() -> None:
    walk = course("main", "spare")
    spend(walk)
    assert not walk.may_repeat(UpstreamTimeout("connect", 5), FAR_S)

    assert walk.next_delay_s(UpstreamTimeout("connect", 5), FAR_S, Random(1)) == 0
    assert (walk.candidate.model_id, walk.here) == ("spare", 0)


def test_what_was_settled_a_moment_ago_still_holds_when_it_is_done() -> None:
    """The guard has seen time for a wait; a tick later there is no other candidate to turn to all the same."""
    walk = course("main")
    spend(walk)
    assert walk.may_repeat(UpstreamFailed(), 0.2000001)

    assert walk.next_delay_s(UpstreamFailed(), 0.2, Random(1)) >= 0
    assert walk.candidate.model_id == "main"


def test_upstreams_of_one_candidate_take_turns() -> None:
    walk = Course((candidate("main", "a", "b", "c"),), Retry(attempts=5), turn=1)
    told = []
    for _ in range(4):
        told.append(walk.begin(0.0).upstream)
        assert walk.place.upstream.name == told[-1]

    assert told == ["b", "c", "a", "b"]


def test_an_attempt_is_closed_once() -> None:
    walk = course("main")
    walk.begin(1.0)
    walk.close_attempt(3.5, UpstreamTimeout("idle", 2))
    walk.close_attempt(9.0)
    attempt = walk.attempts[0]

    assert (attempt.outcome, attempt.clock, attempt.took_s) == ("upstream_timeout", "idle", 2.5)


def test_an_attempt_that_answered() -> None:
    walk = course("main")
    walk.begin(1.0)
    walk.close_attempt(3.5)

    assert (walk.attempts[0].outcome, walk.attempts[0].error) == ("answered", None)


def test_before_any_attempt_there_is_nothing_to_close() -> None:
    walk = course("main")
    walk.close_attempt(1.0)

    assert walk.attempts == []


def test_nothing_is_hidden_by_the_first_candidate() -> None:
    walk = course("main", "spare")
    spend(walk)

    assert walk.hidden_by(UpstreamRefused(), FAR_S) is None


def test_a_candidate_that_is_asked_first_because_others_are_ill_hides_nothing() -> None:
    """There is no earlier failure that could be told in its place."""
    ill, spare = candidate("main"), candidate("spare")
    make_ill(ill)
    walk = Course((ill, spare), Retry())
    spend(walk, UpstreamRefused())

    assert walk.candidate is spare
    assert walk.hidden_by(UpstreamRefused(), FAR_S) is None


def test_where_nobody_may_be_called_the_time_that_is_left_is_told() -> None:
    ill = candidate("main")
    make_ill(ill)
    with pytest.raises(UpstreamUnavailable) as unavailable:
        Course((ill,), Retry()).begin(0.0)

    assert 13 <= (unavailable.value.retry_after_s or 0) <= 17


def make_ill(one: Candidate) -> None:
    for _ in range(5):
        one.places[0].health.enter().leave(UpstreamFailed())


def test_giving_up_leaves_no_call() -> None:
    walk = course("main", "spare")
    walk.give_up()

    assert not walk.calls_left
    assert not walk.others_left
    assert not walk.may_repeat(UpstreamFailed(), FAR_S)
