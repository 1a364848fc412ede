"""The circuit: when it opens, who may probe, what closes it, and what it does not hear."""

from random import Random

import pytest

from proxy.config import Breaker
from proxy.routing.breaker import Circuit, Outcome
from proxy.testing.clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def circuit(clock: ManualClock) -> Circuit:
    return Circuit(Breaker(failures=3, window_s=10, open_s=20), clock, Random(1))


def call(circuit: Circuit, outcome: Outcome) -> None:
    circuit.leave(circuit.enter(), outcome)


def open_it(circuit: Circuit) -> None:
    for _ in range(3):
        call(circuit, Outcome.FAILURE)


def test_enough_failures_open_it(circuit: Circuit) -> None:
    call(circuit, Outcome.FAILURE)
    call(circuit, Outcome.FAILURE)
    assert circuit.wait_s() == 0

    call(circuit, Outcome.FAILURE)

    assert 18 <= circuit.wait_s() <= 22  # open_s, give or take a tenth


def test_failures_among_as_many_successes_open_it_and_among_more_do_not(clock: ManualClock) -> None:
    """A busy upstream fails now and then; an outage is when about half fails."""
    for successes, opens in ((3, True), (4, False)):
        circuit = Circuit(Breaker(failures=3, window_s=10, open_s=20), clock, Random(1))
        for _ in range(successes):
            call(circuit, Outcome.SUCCESS)
        open_it(circuit)

        assert circuit.is_open is opens


async def test_old_failures_are_forgotten(circuit: Circuit, clock: ManualClock) -> None:
    call(circuit, Outcome.FAILURE)
    call(circuit, Outcome.FAILURE)
    await clock.advance(11)
    call(circuit, Outcome.FAILURE)

    assert not circuit.is_open


def test_what_says_nothing_is_not_counted(circuit: Circuit) -> None:
    """A rate limit or a caller who left is neither a success that hides failures nor a failure."""
    for _ in range(9):
        call(circuit, Outcome.NOTHING)
    open_it(circuit)

    assert circuit.is_open


async def test_when_its_time_is_over_one_request_probes(circuit: Circuit, clock: ManualClock) -> None:
    open_it(circuit)
    await clock.advance(23)
    assert circuit.wait_s() == 0

    circuit.enter()

    assert circuit.wait_s() > 0


@pytest.mark.parametrize(
    ("outcome", "is_open", "may_call"),
    [(Outcome.SUCCESS, False, True), (Outcome.FAILURE, True, False), (Outcome.NOTHING, True, True)],
)
async def test_the_probe_closes_it_or_opens_it_again_or_frees_its_place(
    circuit: Circuit, clock: ManualClock, outcome: Outcome, is_open: bool, may_call: bool
) -> None:
    open_it(circuit)
    await clock.advance(23)

    call(circuit, outcome)

    assert circuit.is_open is is_open
    assert (circuit.wait_s() == 0) is may_call


async def test_after_it_has_closed_the_window_is_empty(circuit: Circuit, clock: ManualClock) -> None:
    open_it(circuit)
    await clock.advance(23)
    call(circuit, Outcome.SUCCESS)
    call(circuit, Outcome.FAILURE)
    call(circuit, Outcome.FAILURE)

    assert not circuit.is_open


async def test_calls_begun_before_the_last_change_are_not_heard(circuit: Circuit, clock: ManualClock) -> None:
    """Slow failures of an old outage must not open a circuit that has closed, nor late successes close one."""
    late = [circuit.enter() for _ in range(5)]
    open_it(circuit)
    waits_s = circuit.wait_s()
    circuit.leave(late[0], Outcome.SUCCESS)
    assert circuit.wait_s() == waits_s
    await clock.advance(23)
    call(circuit, Outcome.SUCCESS)

    for epoch in late[1:]:
        circuit.leave(epoch, Outcome.FAILURE)

    assert not circuit.is_open


def test_no_failures_configured_means_that_it_never_opens(clock: ManualClock) -> None:
    circuit = Circuit(Breaker(failures=0), clock, Random(1))
    for _ in range(100):
        call(circuit, Outcome.FAILURE)

    assert not circuit.is_open
