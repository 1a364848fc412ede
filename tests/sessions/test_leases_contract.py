"""Leases, as every store must keep them."""

import asyncio

import pytest

from tests.sessions.stores import ABANDONED, BOB, BUSY, FREE, LASTS_S, PASSES_S, new_lease, put, take


async def test_one_holds_a_lease(subject):
    _, first = await subject.take("aa")
    _, second = await subject.take("aa")

    assert (first, second) == (FREE, BUSY)


async def test_a_lease_is_one_key_of_one_partition(subject):
    await subject.take("aa")

    assert (await subject.take("ab"))[1].held
    assert (await subject.take("aa", partition=BOB))[1].held


async def test_another_worker_sees_who_holds_it(subject):
    lease, _ = await subject.take("aa")

    assert not (await take(subject.other, "aa"))[1].held
    assert await subject.other.settle(lease, (), (), keep_s=LASTS_S)
    assert (await subject.take("aa"))[1].held


async def test_one_of_many_gets_it(subject):
    """However they interleave, on whichever way in."""
    asked = [take([subject.store, subject.other][n % 2], "aa") for n in range(60)]

    answers = await asyncio.gather(*asked)

    assert [taken.held for _, taken in answers].count(True) == 1


async def test_asking_again_is_no_conflict(subject):
    """An answer may have been lost on its way."""
    lease, _ = await subject.take("aa", hold_s=LASTS_S)

    again = await subject.store.take(lease, (), hold_s=LASTS_S, keep_s=LASTS_S)

    assert again == FREE


async def test_it_is_free_once_it_is_given_back(subject):
    lease, _ = await subject.take("aa")

    assert await subject.store.settle(lease, (), (), keep_s=LASTS_S)

    assert (await subject.take("aa"))[1] == FREE


async def test_it_is_given_back_once(subject):
    lease, _ = await subject.take("aa")
    await subject.store.settle(lease, (), (), keep_s=LASTS_S)
    _, second = await subject.take("aa")

    assert not await subject.store.settle(lease, (), (), keep_s=LASTS_S)
    assert second.held
    assert not (await subject.take("aa"))[1].held


async def test_a_lease_that_nobody_has_taken_protects_nothing(subject):
    assert not await subject.store.settle(new_lease("aa"), (put("aa"),), (), keep_s=LASTS_S)
    assert await subject.read("aa") == (None,)


# --- running out


async def test_a_crashed_holder_is_told_to_the_next(subject):
    await subject.take("aa", hold_s=PASSES_S)
    await subject.elapse(PASSES_S)

    _, next_one = await subject.take("aa")

    assert next_one == ABANDONED


async def test_it_is_told_to_one(subject):
    await subject.take("aa", hold_s=PASSES_S)
    await subject.elapse(PASSES_S)
    lease, _ = await subject.take("aa")

    assert (await subject.take("aa"))[1] == BUSY
    assert await subject.store.settle(lease, (), (), keep_s=LASTS_S)
    assert (await subject.take("aa"))[1] == FREE


async def test_it_is_told_for_as_long_as_the_record_may_live(subject):
    await subject.take("aa", hold_s=PASSES_S, keep_s=PASSES_S)
    await subject.elapse(3 * PASSES_S)

    assert (await subject.take("aa"))[1] == FREE


async def test_it_is_told_for_ever_where_records_live_for_ever(subject):
    await subject.take("aa", hold_s=PASSES_S, keep_s=0)
    await subject.elapse(10 * PASSES_S)

    assert (await subject.take("aa"))[1].abandoned


async def test_a_lost_lease_can_neither_write_nor_delete_nor_give_back(subject):
    """Its holder was thought dead, and another has gone on."""
    await subject.recorded(put("aa", b"before"), put("dd"))
    lost, _ = await subject.take("aa", hold_s=PASSES_S)
    await subject.elapse(PASSES_S)
    held, _ = await subject.take("aa")

    assert not await subject.store.settle(lost, (put("aa", b"late"), put("bb")), ("dd",), keep_s=LASTS_S)

    assert await subject.read("aa", "bb", "dd") == (b"before", None, b"value")
    assert not (await subject.take("aa"))[1].held
    assert await subject.store.settle(held, (put("aa", b"after"),), (), keep_s=LASTS_S)
    assert await subject.read("aa") == (b"after",)


async def test_a_lease_that_ran_out_is_its_holders_until_another_takes_it(subject):
    """A holder that was only slow loses nothing: the fence is who has the lease, not what time it is."""
    lease, _ = await subject.take("aa", hold_s=PASSES_S)
    await subject.elapse(PASSES_S)

    assert await subject.store.settle(lease, (put("aa", b"slow"),), (), keep_s=LASTS_S)
    assert await subject.read("aa") == (b"slow",)


# --- renewing


async def test_a_renewed_lease_does_not_run_out(subject):
    lease, _ = await subject.take("aa", hold_s=PASSES_S)

    assert list(await subject.store.renew([lease], hold_s=LASTS_S)) == [True]

    await subject.elapse(2 * PASSES_S)
    assert not (await subject.take("aa"))[1].held


async def test_it_is_renewed_from_now_on(subject):
    lease, _ = await subject.take("aa", hold_s=LASTS_S)

    assert list(await subject.store.renew([lease], hold_s=PASSES_S)) == [True]

    await subject.elapse(PASSES_S)
    assert (await subject.take("aa"))[1] == ABANDONED


async def test_each_lease_is_renewed_for_itself(subject):
    """Held, given back, lost, never taken; of several partitions."""
    held, _ = await subject.take("aa")
    returned, _ = await subject.take("bb")
    await subject.store.settle(returned, (), (), keep_s=LASTS_S)
    lost, _ = await subject.take("cc", hold_s=PASSES_S)
    bobs, _ = await subject.take("aa", partition=BOB)
    await subject.elapse(PASSES_S)
    await subject.take("cc")

    still = await subject.store.renew([held, returned, lost, new_lease("dd"), bobs], hold_s=LASTS_S)

    assert list(still) == [True, False, False, False, True]


async def test_nothing_to_renew(subject):
    assert list(await subject.store.renew([], hold_s=LASTS_S)) == []


@pytest.mark.parametrize("session", ["aa", "5e55", None], ids=["its name", "a record's key", "everything"])
async def test_a_turn_on_what_is_deleted_is_not_recorded(subject, session):
    """Whoever deletes a conversation does not want to find it again when the turn under way has ended."""
    await subject.recorded(put("aa", session="5e55"), put("bb", session="aa"))
    lease, _ = await subject.take("aa")

    await subject.store.delete(lease.partition, session)

    assert not await subject.store.settle(lease, (put("aa", b"late"),), (), keep_s=LASTS_S)
    assert (await subject.take("aa"))[1] == FREE
