"""The stop call: once, in the background, when a turn is given up while the site is still at it."""

import asyncio

import pytest

from proxy.errors import UpstreamTruncated
from proxy.tasks import spawn
from proxy.testing.qwen import Refuses, Says
from tests.upstreams.qwen.conftest import CREDENTIAL

STOP = "/api/v2/chat/completions/stop"
AT_IT = Says("It is", ends="stall", after=2)


async def stopped(line) -> None:
    """Wait until no stop call is under way."""
    if line.adapter._stops:
        await asyncio.wait(line.adapter._stops, timeout=5)


async def test_a_turn_that_is_given_up_is_stopped_once_and_leaves_no_node(connect):
    line = await connect()
    line.site.answers(AT_IT)
    call = await line.open()
    await call.receive()
    call.close()
    call.close()
    await stopped(line)
    (exchange,) = line.site.chat.exchanges

    assert line.site.stops == [{"chat_id": line.site.chat.id, "response_id": exchange.response_id}]
    (request,) = line.site.calls(STOP)
    assert request.head.startswith(f"POST {STOP}?chat_id={line.site.chat.id} ")
    assert (request.headers["cookie"], request.headers["bx-umidtoken"]) == (CREDENTIAL["cookies"], CREDENTIAL["token"])
    assert call.node is None


async def test_the_connection_is_closed_at_once(connect):
    line = await connect()
    line.site.answers(AT_IT)
    call = await line.open()
    await call.receive()
    call.close()

    await (await line.site.call(2)).left()


async def test_the_next_turn_finds_the_chat_free_and_goes_on_from_the_last_node(connect):
    line = await connect()
    first = await line.ask(("user", "One?"))
    line.site.answers(AT_IT)
    call = await line.open(("user", "One?"), ("assistant", "1."), ("user", "Two?"), ids=first.node)
    await call.receive()
    call.close()
    await stopped(line)
    answered = await line.ask(("user", "One?"), ("assistant", "1."), ("user", "Other?"), ids=first.node)

    assert answered.text == "Answer 2."
    assert line.site.chat.branches() == [["One?", "Two?"], ["One?", "Other?"]]


async def test_without_the_stop_call_the_chat_stays_busy(connect):
    """The site, as it was seen: this is what the stop call is for."""
    line = await connect(stop_on_abort=False)
    first = await line.ask(("user", "One?"))
    line.site.answers(AT_IT)
    call = await line.open(("user", "One?"), ("assistant", "1."), ("user", "Two?"), ids=first.node)
    await call.receive()
    call.close()
    await stopped(line)

    assert line.site.stops == []
    with pytest.raises(Exception, match="busy"):
        await line.ask(("user", "One?"), ("assistant", "1."), ("user", "Two?"), ids=first.node)


async def test_before_the_site_has_begun_there_is_nothing_to_stop(connect):
    line = await connect()
    line.site.answers(Refuses(cut="stall"))
    opening = spawn(line.open(), name="opening")
    request = await line.site.call(2)
    opening.cancel()
    await request.left()
    await stopped(line)

    assert line.site.stops == []


async def test_an_answer_that_has_ended_in_any_way_is_not_stopped(connect):
    line = await connect()
    line.site.answers("1.", Says("It is", ends="reset", after=2))
    await line.ask()
    with pytest.raises(UpstreamTruncated):
        await line.ask()
    await stopped(line)

    assert line.site.stops == []


async def test_what_the_site_says_to_it_does_not_matter_and_the_end_waits_for_it(connect):
    line = await connect()
    line.site._stop = lambda _request: Refuses(500, {}).script
    line.site.answers(AT_IT)
    call = await line.open()
    await call.receive()
    call.close()
    await line.adapter.close()

    assert len(line.site.calls(STOP)) == 1


async def test_a_site_that_does_not_answer_it_is_left_after_a_while(connect, monkeypatch):
    monkeypatch.setattr("proxy.upstreams.qwen.upstream.STOP_S", 0.05)
    line = await connect()
    line.site._stop = lambda _request: Refuses(cut="stall").script
    line.site.answers(AT_IT)
    call = await line.open()
    await call.receive()
    call.close()
    await stopped(line)

    await line.site.calls(STOP)[0].left()
