"""One flight at a time; who leaves leaves it alone; a newer token is never taken away."""

import asyncio
from math import inf

import pytest

from proxy.credentials import Issued, TokenKeeper
from proxy.credentials.keeper import PAUSE_S
from proxy.errors import TokenNotIssued, TokenTimeout, UpstreamUnreachable
from proxy.sessions.memory import MemoryStore
from proxy.sessions.token_share import StoredTokenShare
from proxy.tasks import spawn
from proxy.testing.clock import ManualClock, at_rest

LIMIT_S = 10.0


class Endpoint:
    """Issues numbered tokens after *took_s*; *errors* come first."""

    def __init__(self, clock, *errors, life_s=inf, took_s=1.0):
        self.clock = clock
        self.errors = list(errors)
        self.life_s = life_s
        self.took_s = took_s
        self.asked = 0

    async def fetch(self):
        self.asked += 1
        number = self.asked
        await self.clock.sleep(self.took_s)
        if self.errors:
            raise self.errors.pop(0)
        return Issued(f"tok-{number}", self.life_s)


class World:
    def __init__(self, *errors, instances=1, shared=False, **endpoint):
        self.clock = ManualClock()
        self.endpoint = Endpoint(self.clock, *errors, **endpoint)
        self.store = MemoryStore(self.clock, max_records=100)
        self.waits = []
        self.keepers = []
        for _ in range(instances):
            keeper = TokenKeeper(self.endpoint.fetch, self.clock, limit_s=LIMIT_S, skew_s=60)
            if shared:
                keeper.join(StoredTokenShare(self.store, self.clock, "up"))
            self.keepers.append(keeper)

    def ask(self, instance=0):
        return spawn(self.keepers[instance].token(self.waits.append), name="a caller")

    async def get(self, instance=0):
        task = self.ask(instance)
        await at_rest()
        while not task.done():
            await self.clock.next_timer()
        return await task


async def test_a_token_is_fetched_once_and_kept():
    world = World()
    tokens = [await world.get() for _ in range(3)]

    assert [token.text for token in tokens] == ["tok-1"] * 3
    assert world.waits == ["token", "connect"], "who finds a token waits for nothing"


async def test_all_that_wait_wait_for_one_flight():
    world = World()
    tasks = [world.ask() for _ in range(200)]
    await world.clock.advance(2)

    assert {task.result().text for task in tasks} == {"tok-1"}
    assert world.endpoint.asked == 1


async def test_who_stops_waiting_leaves_and_the_flight_goes_on():
    world = World()
    first, second = world.ask(), world.ask()
    await at_rest()
    first.cancel()
    await world.clock.advance(2)

    assert first.cancelled()
    assert second.result().text == "tok-1"


async def test_the_flight_goes_on_when_all_have_left():
    world = World()
    task = world.ask()
    await at_rest()
    task.cancel()
    await world.clock.advance(2)

    assert (await world.get()).text == "tok-1"
    assert world.endpoint.asked == 1


@pytest.mark.parametrize(("life_s", "renewed_s"), [(600, 540), (60, 30), (1, 0.5)])
async def test_a_token_is_renewed_before_its_end(life_s, renewed_s):
    """By the skew, but by half its life at most: else a short-lived one would be renewed for every call."""
    world = World(life_s=life_s, took_s=0)
    await world.get()
    await world.clock.advance(renewed_s - 0.1)
    assert (await world.get()).text == "tok-1"
    await world.clock.advance(0.2)

    assert (await world.get()).text == "tok-2"


async def test_a_life_begins_with_the_sending_of_the_request():
    world = World(life_s=4, took_s=3)
    token = await world.get()

    assert token.ends - world.clock.now() == 1


async def test_a_token_that_lives_is_used_when_no_newer_one_can_be_fetched():
    world = World(life_s=100, took_s=0)
    await world.get()
    await world.clock.advance(60)
    world.endpoint.errors = [TokenNotIssued()]

    assert (await world.get()).text == "tok-1"
    assert (await world.get()).text == "tok-1"
    assert world.endpoint.asked == 2, "and nobody is asked again at once"


