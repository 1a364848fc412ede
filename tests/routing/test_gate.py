"""The gate: keys, windows of a minute, places in parallel, room in the daemon."""

import asyncio
from contextlib import suppress
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config import Auth, Server
from proxy.errors import ConcurrencyLimitExceeded, InvalidApiKey, Overloaded, RateLimitExceeded
from proxy.ports import Release
from proxy.routing.gate import ANYONE, KeyGate
from proxy.testing.clock import ManualClock


def gate(clock: ManualClock, *keys: dict[str, Any], mode: str = "keys", **server: int) -> KeyGate:
    auth = Auth.model_validate({"mode": mode, "keys": keys})
    return KeyGate(auth, Server.model_validate(server), clock, Random(1))


def key(name: str = "dev", **limits: Any) -> dict[str, Any]:
    return {"name": name, "key": f"sk-{name}", **limits}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


# --- who


def test_a_key_is_known_by_its_value(clock: ManualClock) -> None:
    known = gate(clock, key("one"), key("two", models=["mix/*"]))

    assert known.identify("sk-two").name == "two"
    assert known.identify("sk-two").models == ("mix/*",)
    assert known.identify("sk-one").fingerprint != known.identify("sk-two").fingerprint
    assert "sk-" not in known.identify("sk-one").fingerprint


@pytest.mark.parametrize("presented", [None, "", "sk", "sk-one ", "SK-ONE", "sk-öne"])
def test_nothing_else_is_known(clock: ManualClock, presented: str | None) -> None:
    with pytest.raises(InvalidApiKey):
        gate(clock, key("one")).identify(presented)


def test_without_keys_everybody_may_come_in(clock: ManualClock) -> None:
    assert gate(clock, mode="none").identify(None) is ANYONE
    assert gate(clock, mode="none").identify("anything") is ANYONE


@pytest.mark.parametrize(
    ("models", "asked", "may"),
    [
        (("*",), "any", True),
        (("one",), "one", True),
        (("one",), "two", False),
        (("mix/*",), "mix/a", True),
        (("mix/*",), "mix/a/b", True),
        (("mix/*",), "mix", False),
        (("mix/*",), "mixed", False),
    ],
)
def test_a_key_names_the_models_that_it_may_use(
    clock: ManualClock, models: tuple[str, ...], asked: str, *, may: bool
) -> None:
    assert gate(clock, key(models=models)).identify("sk-dev").may_use(asked) is may


# --- requests per minute


async def test_the_window_slides(clock: ManualClock) -> None:
    limited = gate(clock, key(rpm=2))
    caller = limited.identify("sk-dev")
    limited.limit(caller)
    await clock.advance(40)
    limited.limit(caller)
    with pytest.raises(RateLimitExceeded) as refused:
        limited.limit(caller)
    assert refused.value.retry_after_s == 20

    await clock.advance(20)
    limited.limit(caller)
    with pytest.raises(RateLimitExceeded) as refused:
        limited.limit(caller)
    assert refused.value.retry_after_s == 40


async def test_a_refused_request_does_not_count(clock: ManualClock) -> None:
    limited = gate(clock, key(rpm=1))
    caller = limited.identify("sk-dev")
    limited.limit(caller)
    for _ in range(5):
        await clock.advance(10)
        with pytest.raises(RateLimitExceeded):
            limited.limit(caller)
    await clock.advance(10)

    limited.limit(caller)


async def test_what_is_left_is_told(clock: ManualClock) -> None:
    limited = gate(clock, key(rpm=3))
    caller = limited.identify("sk-dev")
    assert limited.rate_limits(caller)[0] == ("requests", 3, 3, 0.0)

    limited.limit(caller)
    await clock.advance(15)
    limited.limit(caller)
    assert limited.rate_limits(caller)[0] == ("requests", 3, 1, 60.0)

    await clock.advance(50)
    assert limited.rate_limits(caller)[0] == ("requests", 3, 2, 10.0)


def test_a_key_without_a_limit_has_nothing_to_tell(clock: ManualClock) -> None:
    free = gate(clock, key())

    assert free.rate_limits(free.identify("sk-dev")) == ()


