"""Upstreams that are ill: they are left alone, and asked again by one request at a time."""

import pytest

from proxy.testing.play import Play, World
from proxy.testing.script import Upstream
from proxy.testing.walk import path

HELLO = Upstream.answers("Hello.")
SPARE = Upstream.answers("Spare.")
ONCE = {"attempts": 1}
FAILURES = 5


async def make_ill(world: World) -> None:
    for _ in range(FAILURES):
        await world.begin().end()


async def test_an_upstream_that_keeps_failing_is_not_called_any_more(play: Play) -> None:
    world = play.world(Upstream.fails(500), retry=ONCE)
    await make_ill(world)
    x = await world.begin().end()

    assert path(x) == "validate auth session upstream upstream_error"
    assert (x.status, x.code) == (503, "upstream_unavailable")
    assert 13 <= int(x.client.headers["Retry-After"]) <= 17
    assert len(x.turns) == FAILURES


async def test_the_next_candidate_is_asked_in_its_place(play: Play) -> None:
    world = play.world(Upstream.fails(500), fallbacks=[SPARE], retry=ONCE)
    await make_ill(world)
    x = await world.begin().end()

    assert path(x) == "validate auth session upstream stream tool_parse render done"
    assert x.attempts == ["spare-1:answered"]


async def test_what_callers_do_wrong_makes_nobody_ill(play: Play) -> None:
    world = play.world(Upstream.fails(400), retry=ONCE)
    await make_ill(world)
    x = await world.begin().end()

    assert x.status == 400
    assert len(x.turns) == FAILURES + 1


@pytest.mark.parametrize("how", ["leaves", "cut"])
async def test_nor_does_what_ends_a_request_from_outside(play: Play, how: str) -> None:
    world = play.world(*[Upstream.answers("Hel").then_stalls()] * FAILURES, HELLO)
    for _ in range(FAILURES):
        walk = world.begin()
        await walk.until("stream")
        walk.client.leave() if how == "leaves" else world.gateway.cut()
        await walk.end()
    x = await world.begin().end()

    assert x.text == "Hello."


async def test_one_request_at_a_time_finds_out_whether_it_is_well_again(play: Play) -> None:
    world = play.world(*[Upstream.fails(500)] * FAILURES, HELLO.then_waits(5).then_says("!"), retry=ONCE)
    await make_ill(world)
    await world.clock.advance(20)
    probe = world.begin()
    await probe.until("upstream")
    turned_away = await world.begin().end()
    assert turned_away.code == "upstream_unavailable"

    x = await probe.end()
    assert x.text == "Hello.!"
    assert (await world.begin().end()).text == "Hello.!"


@pytest.mark.parametrize("how", ["leaves", "cut", "limited"])
async def test_a_probe_that_learns_nothing_leaves_its_place_to_the_next(play: Play, how: str) -> None:
    answer = Upstream.fails(429) if how == "limited" else Upstream.stalls()
    world = play.world(*[Upstream.fails(500)] * FAILURES, answer, HELLO, retry=ONCE)
    await make_ill(world)
    await world.clock.advance(20)
    probe = world.begin()
    await probe.until("upstream")
    if how == "leaves":
        probe.client.leave()
    elif how == "cut":
        world.gateway.cut()
    await probe.end()
    x = await world.begin().end()

    assert x.text == "Hello."


async def test_an_account_out_of_quota_is_left_alone_for_a_minute(play: Play) -> None:
    world = play.world(Upstream.fails(402), HELLO, kind="openai", fallbacks=[SPARE])
    assert (await world.begin().end()).attempts == ["main:insufficient_quota", "spare-1:answered"]
    assert (await world.begin().end()).attempts == ["spare-1:answered"]

    await world.clock.advance(61)
    assert (await world.begin().end()).attempts == ["main:answered"]


async def test_a_limited_credential_rests_while_another_is_there(play: Play) -> None:
    world = play.world(Upstream.fails(429, headers={"retry-after": "8"}), HELLO, kind="openai", fallbacks=[SPARE])
    assert (await world.begin().end()).attempts == ["main:upstream_rate_limited", "spare-1:answered"]
    assert (await world.begin().end()).attempts == ["spare-1:answered"]

    await world.clock.advance(9)
    assert (await world.begin().end()).attempts == ["main:answered"]


async def test_it_is_used_all_the_same_where_there_is_no_other(play: Play) -> None:
    world = play.world(Upstream.fails(429, headers={"retry-after": "50"}), HELLO, kind="openai")
    assert (await world.begin().end()).status == 429
    assert (await world.begin().end()).text == "Hello."


async def test_a_fallback_that_is_asked_first_is_told_of_its_own_faults(play: Play) -> None:
    """Nobody was asked before it, so it hides nothing."""
    world = play.world(
        *[Upstream.fails(500)] * FAILURES, fallbacks=[(*[SPARE] * FAILURES, Upstream.fails(400))], retry=ONCE
    )
    await make_ill(world)
    x = await world.begin().end()

    assert (x.status, x.code, x.attempts) == (400, "invalid_value", ["spare-1:invalid_value"])
