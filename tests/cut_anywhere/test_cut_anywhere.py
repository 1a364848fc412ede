"""A request may be cut wherever it halts: it ends once, as the cut says, and leaves nothing behind.

Every walk is run uncut first, to count its halts; then once for each halt, with the cut made there.
"""

import pytest

from proxy.testing.frames import read_stream
from proxy.wire.answer import error_body
from statechart.vocabulary import WORKING_STATES, Event, State
from tests.cut_anywhere.cuts import (
    TOTAL_S,
    Cut,
    all_of,
    break_upstreams,
    check_given_back,
    cut_everywhere,
    leave,
    pass_deadline,
    play,
    shut_down,
)
from tests.cut_anywhere.halts import CutWalk
from tests.cut_anywhere.scenarios import SCENARIOS, Scenario

FROM_OUTSIDE: dict[str, tuple[Cut, Event, State]] = {
    "the caller leaves": (leave, Event.CLIENT_GONE, State.CLIENT_ABORT),
    "the deadline passes": (pass_deadline, Event.DEADLINE_PASSED, State.TIMEOUT),
    "the daemon goes down": (shut_down, Event.SHUTTING_DOWN, State.SHUTDOWN),
}
"""The cut, the event that it is, and the ending."""

AT_ONCE: dict[str, tuple[Cut, Event, State]] = {
    "the caller last": (all_of(pass_deadline, shut_down, leave), Event.CLIENT_GONE, State.CLIENT_ABORT),
    "the caller first": (all_of(leave, shut_down, pass_deadline), Event.CLIENT_GONE, State.CLIENT_ABORT),
    "the daemon last": (all_of(pass_deadline, shut_down), Event.SHUTTING_DOWN, State.SHUTDOWN),
    "the daemon first": (all_of(shut_down, pass_deadline), Event.SHUTTING_DOWN, State.SHUTDOWN),
}
"""Several in one turn of the loop: the caller's leaving counts first, then the daemon's end, then clocks."""


def check_told(uncut: bytes, walk: CutWalk) -> None:
    """What the caller saw is a beginning of the whole, then at most one error, and nothing else.

    An answer that was cut when its last piece was on its way has been broken off, so that it can't pass for whole.
    """
    body, error = walk.body, walk.exchange.failure
    if walk.state is State.DONE:
        assert body == uncut
    elif walk.state is State.CLIENT_ABORT or walk.client.was_reset:
        assert uncut.startswith(body), "nothing is told to who has left"
        assert walk.client.was_reset == (walk.state_cut == State.RENDER and walk.state is not State.CLIENT_ABORT)
    elif walk.status == 200:
        told, mark, _ = body.partition(b'data: {"error"')
        assert uncut.startswith(told)
        assert mark
        assert not read_stream(body).done, "an error, or the end mark"
        assert walk.client.closed
    else:
        assert error is not None
        assert walk.client.headers["x-end-reason"] == walk.state
        assert body == error_body(error)
        assert (walk.status, walk.code) == (error.told_status, error.told_code)


async def check_cut(scenario: Scenario, cut: Cut, event: Event, ending: State) -> None:
    """Cut everywhere, the request ends where it was, for the right reason, and leaves nothing behind."""
    async for uncut, walk in cut_everywhere(scenario, cut):
        last = walk.exchange.trace[-1]
        assert (last.source, last.event, last.target) == (walk.state_cut, event, ending), walk.at
        check_told(uncut, walk)
        check_given_back(walk)


@pytest.mark.parametrize("cut", FROM_OUTSIDE)
@pytest.mark.parametrize("name", SCENARIOS)
async def test_a_cut_from_outside_ends_the_request_where_it_is(name: str, cut: str) -> None:
    await check_cut(SCENARIOS[name], *FROM_OUTSIDE[cut])


@pytest.mark.parametrize("cut", AT_ONCE)
@pytest.mark.parametrize("name", ["streamed", "collected", "behind another in the queue"])
async def test_of_several_cuts_at_once_the_first_in_rank_counts(name: str, cut: str) -> None:
    await check_cut(SCENARIOS[name], *AT_ONCE[cut])


@pytest.mark.parametrize("name", SCENARIOS)
async def test_an_upstream_that_breaks_fails_the_request_unless_it_had_said_all(name: str) -> None:
    """It stays broken, so that retries and fallbacks do not help."""
    async for uncut, walk in cut_everywhere(SCENARIOS[name], break_upstreams):
        last = walk.exchange.trace[-1]
        whole = (State.RENDER, Event.RENDERED, State.DONE)
        failed = (last.source, Event.UPSTREAM_FAILED, State.UPSTREAM_ERROR)
        assert (last.source, last.event, last.target) == (whole if walk.had_all else failed), walk.at
        check_told(uncut, walk)
        check_given_back(walk)


@pytest.mark.parametrize("name", ["streamed", "collected"])
async def test_nothing_that_comes_after_the_ending_is_heard(name: str) -> None:
    """Clocks, the daemon's end and the caller's leaving may all still know the request."""
    async for _, walk in cut_everywhere(SCENARIOS[name], shut_down):
        told, steps = walk.body, len(walk.exchange.trace)
        all_of(pass_deadline, shut_down, leave)(walk, None)
        await walk.clock.advance(TOTAL_S)
        assert (walk.body, len(walk.exchange.trace)) == (told, steps)
        check_given_back(walk)


async def test_every_state_that_waits_is_cut() -> None:
    """The scenarios leave none out; `tool_parse` never waits."""
    halted = set[State]()
    for scenario in SCENARIOS.values():
        uncut = await play(scenario)
        assert uncut.state is State.DONE
        halted |= uncut.states_halted
    assert halted == set(WORKING_STATES) - {State.TOOL_PARSE}
