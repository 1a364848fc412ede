"""Slots: so many calls at a time."""

import asyncio

from proxy.routing.slots import slots_of


async def test_so_many_calls_at_a_time() -> None:
    slots = slots_of(2)
    releases = [await slots.take() for _ in range(2)]
    third = asyncio.get_running_loop().create_task(slots.take())
    await asyncio.sleep(0)
    assert not third.done()

    releases[0]()
    (await third)()


async def test_no_limit_is_no_limit() -> None:
    slots = slots_of(0)

    for release in [await slots.take() for _ in range(1000)]:
        release()


async def test_a_slot_granted_to_one_who_leaves_is_not_lost() -> None:
    slots = slots_of(1)
    release = await slots.take()
    waiting = asyncio.get_running_loop().create_task(slots.take())
    await asyncio.sleep(0)
    release()
    waiting.cancel()
    await asyncio.wait({waiting})

    (await asyncio.wait_for(slots.take(), 1))()
