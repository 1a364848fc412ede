"""What the end of a call says about an upstream: its circuits, and its credential."""

from random import Random

import pytest

from proxy.config import Breaker
from proxy.errors import (
    ClientGone,
    ConnectTimeout,
    CredentialStale,
    InsufficientQuota,
    TurnstileError,
    UpstreamAuthFailed,
    UpstreamBusy,
    UpstreamChallenge,
    UpstreamFailed,
    UpstreamRateLimited,
    UpstreamRefused,
    UpstreamTimeout,
    UpstreamTruncated,
    UpstreamUnreachable,
)
from proxy.routing.breaker import Outcome
from proxy.routing.health import UpstreamHealth, outcome_of
from proxy.testing.clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def upstream(clock: ManualClock) -> UpstreamHealth:
    return UpstreamHealth(Breaker(failures=2), clock, Random(1), shared_credential=True)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (None, Outcome.SUCCESS),
        (UpstreamRefused(), Outcome.SUCCESS),
        (UpstreamFailed(), Outcome.FAILURE),
        (UpstreamTruncated(), Outcome.FAILURE),
        (UpstreamTimeout("idle", 60), Outcome.FAILURE),
        (UpstreamRateLimited(), Outcome.NOTHING),
        (UpstreamBusy(), Outcome.NOTHING),
        (UpstreamAuthFailed(), Outcome.NOTHING),
        (ClientGone(), Outcome.NOTHING),
    ],
)
def test_every_ending_of_a_call_says_something_or_nothing(error: TurnstileError | None, outcome: Outcome) -> None:
    assert outcome_of(error) is outcome


def test_failures_of_one_model_leave_the_others_of_the_upstream_alone(upstream: UpstreamHealth) -> None:
    """One model may be overloaded, or not loaded, while the others of its server answer."""
    large, small = upstream.of_model("large"), upstream.of_model("small")
    for _ in range(2):
        large.enter().leave(UpstreamFailed())

    assert large.wait_s() > 0
    assert small.wait_s() == 0


@pytest.mark.parametrize("error", [UpstreamUnreachable(), ConnectTimeout(5)])
def test_an_upstream_that_cannot_be_connected_to_is_down_for_all_its_models(
    upstream: UpstreamHealth, error: TurnstileError
) -> None:
    large, small = upstream.of_model("large"), upstream.of_model("small")
    for _ in range(2):
        large.enter().leave(error)

    assert large.wait_s() > 0
    assert small.wait_s() > 0
    assert upstream.state == "open"


@pytest.mark.parametrize("error", [UpstreamAuthFailed(), InsufficientQuota(), UpstreamChallenge()])
async def test_a_refused_credential_is_put_aside_for_a_minute(
    upstream: UpstreamHealth, clock: ManualClock, error: TurnstileError
) -> None:
    model = upstream.of_model("large")
    model.enter().leave(error)
    assert model.wait_s() == 60
    assert upstream.state == "aside"

    await clock.advance(60)

    assert model.wait_s() == 0


def test_a_credential_that_is_about_to_be_renewed_stays_in_use(upstream: UpstreamHealth) -> None:
    model = upstream.of_model("large")
    model.enter().leave(CredentialStale())

    assert model.wait_s() == 0


async def test_a_rate_limit_lets_the_credential_rest_as_long_as_the_upstream_asks(
    upstream: UpstreamHealth, clock: ManualClock
) -> None:
    model = upstream.of_model("large")
    model.enter().leave(UpstreamRateLimited(retry_after_s=7))
    assert model.rests
    assert model.wait_s() == 0  # it may be used, if there is nobody else

    await clock.advance(7)

    assert not model.rests


async def test_rests_without_a_hint_double_up_to_half_a_minute_and_begin_anew_after_a_success(
    upstream: UpstreamHealth, clock: ManualClock
) -> None:
    model = upstream.of_model("large")
    for rest_s in (1, 2, 4, 8, 16, 30, 30):
        model.enter().leave(UpstreamRateLimited())
        await clock.advance(rest_s - 0.01)
        assert model.rests
        await clock.advance(0.01)
        assert not model.rests
    model.enter().leave(None)

    model.enter().leave(UpstreamRateLimited())
    await clock.advance(1)

    assert not model.rests


