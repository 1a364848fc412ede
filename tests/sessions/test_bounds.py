"""Stores of one host are bounded: whoever floods them evicts what nobody has used for longest."""

import pytest

from tests.sessions.stores import ALICE, PASSES_S, memory, put, sqlite, take


@pytest.fixture(params=["memory", "sqlite"])
async def bounded(request, tmp_path):
    """A store for ten records."""
    made = memory(10) if request.param == "memory" else sqlite(tmp_path, 10)
    yield made
    await made.store.close()
    await made.other.close()


async def test_the_least_recently_used_go_first(bounded):
    for n in range(10):
        await bounded.recorded(put(f"{n}", session=f"{n}a"))
        await bounded.elapse(PASSES_S)
    await bounded.read("0")
    for n in range(10, 14):
        await bounded.recorded(put(f"{n}", session=f"{n}a"))
        await bounded.elapse(PASSES_S)
    await bounded.recorded()  # whatever is done after a write is done by now

    keys = [*map(str, range(14))]
    left = [key for key, value in zip(keys, await bounded.read(*keys), strict=True) if value is not None]

    assert left == ["0", "5", "6", "7", "8", "9", "10", "11", "12", "13"]


async def test_what_is_evicted_is_in_no_list(bounded):
    for n in range(25):
        await bounded.recorded(put(f"{n}", session=f"{n}a"))

    await bounded.recorded()
    assert len(await bounded.store.sessions(ALICE, limit=99)) == 10


async def test_expired_records_take_nobodys_place(bounded):
    await bounded.recorded(*(put(f"a{n}") for n in range(8)), keep_s=PASSES_S)
    await bounded.elapse(PASSES_S)
    await bounded.recorded(*(put(f"b{n}") for n in range(8)))
    await bounded.recorded(put("cc"), put("dd"))

    assert None not in await bounded.read(*(f"b{n}" for n in range(8)))


async def test_a_lease_outlives_the_record(bounded):
    lease, _ = await take(bounded.store, "aa")
    await bounded.recorded(*(put(f"{n}") for n in range(30)))

    assert await bounded.store.settle(lease, (put("aa"),), (), keep_s=0)
    assert await bounded.read("aa") == (b"value",)
