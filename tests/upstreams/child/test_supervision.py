import asyncio
import os
import signal

import pytest
import uvloop

from proxy.errors import (
    UpstreamDisconnected,
    UpstreamOversize,
    UpstreamProtocolError,
    UpstreamTimeout,
    UpstreamUnavailable,
    UpstreamUnreachable,
)
from proxy.tasks import spawn
from proxy.testing.clock import ManualClock, at_rest
from proxy.upstreams.child.slot import Condition
from tests.upstreams.child.conftest import LIMIT_S, Nursery, alive, until


async def call(pool, method="echo", **params):
    child = await pool.free_child()
    return await child.peer.call(method, params)


async def test_a_child_is_started_greeted_and_spoken_to(nursery):
    pool = nursery.open()

    assert await call(pool, text="ä" * 10) == {"text": "ä" * 10}
    assert pool.ready


async def test_a_child_gets_the_environment_that_it_is_given_and_no_other(nursery, monkeypatch):
    monkeypatch.setenv("TURNSTILE_KEY", "tiger")

    environment = await call(nursery.open(), "environment")

    assert environment.keys() - {"LC_CTYPE"} == {"PATH"}  # Python sets the locale that it has coerced; PEP 538


async def test_a_request_with_the_id_of_a_call_and_the_reply_are_both_heard(nursery):
    pool = nursery.open()

    assert await call(pool, "ask") == {"asked": True}
    assert nursery.attendants[0].told == [(2, "question", {})]


async def test_lines_of_megabytes_arrive_whole(nursery):
    pool = nursery.open()

    assert len((await call(pool, "grow", chars=2_000_000))["text"]) == 2_000_000


@pytest.mark.parametrize("how", ["die", "close"])
async def test_the_end_of_a_child_fails_what_runs_on_it_at_once_and_a_new_one_is_started(nursery, how):
    """Whether it has exited or only closed its output: a dead reader is a dead child."""
    pool = nursery.open()
    first = await pool.free_child()
    waiting = spawn(failure(first.peer.call("nothing", {})), name="waiting")
    await asyncio.sleep(0)

    first.peer.notify(how)

    async with asyncio.timeout(LIMIT_S):
        assert isinstance(await waiting, UpstreamDisconnected)
        assert [type(loss) for loss in nursery.attendants[0].losses] == [UpstreamDisconnected]
        second = await pool.free_child()
    assert (first.generation, second.generation) == (1, 2)
    assert pool.child_at(0, 1) is None
    assert pool.child_at(0, 2) is second
    await until(lambda: not alive(first.pid))


async def failure(work):
    try:
        await work
    except Exception as error:  # noqa: BLE001 - is looked at by the test
        return error
    return None


async def test_a_line_that_is_somebodys_costs_only_them(nursery):
    pool = nursery.open()
    child = await pool.free_child()

    child.peer.notify("garble", {"line": "{mine"})
    assert await call(pool, n=1) == {"n": 1}

    assert nursery.attendants[0].told == [(b"{mine", "UpstreamProtocolError")]
    assert not child.lost


@pytest.mark.parametrize(
    ("line", "error"), [("{nobody's", UpstreamProtocolError), ("x" * 5000, UpstreamOversize)], ids=["garbled", "long"]
)
async def test_a_line_that_is_nobodys_costs_the_child(nursery, line, error):
    pool = nursery.open(max_line_bytes=4000)
    child = await pool.free_child()

    child.peer.notify("garble", {"line": line})
    await until(lambda: child.lost)

    assert [type(loss) for loss in nursery.attendants[0].losses] == [error]
    assert (await pool.free_child()).generation == 2


async def test_a_failed_start_is_told_to_those_who_waited_for_it_and_later_ones_hear_how_long(nursery):
    pool = nursery.open("stillborn")

    with pytest.raises(UpstreamUnreachable):
        await pool.free_child()
    with pytest.raises(UpstreamUnreachable):
        await pool.free_child()
    with pytest.raises(UpstreamUnavailable) as told:
        await pool.free_child()

    assert 0 < told.value.retry_after_s < 2


async def test_a_program_that_is_not_supported_is_not_started_again(nursery):
    pool = nursery.open("unsupported")
    await until(lambda: pool.slots[0].condition is Condition.UNSUPPORTED)

    with pytest.raises(UpstreamUnavailable) as told:
        await pool.free_child()

    assert told.value.detail == "too_old"
    assert not told.value.retryable
    assert nursery.starts == [0]


