"""What a real process has said becomes the same events, however the reads cut it."""

import asyncio

import pytest

from proxy.errors import UpstreamAuthFailed
from proxy.wire.events import Finished, Opened, ReasoningDelta, TextDelta, ToolCallDelta, Usage
from tests.upstreams.codex.conftest import RECORDINGS, assistant, declared, events_of, tool, user

CHUNKS = pytest.mark.parametrize("chunk", [1, 7, 4096])
USAGE = Usage(11, 7, 18, {"cached_tokens": 3}, {"reasoning_tokens": 2})
TOOLS = declared("lookup_user", "send_email")


def recording(name):
    return str(RECORDINGS / f"{name}.jsonl")


def texts(*pieces):
    return [TextDelta(piece) for piece in pieces]


def without_ids(events):
    """The events after the one that tells the ids."""
    assert isinstance(events[0], Opened)
    assert events[0].ids.keys() == {"thread_id", "turn_id"}
    return events[1:]


@CHUNKS
async def test_a_streamed_turn_with_a_summary_of_its_reasoning(codex, chunk):
    events, call = await codex(recording=recording("stream"), chunk=chunk).ask()

    assert without_ids(events) == [
        ReasoningDelta("**Thinking** a bit"),
        *texts("Hello", " from", " the", " loopback", " model", "."),
        USAGE,
        Finished("stop"),
    ]
    assert call.node is not None


@CHUNKS
async def test_a_failed_turn(codex, chunk):
    codex = codex(recording=recording("provider-401"), chunk=chunk)

    with pytest.raises(UpstreamAuthFailed) as failed:
        await codex.ask()

    assert failed.value.upstream_status == 401


@CHUNKS
async def test_two_calls_and_text_around_them_then_their_results_and_a_further_turn(codex, chunk):
    codex = codex(recording=recording("tools-raw-events"), chunk=chunk)
    asked = user("look them up")

    first, call = await codex.ask([asked], tools=TOOLS)
    assert without_ids(first) == [
        *texts("Let me", " look."),
        ToolCallDelta(0, "call_A", "lookup_user", '{"id": "0"}'),
        ToolCallDelta(1, "call_B", "send_email", '{"id": "1"}'),
        *texts("\n\n", " and", " a tail"),
        USAGE,
        Finished("tool_calls"),
    ]

    calls = assistant("…", ("call_A", "lookup_user", "{}"), ("call_B", "send_email", "{}"))
    history = [asked, calls, tool("call_B", "result of call_B"), tool("call_A", "result of call_A")]
    second, call = await codex.ask(history, tools=TOOLS, ids=call.node, tail=2)
    assert without_ids(second) == [*texts("Hello", " from", " loopback", "."), USAGE, Finished("stop")]

    history += [assistant("Hello from loopback."), user("hello")]
    third, _ = await codex.ask(history, tools=TOOLS, ids=call.node, tail=5)
    assert without_ids(third) == [*texts("Hello", " from", " loopback", "."), USAGE, Finished("stop")]
    assert len(codex.told("thread/start")) == 1


@CHUNKS
async def test_calls_without_raw_events_end_by_silence(codex, chunk):
    """Nothing says that no further call will come, so a while without one does."""
    codex = codex(recording=recording("parallel-tools"), chunk=chunk)

    events, call = await codex.ask(tools=TOOLS)
    assert without_ids(events) == [
        ToolCallDelta(0, "call_A", "lookup_user", '{"id":"0"}'),
        ToolCallDelta(1, "call_B", "send_email", '{"id":"1"}'),
        Finished("tool_calls"),
    ]

    calls = assistant(None, ("call_A", "lookup_user", "{}"), ("call_B", "send_email", "{}"))
    history = [user("hi"), calls, tool("call_A", "ok"), tool("call_B", "ok")]
    events, _ = await codex.ask(history, tools=TOOLS, ids=call.node, tail=2)
    assert [event.text for event in events if isinstance(event, TextDelta)][:2] == ["Hello", " from"]
    assert events[-1] == Finished("stop")


@CHUNKS
async def test_one_call_whose_result_lets_the_turn_go_on(codex, chunk):
    codex = codex(recording=recording("dynamic-tool"), chunk=chunk)

    events, call = await codex.ask(tools=TOOLS)
    [made] = [event for event in events if isinstance(event, ToolCallDelta)]
    assert events[-1] == Finished("tool_calls")

    history = [user("hi"), assistant(None, (made.id, made.name, made.arguments)), tool(made.id, "Ada")]
    events, _ = await codex.ask(history, tools=TOOLS, ids=call.node, tail=2)
    assert events[-1] == Finished("stop")
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "Hello from the loopback model."


@CHUNKS
async def test_a_history_that_is_injected_and_a_turn_on_nothing_but_history(codex, chunk):
    codex = codex(recording=recording("inject-history"), chunk=chunk)
    history = [
        user("who is user 42?"),
        assistant(None, ("call_9", "lookup_user", '{"id":"42"}')),
        tool("call_9", "Ada"),
        assistant("It is Ada."),
        user("thanks, say hello"),
    ]

    events, _ = await codex.ask(history, tools=TOOLS)

    assert without_ids(events) == [
        *texts("Hello", " from", " the", " loopback", " model", "."),
        USAGE,
        Finished("stop"),
    ]


@CHUNKS
async def test_two_turns_whose_events_come_interleaved(codex, chunk):
    codex = codex(recording=recording("two-threads"), chunk=chunk)

    first, second = await asyncio.gather(codex.open(), codex.open())
    answers = await asyncio.gather(events_of(first), events_of(second))

    for events in answers:
        assert "".join(event.text for event in events if isinstance(event, TextDelta)).startswith("Hello from")
        assert events[-1] == Finished("stop")
    assert answers[0][0] != answers[1][0]


@CHUNKS
async def test_an_interrupted_turn_is_over_and_its_thread_is_not_continued(codex, chunk):
    codex = codex(recording=recording("interrupt"), chunk=chunk)
    call = await codex.open()
    events = []
    while not any(isinstance(event, TextDelta) for event in events):
        events += await call.receive()

    call.close()
    interrupt = await codex.until_told("turn/interrupt")
    await codex.until_told("thread/unsubscribe")

    assert {"threadId": events[0].ids["thread_id"], "turnId": events[0].ids["turn_id"]} == interrupt["params"]
    assert call.node is None
    assert len(codex.server.running.threads) == 0
