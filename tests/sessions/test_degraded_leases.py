"""Leases of a remote store that is lost and found: as exclusive as they can be, and never left behind."""

import asyncio

from proxy.testing.clock import at_rest
from tests.sessions.remote import DEADLINE_S
from tests.sessions.stores import ALICE, LASTS_S, put, take


async def test_a_lease_from_before_is_respected(world):
    """The turn that holds it is still under way in this process."""
    lease, _ = await take(world.store, "aa")
    await world.lose()

    assert not (await take(world.store, "aa"))[1].held
    assert await world.store.renew([lease], hold_s=LASTS_S) == [True]
    assert await world.store.settle(lease, (put("aa", b"1"),), (), keep_s=LASTS_S)
    assert (await take(world.store, "aa", "aa"))[1].records == (b"1",)


async def test_a_lease_that_was_given_back_meanwhile_is_free_there_afterwards(world):
    """Were it left to run out, the next turn would take its holder for crashed."""
    lease, _ = await take(world.store, "aa")
    await world.lose()
    await world.store.settle(lease, (), (), keep_s=LASTS_S)
    assert not (await take(world.elsewhere, "aa"))[1].held

    await world.find()

    _, taken = await take(world.elsewhere, "aa")
    assert (taken.held, taken.abandoned) == (True, False)


async def test_a_lease_that_another_host_has_by_now_is_lost(world):
    """Both had a right to it: the turn here is not recorded."""
    await world.lose()
    here, _ = await take(world.store, "aa")
    there, _ = await take(world.elsewhere, "aa")

    await world.find()

    assert not await world.store.settle(here, (put("aa", b"here"),), (), keep_s=LASTS_S)
    assert await world.elsewhere.settle(there, (put("aa", b"there"),), (), keep_s=LASTS_S)
    assert await world.there("aa") == (b"there",)


async def test_a_lease_that_was_granted_unheard_is_given_back(world):
    """The answer came too late, and another turn here had it already."""
    busy, _ = await take(world.store, "aa")
    world.remote.late = True
    asked = asyncio.ensure_future(take(world.store, "bb"))  # noqa: TID251 - a test's own
    await at_rest()
    await world.clock.advance(DEADLINE_S)
    lease, taken = await asked
    assert taken.held
    assert await world.store.settle(lease, (), (), keep_s=LASTS_S)

    await world.find()

    assert (await take(world.elsewhere, "bb"))[1].held
    assert not (await take(world.elsewhere, "aa"))[1].held
    assert await world.store.settle(busy, (), (), keep_s=LASTS_S)


async def test_two_turns_never_hold_one_lease_when_the_loss_comes_between(world):
    """One is granted there, while the other, which has noticed the loss, is granted here."""
    world.remote.held_up = True
    slow = asyncio.ensure_future(take(world.store, "aa"))  # noqa: TID251 - a test's own
    await at_rest()
    await world.lose()
    quick, taken = await take(world.store, "aa")
    world.remote.let_go()

    assert taken.held
    assert not (await slow)[1].held
    await world.store.settle(quick, (), (), keep_s=LASTS_S)
    await world.find()
    assert (await take(world.store, "aa"))[1].held


async def test_what_was_read_there_while_it_was_lost_is_not_thrown_away(world):
    await world.elsewhere.write(ALICE, (put("aa", b"there"), put("bb", b"old")), keep_s=0)
    world.remote.held_up = True
    slow = asyncio.ensure_future(take(world.store, "aa", "aa", "bb"))  # noqa: TID251 - a test's own
    await at_rest()
    await world.lose()
    await world.store.write(ALICE, (put("bb", b"new"),), keep_s=0)
    world.remote.let_go()

    _, taken = await slow

    assert (taken.held, taken.degraded, taken.records) == (True, True, (b"there", b"new"))


async def test_a_turn_that_was_recorded_while_it_was_lost_is_found_here_too(world):
    lease, _ = await take(world.store, "aa")
    world.remote.held_up = True
    slow = asyncio.ensure_future(  # noqa: TID251 - a test's own
        world.store.settle(lease, (put("aa", b"1"),), (), keep_s=LASTS_S)
    )
    await at_rest()
    await world.lose()
    world.remote.let_go()

    assert await slow
    assert (await take(world.store, "aa", "aa"))[1].records == (b"1",)


async def test_a_crashed_turns_lease_is_told_here_too(world):
    await take(world.store, "aa", hold_s=1.0)
    await world.lose()
    await world.clock.advance(1.0)

    assert (await take(world.store, "aa"))[1].abandoned


async def test_a_lease_that_is_lost_there_is_not_kept_here(world):
    lost, _ = await take(world.store, "aa", hold_s=1.0)
    await world.clock.advance(1.0)
    await take(world.elsewhere, "aa")

    assert await world.store.renew([lost], hold_s=LASTS_S) == [False]
    assert not await world.store.settle(lost, (put("aa"),), (), keep_s=LASTS_S)
    assert world.store._here.holds() == []
