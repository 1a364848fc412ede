"""scripted: what the upstream inside the daemon says, with a script and without."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from proxy.config import load
from proxy.config.script import UPSTREAM_CODES
from proxy.errors import TurnstileError, UpstreamRateLimited, UpstreamTruncated
from proxy.ports import Turn
from proxy.testing.clock import ManualClock
from proxy.upstreams import build_upstreams
from proxy.upstreams.improvised import example_of
from proxy.upstreams.scripted import ScriptedCall
from proxy.wire.events import Finished, Opened, ReasoningDelta, RefusalDelta, TextDelta, ToolCallDelta, Usage
from proxy.wire.request import ModelRules, check_chat

Json = dict[str, Any]
WEATHER: Json = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {
            "type": "object",
            "required": ["city", "days", "unit"],
            "properties": {
                "city": {"type": "string"},
                "days": {"type": "integer", "minimum": 3},
                "unit": {"enum": ["C", "F"]},
                "note": {"type": "string"},
            },
        },
    },
}
NOW: Json = {"type": "function", "function": {"name": "now"}}


class Stage:
    """A scripted upstream, and a clock that moves on whenever it waits."""

    def __init__(self, *scripts: Sequence[Json]) -> None:
        entry: Json = {"name": "up", "kind": "scripted"}
        if scripts:
            entry["scripts"] = [list(script) for script in scripts]
        settings = load(
            None, {}, {"auth": {"mode": "none"}, "upstreams": [entry], "models": [{"id": "demo", "upstream": "up"}]}
        )
        self.clock = ManualClock()
        self.upstream = build_upstreams(settings, self.clock, {})["up"]

    async def ask(self, **body: Any) -> list[Any]:
        """All events of one answer, however long it takes."""
        task = asyncio.get_running_loop().create_task(self._ask(body))
        while not task.done():
            await self.clock.next_timer()
        return task.result()

    async def _ask(self, body: Json) -> list[Any]:
        asked = {"model": "demo", "messages": [{"role": "user", "content": "Hi."}], **body}
        request = check_chat(asked, ModelRules(openai=False, require_user=False))
        turn = Turn(request, "demo", "req_1", stream=True, on_connected=lambda: None)
        call = await self.upstream.open(turn)
        events: list[Any] = []
        assert isinstance(call, ScriptedCall)
        while not call.complete:
            events += await call.receive()
        call.close()
        return events


def text_of(events: list[Any]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


async def test_every_step_is_played() -> None:
    stage = Stage(
        [
            {"think": "Hm.", "every_ms": 0},
            {"say": "Hello.", "chunk": 3, "every_ms": 0},
            {"call": "now", "arguments": {"zone": "UTC"}, "chunk": 0},
            {"usage": {"prompt_tokens": 3, "completion_tokens": 4}},
        ]
    )
    opened, thought, *said, call, arguments, usage, finish = await stage.ask()

    assert isinstance(opened, Opened)
    assert thought == ReasoningDelta("Hm.")
    assert said == [TextDelta("Hel"), TextDelta("lo.")]
    assert (call.name, arguments) == ("now", ToolCallDelta(0, None, None, '{"zone":"UTC"}'))
    assert (usage, finish) == (Usage(3, 4, 7), Finished("tool_calls"))


async def test_a_refusal_and_a_finish() -> None:
    events = await Stage([{"refuse": "No.", "chunk": 0}, {"finish": "content_filter"}]).ask()

    assert events[1:] == [RefusalDelta("No."), Finished("content_filter")]


async def test_scripts_take_turns_and_the_last_repeats() -> None:
    stage = Stage([{"say": "One."}], [{"say": "Two.", "chunk": 0}])

    assert [text_of(await stage.ask()) for _ in range(3)][1:] == ["Two.", "Two."]


@pytest.mark.parametrize("code", UPSTREAM_CODES)
async def test_every_failure_can_be_played(code: str) -> None:
    with pytest.raises(TurnstileError) as failed:
        await Stage([{"fail": code}]).ask()

    assert failed.value.told_code == code


async def test_a_failure_may_ask_for_a_wait() -> None:
    with pytest.raises(UpstreamRateLimited) as limited:
        await Stage([{"fail": "upstream_rate_limited", "retry_after_s": 7}]).ask()

    assert limited.value.retry_after_s == 7


async def test_a_cut() -> None:
    with pytest.raises(UpstreamTruncated):
        await Stage([{"say": "Hel", "chunk": 0}, {"cut": True}]).ask()


# --- without a script


async def test_it_repeats_what_was_said() -> None:
    assert text_of(await Stage().ask()) == "You said: Hi."


async def test_it_greets_those_who_say_nothing() -> None:
    assert "Say something" in text_of(await Stage().ask(messages=[{"role": "user", "content": ""}]))


async def test_it_repeats_no_more_than_a_page() -> None:
    assert len(text_of(await Stage().ask(messages=[{"role": "user", "content": "x" * 100_000}]))) == 2000


async def test_it_calls_the_first_tool_with_arguments_that_fit() -> None:
    events = await Stage().ask(tools=[WEATHER, NOW])
    calls = [event for event in events if isinstance(event, ToolCallDelta)]

    assert calls[0].name == "weather"
    assert "".join(call.arguments for call in calls) == '{"city": "Hi.", "days": 3, "unit": "C"}'
    assert events[-1] == Finished("tool_calls")


async def test_it_calls_the_tool_that_is_asked_for() -> None:
    events = await Stage().ask(tools=[WEATHER, NOW], tool_choice={"type": "function", "function": {"name": "now"}})

    assert next(event.name for event in events if isinstance(event, ToolCallDelta)) == "now"


async def test_it_calls_none_where_none_is_wanted() -> None:
    events = await Stage().ask(tools=[WEATHER], tool_choice="none")

    assert text_of(events) == "You said: Hi."


async def test_it_says_what_a_tool_has_said() -> None:
    messages = [
        {"role": "user", "content": "Hi."},
        {
            "role": "assistant",
            "tool_calls": [
                {"id": "1", "type": "function", "function": {"name": "now", "arguments": "{}"}},
                {"id": "2", "type": "function", "function": {"name": "weather", "arguments": "{}"}},
            ],
        },
        {"role": "tool", "tool_call_id": "1", "content": "noon"},
        {"role": "tool", "tool_call_id": "2", "content": "rain"},
    ]

    assert text_of(await Stage().ask(messages=messages, tools=[NOW, WEATHER])) == "The tool says: noon; rain"


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string"}, "said"),
        ({"type": ["integer", "null"]}, 1),
        ({"type": "number", "minimum": 2.5}, 2.5),
        ({"type": "boolean"}, True),
        ({"type": "null"}, None),
        ({"type": "array", "items": {"type": "boolean"}, "minItems": 1}, [True]),
        ({"type": "array"}, []),
        ({"const": 7}, 7),
        ({"default": "d", "type": "string"}, "d"),
        ({"enum": ["a", "b"]}, "a"),
        ({"type": "object", "required": ["a"], "properties": {"a": {"type": "boolean"}}}, {"a": True}),
        ({"type": "object", "required": "a"}, {}),
        ({"type": "object", "properties": []}, {}),
        ("odd", {}),
        ({}, {}),
    ],
)
def test_an_example_fits_the_plain_keywords_of_a_schema(schema: Any, value: object) -> None:
    assert example_of(schema, "said") == value


def test_a_schema_that_refers_to_itself_has_an_end() -> None:
    loop: Json = {"type": "object", "required": ["a"], "properties": {}}
    loop["properties"]["a"] = loop

    assert example_of(loop, "") == {"a": {"a": {"a": {"a": {"a": {"a": {"a": {}}}}}}}}
