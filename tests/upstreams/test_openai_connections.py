"""openai: connections are used again, replaced unseen when they have died, and ended when nobody wants the rest."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from proxy.errors import (
    UpstreamDisconnected,
)
from proxy.testing.script import Upstream
from proxy.wire.events import StreamEvent, TextDelta

Connect = Callable[..., Awaitable[Any]]
HELLO = Upstream.answers("Hel", "lo.").then_reports_usage(3, 4)


def text_of(events: list[StreamEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


async def test_a_connection_is_used_again(connect: Connect) -> None:
    line = await connect(HELLO)
    for _ in range(3):
        await line.ask()
        await line.ask(stream=False)

    assert (line.server.accepted, len(line.server.requests)) == (1, 6)


async def test_a_pooled_connection_that_has_died_is_replaced_unseen(connect: Connect) -> None:
    """The server's patience with idle connections was over; the call was never begun."""
    line = await connect(HELLO)
    await line.ask()
    line.server.drop_idle()
    assert text_of(await line.ask()) == "Hello."
    assert line.server.accepted == 2


async def test_also_when_it_dies_while_the_call_is_being_made(connect: Connect) -> None:
    line = await connect(HELLO, Upstream.breaks(), HELLO)
    await line.ask()

    assert text_of(await line.ask()) == "Hello."
    assert (line.server.accepted, len(line.server.requests)) == (2, 3)


async def test_only_what_was_taken_from_the_pool_is_replaced(connect: Connect) -> None:
    line = await connect(HELLO, Upstream.breaks())
    await line.ask()
    with pytest.raises(UpstreamDisconnected):
        await line.ask()

    assert len(line.server.requests) == 3


async def test_letting_go_of_an_unfinished_answer_ends_its_connection_at_once(connect: Connect) -> None:
    """That is how the upstream learns that nobody wants the rest."""
    line = await connect(Upstream.answers("Hel").then_stalls())
    call = await line.open()
    await call.receive()
    before = time.monotonic()
    call.close()
    received = await (await line.server.request()).end()

    assert received.gone_s is not None
    assert received.gone_s - before < 0.25


async def test_being_cancelled_while_connecting_or_waiting_leaves_nothing(connect: Connect) -> None:
    line = await connect(Upstream.stalls())
    task = asyncio.get_running_loop().create_task(line.ask())
    received = await line.server.request()
    task.cancel()
    await asyncio.wait({task})
    await received.end()

    assert received.gone_s is not None
    assert await drained(line.server)


async def test_an_answer_that_was_cut_by_us_is_not_pooled(connect: Connect) -> None:
    line = await connect(Upstream.answers("Hel").then_stalls(), HELLO)
    call = await line.open()
    await call.receive()
    call.close()
    await line.ask()

    assert line.server.accepted == 2


async def test_closing_twice_is_closing_once(connect: Connect) -> None:
    line = await connect(HELLO)
    call = await line.open()
    while not call.complete:
        await call.receive()
    call.close()
    call.close()
    await line.ask()

    assert text_of(await line.ask()) == "Hello."


async def test_a_pause_slows_the_sender_down_and_loses_nothing(connect: Connect) -> None:
    piece = "x" * 16_384
    line = await connect(Upstream.answers(*[piece] * 400))
    call = await line.open()
    heard: list[StreamEvent] = []

    def sip(events: Any) -> bool:
        heard.extend(events)
        return False

    await call.flow(sip)
    received = await line.server.request()
    await asyncio.sleep(0.05)
    sent = received.sent_bytes
    assert sent < 400 * 16_384, "the rest waits at the upstream"

    while not (call.complete or call.finishing):
        await call.flow(sip)
    call.close()
    assert text_of(heard) == piece * 400


async def drained(server: Any) -> bool:
    for _ in range(200):
        if not server.connections:
            return True
        await asyncio.sleep(0.005)
    return False


async def test_closing_the_adapter_closes_its_connections(connect: Connect) -> None:
    line = await connect(HELLO)
    await line.ask()
    await line.adapter.close()

    assert await drained(line.server)
