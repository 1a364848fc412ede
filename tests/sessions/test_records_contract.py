"""Records, as every store must keep them."""

import asyncio

import pytest

from proxy.sessions.store import Listed, Taken
from tests.sessions.stores import ALICE, BOB, LASTS_S, PASSES_S, names, new_lease, put, take

EVERY_BYTE = bytes(range(256))


async def test_what_a_turn_has_written_is_read_with_the_next_lease(subject):
    lease, first = await subject.take("aa", "aa", "bb")

    assert await subject.store.settle(lease, (put("aa", b"1"), put("bb", b"2")), (), keep_s=LASTS_S)

    assert first.records == (None, None)
    assert (await take(subject.other, "aa", "bb", "cc", "aa"))[1].records == (b"2", None, b"1")


async def test_it_is_read_whoever_holds_the_lease(subject):
    await subject.recorded(put("aa"))
    await subject.take("aa")

    assert (await subject.take("aa", "aa"))[1] == Taken(held=False, abandoned=False, records=(b"value",))


async def test_it_is_read_from_its_own_partition(subject):
    """The same key of another caller is another key."""
    await subject.recorded(put("aa", b"alice's"))
    await subject.recorded(put("aa", b"bob's"), partition=BOB)

    assert await subject.read("aa") == (b"alice's",)
    assert await subject.read("aa", partition=BOB) == (b"bob's",)


@pytest.mark.parametrize(
    "value",
    [b"", b"\0", b"\n", b"5e55\n1 2\n", b"\xff\xfe", EVERY_BYTE, "ümläut 🙂".encode(), b"x" * 1_000_000],
    ids=len,
)
async def test_a_value_comes_back_byte_for_byte(subject, value):
    lease, _ = await subject.take("aa")
    await subject.store.settle(lease, (put("aa", value),), (), keep_s=LASTS_S)

    assert (await subject.take("aa", "aa"))[1].records == (value,)
    assert await subject.store.sessions(ALICE, limit=5) == [Listed(ALICE, "5e55", None, 1)]


async def test_a_turn_writes_deletes_and_gives_back_at_once(subject):
    """Nobody ever sees a part of it: all three records come from one turn."""
    await subject.recorded(put("aa", b"0"), put("bb", b"0"), put("cc", b"0"))

    async def turns(store):
        for n in range(15):
            lease, taken = await take(store, "aa", "aa", "bb", "cc")
            seen.add(taken.records)
            if taken.held:
                value = b"%d" % n
                await store.settle(lease, (put("aa", value), put("bb", value), put("cc", value)), (), keep_s=LASTS_S)

    seen: set[tuple[bytes, ...]] = set()
    await asyncio.gather(*(turns(store) for store in (subject.store, subject.other) * 3))

    assert all(len(set(records)) == 1 for records in seen), seen


async def test_a_turn_drops_what_is_no_longer_so(subject):
    await subject.recorded(put("aa"), put("bb"))
    lease, _ = await subject.take("aa")

    assert await subject.store.settle(lease, (put("cc"),), ("aa", "bb", "dd"), keep_s=LASTS_S)

    assert await subject.read("aa", "bb", "cc") == (None, None, b"value")
    assert await subject.store.sessions(ALICE, limit=5) == [Listed(ALICE, "5e55", None, 1)]


async def test_what_no_lease_protects_is_written_past_it(subject):
    await subject.take("aa")

    await subject.store.write(ALICE, (put("aa", b"1"),), keep_s=LASTS_S)
    await subject.store.write(ALICE, (put("aa", b"2"),), keep_s=LASTS_S)
    await subject.store.write(ALICE, (), keep_s=LASTS_S)

    assert await subject.read("aa") == (b"2",)


# --- how long they are kept


async def test_a_record_that_nobody_uses_goes(subject):
    await subject.recorded(put("aa"), keep_s=PASSES_S)
    await subject.recorded(put("bb"))

    await subject.elapse(PASSES_S)

    assert await subject.read("aa", "bb") == (None, b"value")


async def test_it_is_gone_from_lists_too(subject):
    await subject.recorded(put("aa", session="aa"), put("ab", session="ab"), keep_s=PASSES_S)
    await subject.recorded(put("bb", session="aa"))

    await subject.elapse(PASSES_S)

    assert await subject.store.sessions(ALICE, limit=9) == [Listed(ALICE, "aa", None, 1)]
    assert await subject.store.delete(ALICE, "ab") == 0


async def test_reading_keeps_it_longer(subject):
    await subject.recorded(put("aa"), keep_s=LASTS_S)
    await subject.read("aa", keep_s=2 * LASTS_S)
    if subject.moves_time:
        await subject.elapse(1.5 * LASTS_S)

    assert await subject.read("aa", keep_s=PASSES_S) == (b"value",)
    await subject.elapse(PASSES_S)
    assert await subject.read("aa") == (None,)


