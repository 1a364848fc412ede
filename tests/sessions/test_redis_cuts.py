"""Turns that are cut while they talk to Redis: no lease is left, and no answer reaches another question."""

import asyncio
import os
import random
from collections import Counter

import pytest

from proxy.sessions.redis import RedisStore
from proxy.sessions.store import StoreFailed
from tests.sessions.stores import ALICE, LASTS_S, PASSES_S, PATIENCE_S, put, take

pytestmark = pytest.mark.real


async def test_a_turn_that_is_cut_while_it_asks_leaves_no_lease(server, opened):
    """The server may have granted it already."""
    store = opened(server.url)
    await take(store, "ff")
    for n in range(200):
        asked = asyncio.ensure_future(take(store, "aa"))  # noqa: TID251 - a test's own
        for _ in range(n % 20):
            await asyncio.sleep(0)
        if n % 3:
            await asyncio.sleep(0.0001 * (n % 10))
        asked.cancel()
        (outcome,) = await asyncio.gather(asked, return_exceptions=True)
        if not isinstance(outcome, BaseException):
            await store.settle(outcome[0], (), (), keep_s=LASTS_S)

    _, taken = await taken_at_last(store)
    assert not taken.abandoned


async def test_a_turn_that_is_cut_while_it_gives_back_gives_back(server, opened):
    """Whatever the moment: it is recorded, and the conversation is free before the lease has run out."""
    store = opened(server.url)
    for n in range(60):
        lease, taken = await take(store, "aa")
        assert taken.held
        work = store.settle(lease, (put("aa", b"%d" % n),), (), keep_s=LASTS_S)
        task = asyncio.ensure_future(work)  # noqa: TID251 - a test's own
        for _ in range(1 + n % 12):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

        lease, taken = await taken_at_last(store)
        assert taken.records == (b"%d" % n,)
        assert await store.settle(lease, (), (), keep_s=LASTS_S)


async def taken_at_last(store):
    """A lease that is about to be free."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            lease, taken = await take(store, "aa", "aa")
            if taken.held:
                return lease, taken


async def test_no_answer_reaches_another_question(server, opened):
    """Turns are cut at any moment, and deadlines pass; whoever is left gets what is theirs."""
    rng = random.Random(os.environ.get("SEED", "7"))
    store, keys = opened(server.url, timeout_s=0.1), [f"{n:x}" for n in range(64)]
    await opened(server.url).write(ALICE, [put(key, key.encode() * 50) for key in keys], keep_s=LASTS_S)
    outcomes: Counter[str] = Counter()

    async def reader() -> None:
        for _ in range(60):
            key = rng.choice(keys)
            try:
                async with asyncio.timeout(rng.choice((0.001, 0.004, PATIENCE_S, PATIENCE_S))):
                    lease, taken = await take(store, key, key, hold_s=PASSES_S)
                    await store.settle(lease, (), (), keep_s=LASTS_S)
                outcomes["read"] += 1
                assert taken.records == (key.encode() * 50,)
            except TimeoutError:
                outcomes["cut"] += 1
            except StoreFailed as failed:
                outcomes[str(failed)] += 1

    await asyncio.gather(*(reader() for _ in range(20)))

    assert outcomes.keys() - {"Redis: no answer in time"} == {"read", "cut"}, outcomes


async def test_an_answer_to_another_question_is_noticed(server, opened, monkeypatch):
    store: RedisStore = opened(server.url)
    real = store._client.execute_command

    async def mixed_up(*args):
        return [b"0ther", *(await real(*args))[1:]]

    monkeypatch.setattr(store._client, "execute_command", mixed_up)

    with pytest.raises(StoreFailed, match="another question"):
        await take(store, "aa", "aa")
