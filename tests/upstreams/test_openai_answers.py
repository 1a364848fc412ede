"""openai: what a server's answers become."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from proxy.testing.script import Upstream
from proxy.wire.events import Finished, Opened, ReasoningDelta, StreamEvent, TextDelta, ToolCallDelta, Usage

Connect = Callable[..., Awaitable[Any]]
HELLO = Upstream.answers("Hel", "lo.").then_reports_usage(3, 4)
TOLD = [Opened({"id": "chatcmpl-upstream"}), TextDelta("Hel"), TextDelta("lo."), Usage(3, 4, 7), Finished("stop")]


def plain(events: list[StreamEvent]) -> list[StreamEvent]:
    """Without the unknown keys."""
    return [event._replace(extras=None) if hasattr(event, "extras") else event for event in events]


def text_of(events: list[StreamEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


async def test_a_stream_becomes_events(connect: Connect) -> None:
    line = await connect(HELLO)

    assert plain(await line.ask()) == TOLD
    assert line.connected == 1


async def test_pushed_or_pulled_it_is_the_same(connect: Connect) -> None:
    line = await connect(HELLO)

    assert plain(await line.flow()) == TOLD


@pytest.mark.parametrize("size", [5, 64])
async def test_where_its_bytes_are_cut_means_nothing(connect: Connect, size: int) -> None:
    line = await connect(Upstream.answers("Hellö.").in_pieces_of(size))

    assert text_of(await line.flow()) == "Hellö."


async def test_a_whole_answer_becomes_the_same_events(connect: Connect) -> None:
    line = await connect(HELLO)
    events = plain(await line.ask(stream=False))

    assert text_of(events) == "Hello."
    assert events[-2:] == [Usage(3, 4, 7), Finished("stop")]


async def test_calls_reasoning_and_choices_come_through(connect: Connect) -> None:
    script = Upstream.thinks("Hm.").then_says("One moment.").then_calls("now", {"zone": "UTC"}).then_says("B", choice=1)
    line = await connect(script)
    events = plain(await line.ask(n=2))

    assert ReasoningDelta("Hm.") in events
    assert ToolCallDelta(0, "call_0_0", "now", "") in events
    assert TextDelta("B", 1) in events
    assert events[-2:] == [Finished("tool_calls", 0), Finished("stop", 1)]


async def test_an_answer_is_known_by_what_it_is_not_by_what_was_asked_for(connect: Connect) -> None:
    """Many servers answer a stream in one piece, or the other way round."""
    line = await connect(HELLO.told_as("json"), HELLO.told_as("sse"))

    assert text_of(await line.ask(stream=True)) == "Hello."
    assert text_of(await line.ask(stream=False)) == "Hello."


@pytest.mark.parametrize("form", ["sse", "json"])
async def test_without_a_content_type_the_first_byte_tells(connect: Connect, form: str) -> None:
    line = await connect(HELLO.told_as(form, Content_Type=""))

    assert text_of(await line.ask()) == "Hello."


async def test_the_upstreams_own_id_is_kept(connect: Connect) -> None:
    line = await connect(HELLO)
    call = await line.open()
    await call.receive()

    assert call.request_id == "chatcmpl-upstream"
    call.close()


async def test_a_finish_without_an_end_mark_is_settled_when_the_connection_stays_open(connect: Connect) -> None:
    line = await connect(Upstream.answers("Hello.").then_finishes("length").then_stalls())
    call = await line.open()
    while not call.finishing:
        await call.receive()

    assert call.settle()[-1] == Finished("length")
    assert call.complete
    call.close()
