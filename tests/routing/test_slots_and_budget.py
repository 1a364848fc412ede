"""Slots: so many calls at a time.  Budget: no input goes to a model that cannot take it."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from proxy.budget import estimated_input_tokens, fitting, input_limit_tokens
from proxy.errors import ContextLengthExceeded
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


def candidate(**limits: int | None) -> Any:
    given = {"max_input_tokens": None, "context_window_tokens": None, **limits}
    return SimpleNamespace(entry=SimpleNamespace(**given))


def request(text: str) -> Any:
    return SimpleNamespace(messages=[{"role": "user", "content": text}])


def test_a_limit_is_the_smaller_of_the_two() -> None:
    assert input_limit_tokens(candidate()) is None
    assert input_limit_tokens(candidate(max_input_tokens=5)) == 5
    assert input_limit_tokens(candidate(context_window_tokens=7)) == 7
    assert input_limit_tokens(candidate(max_input_tokens=5, context_window_tokens=7)) == 5


def test_candidates_that_fit_keep_their_order() -> None:
    small, large, unknown = candidate(max_input_tokens=5), candidate(max_input_tokens=5000), candidate()

    assert fitting(request("word " * 50), [small, unknown, large]) == (unknown, large)


def test_without_any_limit_everybody_fits() -> None:
    """And nothing is counted: it would cost time for nothing."""
    assert fitting(request("word " * 50_000), [candidate()]) != ()


def test_a_limit_is_reached_and_not_passed() -> None:
    asked = request("word " * 50)
    estimate = estimated_input_tokens(asked)

    assert fitting(asked, [candidate(max_input_tokens=estimate)])
    with pytest.raises(ContextLengthExceeded):
        fitting(asked, [candidate(max_input_tokens=estimate - 1)])


def test_an_input_over_every_limit_is_told_with_the_widest() -> None:
    with pytest.raises(ContextLengthExceeded, match=r"\d+ > 9 tokens") as refused:
        fitting(request("word " * 50), [candidate(max_input_tokens=5), candidate(max_input_tokens=9)])

    assert refused.value.param == "messages"


def test_a_longer_message_is_more_tokens() -> None:
    assert estimated_input_tokens(request("one two")) < estimated_input_tokens(request("one two three four"))
