"""A remote store is lost and found, at any moment; no server is needed for that."""

import asyncio

import pytest
from structlog.testing import capture_logs

from proxy.sessions.degraded import FIRST_PROBE_S, LONGEST_PROBE_S
from proxy.sessions.outstanding import MERGED_AT_ONCE
from proxy.sessions.store import Listed, StoreFailed
from proxy.testing.clock import at_rest
from tests.sessions.remote import DEADLINE_S
from tests.sessions.stores import ALICE, BOB, LASTS_S, names, put, take

EVENTS = ("session_store.degraded", "session_store.back", "session_store.records_lost")


# --- losing it


async def test_nothing_is_remembered_while_it_is_there(world):
    """What this process has in memory may be old by the time that it is asked."""
    await world.turn("aa", put("aa", b"1"))
    await world.lose()

    assert (await take(world.store, "aa", "aa"))[1].records == (None,)


async def test_one_deadline_is_the_price(world):
    """Whoever notices pays it; nobody after that even asks."""
    world.remote.frozen = True
    first = asyncio.ensure_future(take(world.store, "aa", "aa"))  # noqa: TID251 - a test's own
    await world.clock.advance(DEADLINE_S)
    lease, taken = await first
    asked = world.remote.asked

    assert taken.held
    assert taken.degraded
    assert await world.store.settle(lease, (put("aa", b"1"),), (), keep_s=LASTS_S)
    assert (await take(world.store, "aa", "aa"))[1].records == (b"1",)
    assert await world.store.renew([lease], hold_s=1.0) == [False]
    assert world.clock.passed_s == DEADLINE_S
    assert world.remote.asked == asked


@pytest.mark.parametrize("how", ["down", "late"])
async def test_a_turn_goes_on_whichever_step_meets_the_failure(world, how):
    """`late`: the step was done, and nobody knows."""
    for step in ("take", "renew", "settle", "never"):
        lease, taken = None, None

        async def run(name, work, step=step):
            setattr(world.remote, how, name == step)
            task = asyncio.ensure_future(work)  # noqa: TID251 - a test's own
            await at_rest()
            if not task.done():
                await world.clock.advance(DEADLINE_S)
            return await task

        lease, taken = await run("take", take(world.store, step[0], step))
        assert taken.held, step
        assert await run("renew", world.store.renew([lease], hold_s=LASTS_S)) == [True]
        assert not (await run("", take(world.store, step[0])))[1].held
        assert await run("settle", world.store.settle(lease, (put(step, b"1"),), (), keep_s=LASTS_S))
        assert world.store.degraded is (step != "never")
        assert (await take(world.store, step[0], step))[1].records == (b"1",)
        setattr(world.remote, how, False)
        if step != "never":
            await world.find()
        assert await world.there(step) == (b"1",)


async def test_both_changes_are_told_once(world):
    with capture_logs() as lines:
        await world.lose()
        for n in range(5):
            await world.turn(f"{n}", put(f"{n}"))
        await world.clock.advance(60.0)
        await world.find()

    told = [line for line in lines if line["event"] in EVENTS]
    assert [(line["event"], line["log_level"]) for line in told] == [
        ("session_store.degraded", "warning"),
        ("session_store.back", "info"),
    ]
    assert told[0]["reason"] == "down"
    assert told[1]["records"] == 5
    assert told[1]["after_s"] >= 60.0


async def test_probes_come_ever_more_seldom_but_do_come(world):
    await world.lose()
    await world.clock.advance(FIRST_PROBE_S)
    assert world.remote.probes == 1
    await world.clock.advance(60.0)

    assert 12 <= world.remote.probes <= 18
    probes = world.remote.probes
    await world.clock.advance(LONGEST_PROBE_S)
    assert world.remote.probes == probes + 1


async def test_a_store_that_is_down_at_the_start_is_lost_with_the_first_turn(world):
    world.remote.down = True

    await world.turn("aa", put("aa", b"1"))

    assert world.store.degraded
    await world.find()
    assert await world.there("aa") == (b"1",)


async def test_what_was_deleted_can_not_be_said_while_it_is_lost(world):
    """It is gone here, but who knows about there."""
    await world.turn("aa", put("aa", session="5e55"))
    await world.lose()
    await world.turn("bb", put("bb", session="5e55"))

    with pytest.raises(StoreFailed):
        await world.store.delete(ALICE, "5e55")

    assert await world.store.sessions(ALICE, limit=5) == []
    await world.find()
    assert await world.there("aa", "bb") == (b"value", None)
    assert await world.store.delete(ALICE, "5e55") == 1


async def test_lists_tell_what_is_known_here(world):
    await world.turn("aa", put("aa", session="01"))
    await world.lose()
    await world.store.write(ALICE, (put("bb", session="02"),), keep_s=0)

    assert list(await world.store.sessions(ALICE, limit=5)) == [Listed(ALICE, "02", None, 1)]
    await world.find()
    assert names(await world.store.sessions(ALICE, limit=5)) == ["02", "01"]


# --- coming back


