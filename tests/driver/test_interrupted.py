"""A request can be ended from outside wherever it rests: by its caller, by the daemon, by its deadline, by a bug."""

from collections.abc import Awaitable, Callable

import pytest

from proxy.testing.play import Play
from proxy.testing.walk import Walk, path
from statechart.vocabulary import State

Held = Callable[..., Awaitable[Walk]]


RESTING = ["validate", "auth", "session", "upstream", "backoff", "stream", "resume", "read", "render"]
COMMITTED = {"stream", "resume", "render"}


@pytest.mark.parametrize("state", RESTING)
async def test_a_caller_who_leaves_ends_the_request_where_it_is(held: Held, state: str) -> None:
    walk = await held(State(state))
    told = walk.client.body
    walk.client.leave()
    x = await walk.end()

    assert path(x).endswith(f"{state} client_abort")
    assert x.client.body == told, "nobody is told anything more"


@pytest.mark.parametrize("state", RESTING)
async def test_the_daemon_going_down_ends_the_request_and_says_so(held: Held, state: str) -> None:
    walk = await held(State(state))
    walk.world.gateway.cut()
    x = await walk.end()

    assert path(x).endswith(f"{state} shutdown")
    assert (x.status, x.code) == (200 if state in COMMITTED else 503, "shutting_down")
    assert x.client.closed


@pytest.mark.parametrize("state", [state for state in RESTING if state != "backoff"])
async def test_the_deadline_ends_the_request_wherever_it_waits(held: Held, state: str) -> None:
    walk = await held(State(state), clocks={"total": 7})
    x = await walk.end()

    assert path(x).endswith(f"{state} timeout")
    assert (x.status, x.code) == (200 if state in COMMITTED else 504, "total_timeout")
    assert "7 seconds (clock 'total')" in x.error["message"]
    assert x.clock.passed_s == pytest.approx(7)


async def test_the_deadline_would_end_a_wait_for_another_attempt_as_well(held: Held) -> None:
    """None begins that would end after it, so here the deadline comes as a surprise."""
    walk = await held(State.BACKOFF)
    walk.exchange.deadline.expire("total", 1800)
    x = await walk.end()

    assert path(x) == "validate auth session upstream backoff timeout"
    assert (x.status, x.code) == (504, "total_timeout")


@pytest.mark.parametrize("state", ["validate", "auth", "session", "backoff"])
async def test_requests_that_nobody_works_on_are_ended_as_soon_as_new_ones_are_refused(held: Held, state: str) -> None:
    walk = await held(State(state))
    walk.world.gateway.refuse()
    x = await walk.end()

    assert path(x).endswith(f"{state} shutdown")
    assert (x.status, x.code) == (503, "shutting_down")


@pytest.mark.parametrize("state", ["upstream", "stream", "resume", "read", "render"])
async def test_requests_that_an_upstream_works_on_run_on_while_new_ones_are_refused(held: Held, state: str) -> None:
    walk = await held(State(state))
    walk.world.gateway.refuse()
    await walk.clock.advance(1)

    assert walk.state == state
    walk.client.leave()
    await walk.end()


async def test_a_request_that_comes_too_late_is_turned_away(play: Play) -> None:
    world = play.world()
    world.gateway.refuse()
    x = await world.begin().end()

    assert path(x) == "validate shutdown"
    assert (x.status, x.code, x.client.closed) == (503, "shutting_down", True)
    assert x.client.headers["Retry-After"] == "1"
