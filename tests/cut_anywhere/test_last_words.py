"""Telling of a failure takes time as well: whatever comes then changes neither the ending nor what is told of it."""

import pytest

from proxy.testing.play import World
from proxy.testing.script import Upstream
from statechart.vocabulary import TERMINAL_STATES, State
from tests.cut_anywhere.cuts import Cut, all_of, check_given_back, cut_everywhere, leave, pass_deadline, play, shut_down
from tests.cut_anywhere.scenarios import HELLO, Scenario

CUT_OFF = HELLO.then_breaks()
REFUSED = Upstream.fails(400)


@pytest.mark.parametrize("cut", [leave, pass_deadline, shut_down, all_of(shut_down, leave)])
@pytest.mark.parametrize("scenario", [Scenario((CUT_OFF,)), Scenario((REFUSED,))], ids=["a frame", "an envelope"])
async def test_an_ending_that_is_being_told_stays_what_it_is(scenario: Scenario, cut: Cut) -> None:
    expected = (await play(scenario)).path
    cut_while_told = 0
    async for told, walk in cut_everywhere(scenario, cut):
        check_given_back(walk)
        if walk.state_cut in TERMINAL_STATES:
            cut_while_told += 1
            assert (walk.path, walk.body) == (expected, told)
    assert cut_while_told == 2


@pytest.mark.parametrize(
    ("script", "reads", "ending"),
    [(Upstream.answers("Hel").then_breaks(), 2, State.UPSTREAM_ERROR), (REFUSED, 1, State.INVALID_REQUEST)],
    ids=["a frame", "an envelope"],
)
async def test_who_does_not_read_of_a_failure_is_waited_for_by_our_clock(
    script: Upstream, reads: int, ending: State
) -> None:
    walk = World(script, clocks={"client_write": 7}).begin(reads=reads)
    x = await walk.end()

    assert x.state is ending
    assert x.client.was_reset
    assert x.clock.passed_s == 7