async def test_a_fetch_that_fails_is_told_to_all_and_not_repeated_for_a_while():
    world = World(UpstreamUnreachable(detail="refused"), took_s=0)
    for _ in range(5):
        with pytest.raises(TokenNotIssued) as failed:
            await world.get()
        assert failed.value.detail == "refused"
    assert world.endpoint.asked == 1

    await world.clock.advance(PAUSE_S)
    assert (await world.get()).text == "tok-2"


async def test_a_fetch_that_takes_too_long_is_given_up():
    world = World(took_s=100)
    task = world.ask()
    await world.clock.advance(LIMIT_S)

    with pytest.raises(TokenTimeout) as failed:
        await task
    assert failed.value.clock == "token"
    assert world.clock.pending == 0, "nothing is left of it"


async def test_a_refused_token_is_fetched_anew():
    world = World()
    token = await world.get()
    world.keepers[0].refused(token.generation)

    assert (await world.get()).text == "tok-2"


async def test_a_late_refusal_never_takes_a_newer_token_away():
    world = World()
    old = await world.get()
    world.keepers[0].refused(old.generation)
    new = await world.get()
    world.keepers[0].refused(old.generation)

    assert await world.get() == new
    assert world.endpoint.asked == 2


async def test_a_bug_in_a_fetch_harms_nobody_who_comes_later(caplog):
    world = World(ZeroDivisionError(), took_s=0)
    with pytest.raises(ZeroDivisionError):
        await world.get()

    assert (await world.get()).text == "tok-2"


async def test_closing_ends_the_flight():
    world = World()
    task = world.ask()
    await at_rest()
    await world.keepers[0].close()

    with pytest.raises(TokenNotIssued):
        await task


# --- between processes


async def test_six_refusals_on_three_instances_make_one_request():
    world = World(instances=3, shared=True)
    old = {(await world.get(instance)).generation for instance in range(3)}
    assert (old, world.endpoint.asked) == ({1}, 1)

    for keeper in world.keepers:
        keeper.refused(1)
        keeper.refused(1)
    tasks = [world.ask(instance) for instance in (0, 1, 2, 0, 1, 2)]
    await world.clock.advance(5)

    assert {task.result().text for task in tasks} == {"tok-2"}
    assert world.endpoint.asked == 2


async def test_an_instance_takes_over_what_another_has_fetched():
    world = World(instances=2, shared=True)
    await world.get(0)
    world.keepers[0].refused(1)
    await world.get(0)
    assert (await world.get(1)).generation == 2
    world.keepers[1].refused(1)

    assert (await world.get(1)).text == "tok-2"
    assert world.endpoint.asked == 2


async def test_a_holder_that_has_crashed_holds_nobody_up_for_long():
    world = World(shared=True, took_s=0)
    share = StoredTokenShare(world.store, world.clock, "up")
    await share.take(hold_s=3)

    task = world.ask()
    await world.clock.advance(2.9)
    assert not task.done()
    await world.clock.advance(0.5)
    assert task.result().text == "tok-1"


async def test_a_fetch_that_fails_gives_the_lock_back():
    world = World(TokenNotIssued(), instances=2, shared=True, took_s=0)
    with pytest.raises(TokenNotIssued):
        await world.get(0)

    assert (await world.get(1)).text == "tok-2"
    assert world.clock.passed_s < 1


async def test_tokens_that_live_for_a_second_are_fetched_once_a_generation():
    """Two hundred callers, over thirty seconds: none goes without, none fetches for itself."""
    world = World(instances=3, shared=True, life_s=1, took_s=0.05)
    told = []
    for _ in range(60):
        tasks = [world.ask(number % 3) for number in range(200)]
        await world.clock.advance(0.5)
        told += [task.result() for task in tasks]

    assert len(told) == 12_000
    assert world.endpoint.asked == max(token.generation for token in told)
    assert len({token.generation for token in told}) == len({token.text for token in told})


async def test_a_token_is_never_shown():
    world = World()
    token = await world.get()

    assert "tok-1" not in repr(token)
    assert "tok-1" not in repr(Issued("tok-1"))


async def test_nobody_waits_for_long_where_the_store_is_slow_to_answer():
    """The flight's own limit bounds the store, too."""
    world = World()

    class Stuck:
        async def take(self, **_hold):
            await asyncio.Event().wait()

    world.keepers[0].join(Stuck())
    task = world.ask()
    await world.clock.advance(LIMIT_S)
    with pytest.raises(TokenTimeout):
        await task