async def test_asking_for_a_lease_in_vain_keeps_it_longer(subject):
    """A turn that waits for another is going to use it."""
    await subject.recorded(put("aa"), keep_s=LASTS_S)
    await subject.take("aa")

    await subject.take("aa", "aa", keep_s=PASSES_S)

    await subject.elapse(PASSES_S)
    assert await subject.read("aa") == (None,)


async def test_records_can_be_kept_for_ever(subject):
    await subject.recorded(put("aa"), keep_s=PASSES_S)
    await subject.recorded(put("aa"), keep_s=0)
    await subject.elapse(3 * PASSES_S)

    assert await subject.read("aa", keep_s=0) == (b"value",)
    assert names(await subject.store.sessions(ALICE, limit=5)) == ["5e55"]


async def test_a_record_that_was_kept_for_ever_can_go(subject):
    """The configuration has changed."""
    await subject.recorded(put("aa"), keep_s=0)
    await subject.read("aa", keep_s=PASSES_S)
    await subject.elapse(PASSES_S)

    assert await subject.read("aa") == (None,)


# --- lists


async def test_groups_are_listed_with_their_heads(subject):
    await subject.recorded(put("aa", b"head", session="aa"), put("ab", session="aa"), put("ac", session="aa"))
    await subject.elapse(PASSES_S)
    await subject.recorded(put("ba", session="bb"))

    assert list(await subject.store.sessions(ALICE, limit=5)) == [
        Listed(ALICE, "bb", None, 1),
        Listed(ALICE, "aa", b"head", 3),
    ]
    assert list(await subject.other.sessions(BOB, limit=5)) == []


async def test_the_most_recently_written_come_first(subject):
    for session in ("aa", "bb", "cc"):
        await subject.recorded(put(f"{session}1", session=session))
        await subject.elapse(PASSES_S)  # some stores tell milliseconds apart, and no less
    await subject.read("bb1")
    await subject.recorded(put("aa2", session="aa"))

    assert names(await subject.store.sessions(ALICE, limit=5)) == ["aa", "cc", "bb"]
    assert names(await subject.store.sessions(ALICE, limit=2)) == ["aa", "cc"]
    assert names(await subject.store.sessions(ALICE, limit=0)) == []


async def test_all_partitions_are_listed_together(subject):
    for number, partition in enumerate((ALICE, BOB, ALICE, BOB)):
        await subject.recorded(put("aa", b"%d" % number, session=f"{number}a"), partition=partition)
        await subject.recorded(put(f"b{number}", session=f"{number}a"), partition=partition)
        await subject.elapse(PASSES_S)

    listed = await subject.store.sessions(None, limit=3)

    assert [(each.partition, each.session) for each in listed] == [(BOB, "3a"), (ALICE, "2a"), (BOB, "1a")]
    assert names(await subject.store.sessions(None, limit=9)) == ["3a", "2a", "1a", "0a"]


async def test_a_record_stands_in_the_group_that_it_was_last_written_to(subject):
    await subject.recorded(put("aa", session="01"), put("bb", session="01"))
    await subject.elapse(PASSES_S)
    await subject.recorded(put("aa", session="02"))

    assert [(each.session, each.records) for each in await subject.store.sessions(ALICE, limit=5)] == [
        ("02", 1),
        ("01", 1),
    ]


async def test_listing_is_not_using(subject):
    await subject.recorded(put("5e55", b"head"), keep_s=PASSES_S)
    await subject.store.sessions(ALICE, limit=5)
    await subject.elapse(PASSES_S)

    assert await subject.read("5e55") == (None,)


# --- deleting


async def test_one_group_is_deleted(subject):
    await subject.recorded(put("aa", session="01"), put("bb", session="01"), put("cc", session="02"))
    await subject.recorded(put("aa", session="01"), partition=BOB)

    assert await subject.other.delete(ALICE, "01") == 1

    assert await subject.read("aa", "bb", "cc") == (None, None, b"value")
    assert await subject.read("aa", partition=BOB) == (b"value",)
    assert names(await subject.store.sessions(ALICE, limit=5)) == ["02"]
    assert await subject.store.delete(ALICE, "01") == 0


async def test_a_partition_is_deleted(subject):
    await subject.recorded(put("aa", session="01"), put("bb", session="01"), put("cc", session="02"))
    await subject.recorded(put("aa", session="01"), partition=BOB)

    assert await subject.store.delete(ALICE, None) == 2

    assert await subject.read("aa", "bb", "cc") == (None, None, None)
    assert await subject.store.sessions(ALICE, limit=5) == []
    assert names(await subject.store.sessions(None, limit=5)) == ["01"]
    assert await subject.store.delete(ALICE, None) == 0


async def test_deleting_leaves_other_turns_alone(subject):
    lease, _ = await subject.take("cc")
    await subject.recorded(put("aa", session="01"), put("cc", session="02"))

    await subject.store.delete(ALICE, "01")

    assert await subject.store.settle(lease, (put("cc", b"after", session="02"),), (), keep_s=LASTS_S)


async def test_a_store_stands_for_itself(subject):
    assert subject.store.degraded is False
    assert (await subject.store.take(new_lease("aa"), (), hold_s=1.0, keep_s=1.0)).degraded is False