@given(gaps=st.lists(st.floats(0, 30), max_size=40), rpm=st.integers(1, 5))
async def test_no_minute_has_more_than_rpm(gaps: list[float], rpm: int) -> None:
    clock = ManualClock()
    limited = gate(clock, key(rpm=rpm))
    caller = limited.identify("sk-dev")
    let_in: list[float] = []
    for gap in gaps:
        clock._now_s += gap
        with suppress(RateLimitExceeded):
            limited.limit(caller)
            let_in.append(clock.now())

    for at in let_in:
        assert sum(at - 60 < each <= at for each in let_in) <= rpm


# --- in parallel


def test_a_key_has_so_many_at_a_time(clock: ManualClock) -> None:
    limited = gate(clock, key(max_parallel=2))
    caller = limited.identify("sk-dev")
    first, _second = limited.limit(caller), limited.limit(caller)
    with pytest.raises(ConcurrencyLimitExceeded):
        limited.limit(caller)

    first()
    limited.limit(caller)


def test_keys_do_not_share_their_limits(clock: ManualClock) -> None:
    limited = gate(clock, key("one", max_parallel=1, rpm=1), key("two", max_parallel=1, rpm=1))
    for name in ("one", "two"):
        limited.limit(limited.identify(f"sk-{name}"))


def test_other_keys_are_taken_without_forgetting_what_was_used(clock: ManualClock) -> None:
    limited = gate(clock, key("one", max_parallel=1), key("two"))
    release = limited.limit(limited.identify("sk-one"))
    limited.reload(Auth.model_validate({"keys": [key("one", max_parallel=1), key("three")]}))
    with pytest.raises(InvalidApiKey):
        limited.identify("sk-two")
    with pytest.raises(ConcurrencyLimitExceeded):
        limited.limit(limited.identify("sk-one"))

    release()
    limited.limit(limited.identify("sk-one"))


# --- room


async def test_there_is_room_until_the_slots_and_the_queue_are_full(clock: ManualClock) -> None:
    house = gate(clock, mode="none", max_in_flight=2, max_queued=1)
    releases = [await house.admit() for _ in range(2)]
    queued = start(house)
    await asyncio.sleep(0)
    with pytest.raises(Overloaded) as refused:
        house.check_room()
    assert 1 <= refused.value.retry_after_s <= 5  # type: ignore[operator]  # it is set
    with pytest.raises(Overloaded):
        await house.admit()

    releases.pop()()
    (await queued)()
    house.check_room()


async def test_whoever_waits_first_comes_in_first(clock: ManualClock) -> None:
    house = gate(clock, mode="none", max_in_flight=1)
    release = await house.admit()
    waiting = [start(house) for _ in range(3)]
    await asyncio.sleep(0)
    for task in waiting:
        release()
        release = await task
        later = waiting[waiting.index(task) + 1 :]
        assert not any(each.done() for each in later)
    release()


async def test_a_newcomer_does_not_overtake_the_queue(clock: ManualClock) -> None:
    house = gate(clock, mode="none", max_in_flight=1)
    release = await house.admit()
    waiting = start(house)
    await asyncio.sleep(0)
    release()
    newcomer = start(house)
    await asyncio.sleep(0)

    assert (waiting.done(), newcomer.done()) == (True, False)
    (await waiting)()
    (await newcomer)()


async def test_who_leaves_the_queue_leaves_no_hole(clock: ManualClock) -> None:
    house = gate(clock, mode="none", max_in_flight=1, max_queued=1)
    release = await house.admit()
    for _ in range(3):
        task = start(house)
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
    task = start(house)
    await asyncio.sleep(0)
    release()

    (await task)()


async def test_a_slot_that_is_granted_to_one_who_leaves_is_not_lost(clock: ManualClock) -> None:
    house = gate(clock, mode="none", max_in_flight=1)
    release = await house.admit()
    task = start(house)
    await asyncio.sleep(0)
    release()
    task.cancel()
    await asyncio.wait({task})

    (await asyncio.wait_for(house.admit(), 1))()


def start(house: KeyGate) -> "asyncio.Task[Release]":
    return asyncio.get_running_loop().create_task(house.admit())