def test_where_callers_bring_their_own_keys_one_caller_does_not_stop_the_others(clock: ManualClock) -> None:
    upstream = UpstreamHealth(Breaker(), clock, Random(1), shared_credential=False)
    model = upstream.of_model("large")
    model.enter().leave(UpstreamRateLimited(retry_after_s=7))
    model.enter().leave(InsufficientQuota())

    assert model.wait_s() == 0
    assert not model.rests


async def test_the_first_delta_of_a_probe_closes_the_circuit_and_a_later_cut_counts_again(
    upstream: UpstreamHealth, clock: ManualClock
) -> None:
    """A probe that answers for minutes must not keep everybody else out for minutes."""
    model = upstream.of_model("large")
    for _ in range(2):
        model.enter().leave(UpstreamFailed())
    await clock.advance(17)
    probe = model.enter()
    assert model.wait_s() > 0

    probe.answered()
    assert model.wait_s() == 0
    probe.leave(UpstreamTruncated())
    model.enter().leave(UpstreamTruncated())

    assert model.wait_s() > 0


def test_a_call_is_heard_once(upstream: UpstreamHealth) -> None:
    model = upstream.of_model("large")
    visit = model.enter()
    visit.leave(UpstreamFailed())
    visit.leave(UpstreamFailed())

    assert model.wait_s() == 0


class Login:
    """A credential that can be replaced."""

    def __init__(self) -> None:
        self.state = "valid"
        self.version = 1


@pytest.fixture
def login() -> Login:
    return Login()


@pytest.fixture
def with_login(clock: ManualClock, login: Login) -> UpstreamHealth:
    return UpstreamHealth(Breaker(), clock, Random(1), shared_credential=True, login=login)


@pytest.mark.parametrize("error", [UpstreamAuthFailed(), UpstreamChallenge()])
async def test_a_login_that_was_refused_is_suspect_until_it_serves_again(
    with_login: UpstreamHealth, clock: ManualClock, error: TurnstileError
) -> None:
    model = with_login.of_model("m")
    assert with_login.credential_state == "valid"
    model.enter().leave(error)
    assert (with_login.credential_state, model.wait_s()) == ("suspect", 60)
    await clock.advance(60)
    assert (with_login.credential_state, model.wait_s()) == ("suspect", 0)
    model.enter().leave(None)
    assert with_login.credential_state == "valid"


def test_a_success_ends_the_suspicion_at_once(with_login: UpstreamHealth) -> None:
    """Of a call that was under way when another one was refused."""
    model = with_login.of_model("m")
    under_way = model.enter()
    model.enter().leave(UpstreamAuthFailed())
    under_way.leave(None)

    assert (with_login.credential_state, model.wait_s()) == ("valid", 0)


def test_another_login_ends_the_suspicion_at_once(with_login: UpstreamHealth, login: Login) -> None:
    model = with_login.of_model("m")
    model.enter().leave(UpstreamChallenge())
    login.version += 1

    assert (model.wait_s(), with_login.credential_state) == (0, "valid")


def test_a_login_out_of_quota_is_set_aside_but_not_suspect(with_login: UpstreamHealth) -> None:
    model = with_login.of_model("m")
    model.enter().leave(InsufficientQuota())

    assert (model.wait_s(), with_login.credential_state) == (60, "valid")


def test_what_the_login_says_of_itself_is_told(with_login: UpstreamHealth, login: Login) -> None:
    login.state = "expired"

    assert with_login.credential_state == "expired"


def test_an_upstream_without_a_login_of_its_own_has_no_state_of_one(upstream: UpstreamHealth) -> None:
    upstream.of_model("m").enter().leave(UpstreamAuthFailed())

    assert upstream.credential_state is None
