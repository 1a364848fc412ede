"""Deadline: one timer for all clocks of a request, and cancellations that are told apart."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from proxy.deadline import SHUTDOWN, Deadline
from proxy.testing.clock import ManualClock


class Waiting:
    """A task that waits for good, and says by which clock it was woken."""

    def __init__(self, clock: ManualClock, *names: str) -> None:
        self.deadline = Deadline(clock)
        self.names = names
        self.woken_by: str | None = None
        loop = asyncio.get_running_loop()
        self.task: asyncio.Task[None] = loop.create_task(self.wait())
        self.deadline.attend(self.task)

    async def wait(self) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.woken_by = self.deadline.caught(*self.names)
            if self.woken_by is None:
                raise


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


async def test_a_clock_that_runs_out_wakes_the_task_and_is_named(clock: ManualClock) -> None:
    waiting = Waiting(clock)
    waiting.deadline.start("idle", 3)
    await clock.advance(2.9)
    assert not waiting.task.done()

    await clock.advance(0.1)
    assert (waiting.woken_by, waiting.deadline.expired_after_s) == ("idle", 3)
    assert waiting.task.cancelling() == 0, "the cancellation was taken back"


async def test_the_clock_that_runs_out_first_counts(clock: ManualClock) -> None:
    waiting = Waiting(clock)
    for name, seconds in (("total", 9), ("idle", 3), ("progress", 5)):
        waiting.deadline.start(name, seconds)
    await clock.advance(20)

    assert waiting.woken_by == "idle"


async def test_a_clock_that_is_started_again_runs_anew(clock: ManualClock) -> None:
    waiting = Waiting(clock)
    for _ in range(5):
        waiting.deadline.start("idle", 3)
        await clock.advance(2)
    assert not waiting.task.done()

    await clock.advance(1)
    assert waiting.woken_by == "idle"


async def test_a_clock_that_is_started_for_less_runs_out_earlier(clock: ManualClock) -> None:
    waiting = Waiting(clock)
    waiting.deadline.start("total", 100)
    waiting.deadline.start("total", 5)
    await clock.advance(5)

    assert waiting.woken_by == "total"


async def test_a_clock_that_was_stopped_does_not_run_out(clock: ManualClock) -> None:
    waiting = Waiting(clock)
    waiting.deadline.start("idle", 3)
    waiting.deadline.stop("idle")
    waiting.deadline.stop("never started")
    await clock.advance(20)

    assert not waiting.task.done()
    waiting.task.cancel()


async def test_all_clocks_but_one_can_be_stopped(clock: ManualClock) -> None:
    waiting = Waiting(clock)
    for name in ("idle", "progress", "total"):
        waiting.deadline.start(name, 3)
    waiting.deadline.stop_all_but("total")
    await clock.advance(3)

    assert waiting.woken_by == "total"


@pytest.mark.parametrize("seconds", [0, 0.0, -1])
async def test_no_seconds_mean_that_a_clock_is_off(clock: ManualClock, seconds: float) -> None:
    waiting = Waiting(clock)
    waiting.deadline.start("idle", 3)
    waiting.deadline.start("idle", seconds)
    await clock.advance(20)

    assert not waiting.task.done()
    assert waiting.deadline.left_s("idle") == float("inf")
    waiting.task.cancel()


async def test_a_chunk_costs_no_timer(clock: ManualClock) -> None:
    """Moving a clock writes a number; the timer finds out when it fires."""
    waiting = Waiting(clock)
    waiting.deadline.start("idle", 60)
    set_before = clock.pending
    for _ in range(1000):
        waiting.deadline.start("idle", 60)
        waiting.deadline.start("progress", 300)

    assert (set_before, clock.pending) == (1, 1)
    waiting.task.cancel()


async def test_a_clock_of_others_is_left_to_them(clock: ManualClock) -> None:
    waiting = Waiting(clock, "tail")
    waiting.deadline.start("idle", 3)
    await clock.advance(3)

    assert waiting.task.cancelled()
    assert waiting.deadline.expired == "idle", "whoever asks next hears of it"


@pytest.mark.parametrize("order", ["first", "last"])
async def test_a_cancellation_from_outside_wins_for_good(clock: ManualClock, order: str) -> None:
    """However often it is asked: the clock must not take back what was not its own."""
    waiting = Waiting(clock)
    acts: list[Callable[[], object]] = [waiting.task.cancel, lambda: waiting.deadline.expire("idle", 3)]
    await asyncio.sleep(0)
    for act in acts if order == "first" else reversed(acts):
        act()
    await clock.advance(0)

    assert waiting.task.cancelled()
    assert waiting.woken_by is None
    assert waiting.deadline.caught() is None


@pytest.mark.parametrize("order", ["first", "last"])
async def test_going_down_beats_a_clock(clock: ManualClock, order: str) -> None:
    waiting = Waiting(clock)
    names = [SHUTDOWN, "idle"] if order == "first" else ["idle", SHUTDOWN]
    await asyncio.sleep(0)
    for name in names:
        waiting.deadline.expire(name, 3)
    await clock.advance(0)

    assert waiting.woken_by == SHUTDOWN


async def test_after_the_end_nothing_runs_out(clock: ManualClock) -> None:
    waiting = Waiting(clock)
    waiting.deadline.start("total", 3)
    waiting.deadline.close()
    waiting.deadline.close()
    assert clock.pending == 0

    waiting.deadline.start("idle", 1)
    waiting.deadline.expire("idle", 1)
    await clock.advance(20)
    assert not waiting.task.done()
    waiting.task.cancel()


async def test_time_left_is_told(clock: ManualClock) -> None:
    waiting = Waiting(clock)
    waiting.deadline.run_until("total", clock.now() - 2, 10)
    await clock.advance(3)

    assert waiting.deadline.left_s("total") == 5
    waiting.task.cancel()


async def test_a_sleep_ends_when_its_time_has_come(clock: ManualClock) -> None:
    """The clock that the tests move is part of the harness, and has promises of its own."""
    woken: list[float] = []

    async def sleeper(seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append(clock.passed_s)

    sleepers: list[Awaitable[None]] = [asyncio.get_running_loop().create_task(sleeper(each)) for each in (5, 1, 3)]
    await clock.advance(4)
    assert woken == [1, 3]
    assert clock.wall() == 1_790_000_004

    assert await clock.next_timer()
    assert (woken, await clock.next_timer()) == ([1, 3, 5], False)
    await asyncio.gather(*sleepers)