async def test_the_wait_between_starts_doubles_up_to_half_a_minute_and_never_ends(nursery):
    clock = ManualClock()
    pool = nursery.open(OSError("no such program"), clock=clock)
    waits = []
    for _ in range(12):
        await at_rest()
        waits.append(pool.slots[0].retry_at_s - clock.now())
        await clock.next_timer()

    expected = [min(30.0, 0.5 * 2**k) for k in range(12)]
    assert all(0.8 * e <= wait <= 1.2 * e for wait, e in zip(waits, expected, strict=True))
    assert len(nursery.starts) >= 12


async def test_somebody_who_waits_shortens_the_wait_after_a_death_but_not_after_failed_starts(nursery):
    clock = ManualClock()
    pool = nursery.open(OSError("no such program"), clock=clock)
    await at_rest()
    slot = pool.slots[0]
    for _ in range(4):
        await clock.next_timer()
    before = slot.retry_at_s
    slot.wake()
    assert slot.retry_at_s == before

    slot.failed_starts = 0  # as after a child that was ready
    slot.wake()

    assert slot.retry_at_s == pytest.approx(clock.now() + 0.5)


async def test_a_child_that_leaves_three_calls_in_a_row_unanswered_is_replaced(nursery):
    pool = nursery.open("mute", "polite", rpc_s=1.0)
    child = await pool.free_child()

    errors = await asyncio.gather(*(failure(child.peer.call("echo", {})) for _ in range(3)))

    assert [type(error) for error in errors] == [UpstreamTimeout] * 3
    assert child.worn == "silent"
    assert (await pool.free_child()).generation == 2
    await until(lambda: not alive(child.pid))


async def test_a_child_that_is_replaced_finishes_its_turns_first(nursery):
    pool = nursery.open()
    child = await pool.free_child()
    nursery.attendants[0].turns = 1

    child.wear_out("threads")
    successor = await pool.free_child()
    assert successor.generation == 2
    assert nursery.attendants[0].told == ["drain"]
    assert await child.peer.call("echo", {"still": "there"}) == {"still": "there"}
    nursery.attendants[0].turns = 0

    await until(lambda: not alive(child.pid))
    assert nursery.attendants[0].told == ["drain"]


async def test_patience_with_a_child_that_is_replaced_has_an_end(nursery):
    pool = nursery.open(drain_s=0.05)
    child = await pool.free_child()
    nursery.attendants[0].turns = 1

    child.wear_out("threads")

    await until(lambda: not alive(child.pid))
    assert nursery.attendants[0].told == ["drain", "cut"]


async def test_a_child_that_holds_too_much_memory_is_replaced(nursery):
    pool = nursery.open(max_rss_bytes=1)
    child = await pool.free_child()

    child.check_memory()

    assert child.worn == "memory"


async def test_the_next_turn_goes_where_the_fewest_are(nursery):
    pool = nursery.open(processes=2, min_ready=2)
    await pool.free_child()
    by_slot = {attendant.child.slot: attendant for attendant in nursery.attendants}
    by_slot[0].turns = 3

    assert (await pool.free_child()).slot == 1
    by_slot[1].turns = 4
    assert (await pool.free_child()).slot == 0


async def test_a_child_that_ignores_everything_is_killed(nursery):
    pool = nursery.open("stubborn")
    child = await pool.free_child()

    async with asyncio.timeout(LIMIT_S):
        await child.stop(0.1)

    assert not alive(child.pid)


async def test_a_closed_pool_has_no_children_left(nursery):
    pool = nursery.open(processes=2, min_ready=2)
    await pool.free_child()
    pids = [slot.ready.pid for slot in pool.slots]

    await pool.close()

    assert not any(alive(pid) for pid in pids)
    assert {slot.condition for slot in pool.slots} == {Condition.STOPPED}


async def test_kill_9_again_and_again_leaves_a_pool_that_is_whole_soon_after(nursery):
    pool = nursery.open()
    for _ in range(5):
        child = await pool.free_child()
        os.kill(child.pid, signal.SIGKILL)
        await until(lambda child=child: child.lost)

    async with asyncio.timeout(5):
        assert (await pool.free_child()).generation == 6


def test_the_loop_of_the_daemon_is_as_good_as_that_of_the_tests(tmp_path):
    """Its transports are none of asyncio's classes."""

    async def scenario():
        nursery = Nursery(tmp_path)
        pool = nursery.open()
        try:
            assert await call(pool, text="x" * 300_000) == {"text": "x" * 300_000}
            first = await pool.free_child()
            first.peer.notify("die")
            await until(lambda: first.lost)
            assert (await pool.free_child()).generation == 2
        finally:
            await pool.close()
        await until(lambda: not any(alive(each.child.pid) for each in nursery.attendants))

    uvloop.run(scenario())