async def test_what_was_written_meanwhile_is_there_afterwards(world):
    """More than fits into one step, of several callers."""
    await world.lose()
    some = [f"{n:x}" for n in range(3 * MERGED_AT_ONCE)]
    for n in some:
        await world.turn(n, put(n, n.encode()))
    await world.store.write(BOB, (put("aa", b"bob's"),), keep_s=0)

    await world.find()

    assert await world.there(*some) == tuple(n.encode() for n in some)
    assert await world.there("aa", partition=BOB) == (b"bob's",)
    assert not (await take(world.store, "aa"))[1].degraded


async def test_the_newer_record_stays(world):
    """Another host may have been able to reach the store all the time."""
    await world.lose()
    await world.turn("aa", put("aa", b"here, before"), put("bb", b"here, after"))
    await world.clock.advance(1.0)
    await world.elsewhere.write(ALICE, (put("aa", b"there"), put("bb", b"there")), keep_s=0)
    await world.clock.advance(1.0)
    await world.turn("bb", put("bb", b"here, after"))

    await world.find()

    assert await world.there("aa", "bb") == (b"there", b"here, after")


async def test_what_was_dropped_meanwhile_is_gone_afterwards(world):
    """A conversation that the upstream has lost."""
    await world.elsewhere.write(ALICE, (put("aa"), put("bb"), put("cc")), keep_s=0)
    await world.clock.advance(1.0)
    await world.lose()
    await world.turn("dd", drops=("aa", "bb", "cc"))
    await world.turn("dd", put("bb", b"again"))
    await world.clock.advance(1.0)
    await world.elsewhere.write(ALICE, (put("cc", b"newer"),), keep_s=0)

    await world.find()

    assert await world.there("aa", "bb", "cc") == (None, b"again", b"newer")


async def test_records_are_kept_as_long_as_they_would_have_been(world):
    await world.lose()
    await world.store.write(ALICE, (put("aa"),), keep_s=100.0)
    await world.store.write(ALICE, (put("bb"),), keep_s=0)
    await world.find()
    late, for_ever = world.elsewhere.late(ALICE, "aa"), world.elsewhere.late(ALICE, "bb")

    assert 80.0 < late.keep_s < 100.0
    assert for_ever.keep_s == 0.0


async def test_it_is_lost_again_while_coming_back(world):
    """Nothing of what could not be told is forgotten."""
    await world.lose()
    some = [f"{n:x}" for n in range(2 * MERGED_AT_ONCE)]
    for n in some:
        await world.turn(n, put(n, n.encode()))
    world.remote.down, world.remote.held_up = False, True
    await world.clock.advance(LONGEST_PROBE_S)
    world.remote.down = True
    world.remote.let_go()
    await at_rest()
    assert world.store.degraded

    await world.find()

    assert await world.there(*some) == tuple(n.encode() for n in some)


async def test_turns_go_on_while_coming_back(world):
    """They still find what memory has, and what they write is handed over, too."""
    await world.lose()
    await world.turn("aa", put("aa", b"1"))
    world.remote.down, world.remote.held_up = False, True
    await world.clock.advance(LONGEST_PROBE_S)
    assert await world.turn("aa", put("aa", b"2"), reads=["aa"]) == (b"1",)
    lease, taken = await take(world.store, "bb")

    world.remote.let_go()
    await at_rest()

    assert taken.held
    assert not world.store.degraded
    assert await world.there("aa") == (b"2",)
    assert not (await take(world.elsewhere, "bb"))[1].held
    assert await world.store.settle(lease, (put("bb", b"3"),), (), keep_s=LASTS_S)
    assert await world.there("bb") == (b"3",)


async def test_memory_is_bounded_while_it_is_lost(world):
    await world.lose()
    for n in range(1_000):
        await world.store.write(ALICE, (put(f"{n:x}"),), keep_s=0)
    for n in range(1_000):
        await world.turn("aa", drops=(f"{n:x}",))

    assert len(world.store._outstanding._written) <= 200
    assert len(world.store._outstanding._dropped) <= 200
    await world.find()
    assert (
        len(world.store._outstanding._written),
        len(world.store._outstanding._dropped),
        len(world.store._outstanding._returned),
    ) == (0, 0, 0)


# --- the end


async def test_what_only_memory_knows_is_handed_over_at_the_end(world):
    await world.lose()
    await world.turn("aa", put("aa", b"1"))
    world.remote.down = False
    world.remote.close = world.remote.probe  # its records are looked at after the end

    await world.store.close()

    assert await world.there("aa") == (b"1",)


async def test_what_is_lost_at_the_end_is_told(world):
    await world.lose()
    await world.turn("aa", put("aa"), put("bb"))
    with capture_logs() as lines:
        await world.store.close()

    assert [(line["event"], line["records"]) for line in lines] == [("session_store.records_lost", 2)]


async def test_a_closed_store_probes_no_more(world):
    await world.lose()
    await world.store.close()
    probes = world.remote.probes
    await world.clock.advance(60.0)

    assert world.remote.probes == probes
