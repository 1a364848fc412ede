"""What codex tells of a turn becomes the events that callers know."""

import pytest

from proxy.wire.events import Finished, ReasoningDelta, TextDelta, ToolCallDelta, Usage
from tests.upstreams.codex.conftest import declared, text_of

REPEATED = ["ha", " ha", " ha", " \n", "\n", "10", "0", ' "<"']


async def test_deltas_come_byte_for_byte_and_whatever_they_repeat(codex):
    events, _ = await codex([*(["delta", piece] for piece in REPEATED), ["end"]]).ask()

    assert [event.text for event in events if isinstance(event, TextDelta)] == REPEATED


async def test_pushed_and_pulled_events_are_the_same(codex):
    codex = codex([*(["delta", piece] for piece in REPEATED), ["usage"], ["end"]])
    pulled, _ = await codex.ask()
    call = await codex.open()
    pushed = []

    while not call.complete:
        await call.flow(lambda events: pushed.extend(events) or True)

    assert pushed[1:] == pulled[1:]


async def test_a_sink_that_wants_a_pause_gets_the_rest_later(codex):
    call = await codex([["delta", "a"], ["sleep", 0.02], ["delta", "b"], ["sleep", 0.02], ["end"]]).open()
    pushed = []
    flows = 0

    while not call.complete:
        flows += 1
        await call.flow(pushed.extend)

    assert text_of(pushed) == "ab"
    assert flows > 1


async def test_a_message_without_deltas_is_told_when_it_is_whole(codex):
    item = {"item": {"type": "agentMessage", "id": "m1", "text": "whole"}}
    events, _ = await codex([["tell", "item/completed", item], ["end"]]).ask()

    assert text_of(events) == "whole"


async def test_a_message_whose_deltas_are_its_beginning_is_told_to_its_end(codex):
    item = {"item": {"type": "agentMessage", "id": "m1", "text": "beginning and end"}}
    events, _ = await codex([["delta", "beginning", "m1"], ["tell", "item/completed", item], ["end"]]).ask()

    assert text_of(events) == "beginning and end"


async def test_a_message_that_differs_from_its_deltas_is_not_told_again(codex):
    item = {"item": {"type": "agentMessage", "id": "m1", "text": "another"}}
    events, _ = await codex([["delta", "this", "m1"], ["tell", "item/completed", item], ["end"]]).ask()

    assert text_of(events) == "this"


@pytest.mark.parametrize(("joiner", "text"), [("\n\n", "one\n\ntwo"), ("", "onetwo"), (" / ", "one / two")])
async def test_messages_of_one_answer_are_joined(codex, joiner, text):
    events, _ = await codex([["delta", "one", "a"], ["delta", "two", "b"], ["end"]], message_joiner=joiner).ask()

    assert text_of(events) == text


@pytest.mark.parametrize(
    ("reasoning", "told"), [("summary", ["a", "\n\n", "b"]), ("raw", ["thought"]), ("off", [])], ids=str
)
async def test_reasoning_is_told_as_configured(codex, reasoning, told):
    script = [
        ["tell", "item/reasoning/summaryPartAdded", {"summaryIndex": 0}],
        ["tell", "item/reasoning/summaryTextDelta", {"delta": "a"}],
        ["tell", "item/reasoning/summaryPartAdded", {"summaryIndex": 1}],
        ["tell", "item/reasoning/summaryTextDelta", {"delta": "b"}],
        ["tell", "item/reasoning/textDelta", {"delta": "thought"}],
        ["end"],
    ]
    codex = codex(script, reasoning=reasoning)
    events, _ = await codex.ask()

    assert [event.text for event in events if isinstance(event, ReasoningDelta)] == told
    assert codex.told("turn/start")[0]["params"]["summary"] == ("none" if reasoning == "off" else "auto")


async def test_usage_is_summed_over_the_responses_of_the_model(codex):
    events, _ = await codex([["usage"], ["delta", "x"], ["usage"], ["end"]]).ask()

    assert events[-2:] == [Usage(22, 14, 36, {"cached_tokens": 6}, {"reasoning_tokens": 4}), Finished("stop")]


async def test_without_raw_events_usage_comes_from_the_last_of_each_update(codex):
    update = {
        "tokenUsage": {"total": {"inputTokens": 900}, "last": {"inputTokens": 2, "outputTokens": 1, "totalTokens": 3}}
    }
    script = [["tell", "thread/tokenUsage/updated", update], ["tell", "thread/tokenUsage/updated", update], ["end"]]
    events, _ = await codex(script).ask()

    assert events[-2][:3] == (4, 2, 6)


async def test_an_empty_answer_is_an_answer(codex):
    events, call = await codex([["end"]]).ask()

    assert events[1:] == [Finished("stop")]
    assert call.node is not None


async def test_what_is_about_another_turn_of_the_thread_is_dropped(codex):
    stray = {"turnId": "turn-0", "itemId": "m", "delta": "stray"}
    script = [["tell", "item/agentMessage/delta", stray], ["tell", "turn/completed", {"turn": {"id": "turn-0"}}]]
    events, _ = await codex([*script, ["delta", "own"], ["end"]]).ask()

    assert text_of(events) == "own"


async def test_methods_that_nobody_knows_are_ignored(codex):
    events, _ = await codex(
        [["tell", "codex/event/agent_message", {"delta": "twice"}], ["delta", "once"], ["end"]]
    ).ask()

    assert text_of(events) == "once"


@pytest.mark.parametrize(("reason", "finish"), [("max_output_tokens", "length"), ("content_filter", "content_filter")])
async def test_an_incomplete_response_is_an_answer_that_ended_early(codex, reason, finish):
    error = {"message": f"Incomplete response returned, reason: {reason}", "codexErrorInfo": "other"}
    events, call = await codex([["delta", "half"], ["end", "failed", error]]).ask()

    assert events[-1] == Finished(finish)
    assert call.node is None


async def test_tool_calls_come_in_the_order_in_which_the_model_made_them(codex):
    first, second = (
        {"item": {"type": "function_call", "call_id": each, "name": "t", "arguments": f'{{"n":"{each}"}}'}}
        for each in ("c1", "c2")
    )
    script = [
        ["tell", "rawResponseItem/completed", first],
        ["tell", "rawResponseItem/completed", second],
        ["bare_call", 0, "c2", "t", "{}"],
        ["bare_call", 1, "c1", "t", "{}"],
        ["usage"],
        ["silence"],
    ]
    events, _ = await codex(script).ask(tools=declared("t"))

    calls = [event for event in events if isinstance(event, ToolCallDelta)]
    assert [(call.index, call.id, call.arguments) for call in calls] == [
        (0, "c1", '{"n":"c1"}'),
        (1, "c2", '{"n":"c2"}'),
    ]
