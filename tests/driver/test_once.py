"""Exactly one ending: whatever happens at the same time, and nothing is kept after it."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise

import pytest

from proxy.errors import ClientGone
from proxy.testing.play import Play
from proxy.testing.script import Upstream
from proxy.testing.walk import Walk, path
from statechart.vocabulary import State

Held = Callable[..., Awaitable[Walk]]


RESTING = ["validate", "auth", "session", "upstream", "backoff", "stream", "resume", "read", "render"]
WITH_A_CLOCK = {"upstream": ("first_event", 120), "stream": ("idle", 60), "read": ("idle", 60)}
HELLO = Upstream.answers("Hello.")


# --- several things at once: the caller's leaving, then the daemon's, then clocks, then the upstream


@pytest.mark.parametrize("state", RESTING)
@pytest.mark.parametrize("order", ["leaves first", "leaves last"])
async def test_a_caller_who_leaves_as_the_daemon_goes_down_has_left(held: Held, state: str, order: str) -> None:
    walk = await held(State(state))
    gateway = walk.world.gateway
    for act in (walk.client.leave, gateway.cut) if order == "leaves first" else (gateway.cut, walk.client.leave):
        act()
    x = await walk.end()

    assert path(x).endswith(f"{state} client_abort")


@pytest.mark.parametrize("state", WITH_A_CLOCK)
@pytest.mark.parametrize("order", ["before", "after"])
async def test_a_caller_who_leaves_as_a_clock_runs_out_has_left(held: Held, state: str, order: str) -> None:
    walk = await held(State(state), clocks={"first_event": 120})
    await walk.clock.advance(1)
    clock, seconds = WITH_A_CLOCK[state]
    at_the_same_time(walk, clock, walk.client.leave, order)
    x = await walk.end()

    assert path(x).endswith(f"{state} client_abort")
    assert x.clock.passed_s == seconds


@pytest.mark.parametrize("state", WITH_A_CLOCK)
@pytest.mark.parametrize("order", ["before", "after"])
async def test_the_daemon_going_down_beats_a_clock(held: Held, state: str, order: str) -> None:
    walk = await held(State(state), clocks={"first_event": 120})
    await walk.clock.advance(1)
    at_the_same_time(walk, WITH_A_CLOCK[state][0], walk.world.gateway.cut, order)
    x = await walk.end()

    assert path(x).endswith(f"{state} shutdown")
    assert x.code == "shutting_down"


@pytest.mark.parametrize("order", ["before", "after"])
async def test_a_clock_beats_what_the_upstream_says_at_the_same_moment(play: Play, order: str) -> None:
    idle_s = 60 if order == "before" else 59.999999
    walk = play.begin(Upstream.answers("Hel").then_waits(60).then_fails(500), clocks={"idle": idle_s})
    x = await walk.end()

    assert (x.state, x.code) == ("timeout", "upstream_timeout")


async def test_a_caller_who_leaves_beats_what_the_upstream_says(held: Held) -> None:
    walk = await held(State.STREAM)
    walk.clock.call_at(walk.clock.now(), walk.client.leave)
    x = await walk.end()

    assert x.state == "client_abort"


@pytest.mark.parametrize("order", ["before", "after"])
async def test_a_caller_who_leaves_as_the_tail_runs_out_has_left(play: Play, order: str) -> None:
    """The tail is no fault, and takes its cancellation back; but not that of somebody else."""
    walk = play.begin(Upstream.answers("Hello.").then_finishes().then_stalls())
    await walk.until(State.STREAM)
    await walk.clock.advance(0.5)
    at_the_same_time(walk, "tail", walk.client.leave, order)
    x = await walk.end()

    assert path(x).endswith("stream client_abort")


@pytest.mark.parametrize("order", ["before", "after"])
async def test_the_daemon_going_down_as_the_tail_runs_out(play: Play, order: str) -> None:
    walk = play.begin(Upstream.answers("Hello.").then_finishes().then_stalls())
    await walk.until(State.STREAM)
    await walk.clock.advance(0.5)
    at_the_same_time(walk, "tail", walk.world.gateway.cut, order)
    x = await walk.end()

    assert path(x).endswith("stream shutdown")


def at_the_same_time(walk: Walk, clock: str, act, order: str):
    """Have *act* happen in the turn of the loop in which *clock* runs out."""
    due = walk.exchange.deadline.due[clock]
    expire = walk.exchange.deadline._check

    def both():
        for each in (act, expire) if order == "before" else (expire, act):
            each()

    walk.clock.call_at(due, both)
    walk.exchange.deadline._handle.cancel()


# --- nothing follows


async def test_whatever_comes_after_the_ending_is_dropped(play: Play) -> None:
    walk = play.begin(Upstream.answers("Hel").then_breaks())
    x = await walk.end()
    told, steps = x.body, len(x.exchange.trace)
    walk.world.gateway.cut()
    x.exchange.deadline.expire("idle", 60)
    x.exchange.deadline.start("total", 1)
    await x.clock.advance(100)

    assert (x.body, len(x.exchange.trace), x.state) == (told, steps, "upstream_error")


async def test_a_caller_who_leaves_while_told_of_a_failure_does_not_change_it(play: Play) -> None:
    walk = play.begin(Upstream.fails(400), reads=0)
    for _ in range(4):
        await walk.clock.advance(0.001)
    assert walk.state == "invalid_request"
    walk.client.leave()
    await asyncio.wait({walk.client.task})
    x = walk

    assert (x.state, x.world.ended) == ("invalid_request", [x.exchange])


async def test_a_caller_who_does_not_read_of_a_failure_is_not_waited_for(play: Play) -> None:
    x = await play(Upstream.fails(400), reads=0)

    assert (x.state, x.clock.passed_s) == ("invalid_request", 30)
    assert x.client.was_reset


async def test_a_caller_who_is_found_gone_while_told_of_a_failure(play: Play) -> None:
    def gone(_number: int):
        raise ClientGone

    x = await play(Upstream.fails(400), on_write=gone)

    assert x.state == "invalid_request"
    assert x.client.was_reset


async def test_a_write_that_finds_the_caller_gone_ends_the_request(play: Play) -> None:
    def gone(number: int):
        if number == 2:
            raise ClientGone

    x = await play(Upstream.answers("Hel", "lo", "!"), on_write=gone)

    assert path(x) == "validate auth session upstream stream client_abort"
    assert x.text == "Hel"


# --- everything is given back


@pytest.mark.parametrize(
    "fault",
    [
        HELLO,
        Upstream.fails(500),
        Upstream.answers("Hel").then_breaks(),
        Upstream.stalls(),
        Upstream.fails(RuntimeError()),
    ],
    ids=["done", "500", "cut", "stall", "bug"],
)
async def test_the_next_request_finds_every_slot_free(play: Play, fault: Upstream) -> None:
    auth = {"mode": "keys", "keys": [{"name": "dev", "key": "sk-dev", "max_parallel": 1}]}
    world = play.world(
        fault, HELLO, server={"max_in_flight": 1}, upstream={"max_parallel": 1}, auth=auth, retry={"attempts": 1}
    )
    key = {"Authorization": "Bearer sk-dev"}
    await world.begin(headers=key).end()
    x = await world.begin(headers=key).end()

    assert (x.status, x.text) == (200, "Hello.")
    assert (world.gateway.accepted, world.gateway.ended, len(world.gateway.live)) == (2, 2, 0)


@pytest.mark.parametrize("state", [state for state in RESTING if state != "auth"])
@pytest.mark.parametrize("how", ["leaves", "cut"])
async def test_slots_are_free_after_an_interruption_too(held: Held, state: str, how: str) -> None:
    walk = await held(State(state), server={"max_in_flight": 1}, upstream={"max_parallel": 1})
    if how == "leaves":
        walk.client.leave()
    else:
        walk.world.gateway.cut()
    await walk.end()
    again = walk.world.begin(body_s=0)
    await again.clock.advance(1)

    assert again.state not in ("validate", "auth", "overloaded"), "its own slots are free"
    again.client.leave()
    await again.end()


async def test_a_place_in_the_queue_that_is_given_up_is_free(play: Play) -> None:
    world = play.world(Upstream.answers("Hel").then_stalls(), server={"max_in_flight": 1, "max_queued": 1})
    first = world.begin()
    await first.until(State.STREAM)
    second = world.begin()
    await second.until(State.AUTH)
    turned_away = await world.begin().end()
    assert (path(turned_away), turned_away.status, turned_away.code) == ("validate overloaded", 503, "overloaded")

    second.client.leave()
    await second.end()
    third = world.begin()
    await third.until(State.AUTH)
    first.client.leave()
    await first.end()
    await third.until(State.STREAM)
    third.client.leave()
    await third.end()


async def test_a_slot_of_an_upstream_goes_to_who_waited_first(play: Play) -> None:
    world = play.world(HELLO.then_waits(1).then_says("!"), upstream={"max_parallel": 1}, clocks={"queue": 0})
    walks = [world.begin() for _ in range(4)]
    for walk in walks:
        await walk.end()

    assert [x.request_id for x in world.ended] == [walk.exchange.request_id for walk in walks]


async def test_the_upstreams_slot_is_free_as_soon_as_it_has_said_all(play: Play) -> None:
    """What a caller reads slowly must not keep others from the upstream."""
    world = play.world(HELLO, upstream={"max_parallel": 1})
    slow = world.begin(reads=2)
    await slow.until(State.RENDER)
    x = await world.begin().end()

    assert x.text == "Hello."
    slow.client.read_on()
    await slow.end()


async def test_a_conversation_is_held_once_and_let_go(play: Play) -> None:
    x = await play(HELLO)

    assert [(each.committed, each.held) for each in x.conversations] == [(True, False)]


async def test_a_conversation_is_let_go_unrecorded_when_the_request_fails(play: Play) -> None:
    x = await play(Upstream.answers("Hel").then_breaks())

    assert [(each.committed, each.held) for each in x.conversations] == [(False, False)]


async def test_the_trace_and_the_ending_agree(play: Play) -> None:
    x = await play(HELLO)
    steps = x.exchange.trace

    assert [step.source for step in steps] == [State(name) for name in path(x).split(" ")[:-1]]
    assert all(earlier.t_ns <= later.t_ns for earlier, later in pairwise(steps))
    assert steps[-1].target == x.state
