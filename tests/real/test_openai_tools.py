"""The official client's tools: called, answered, put together from a stream, and as they were of old."""

import json
from typing import Any

import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam

from tests.e2e.configs import script_config

pytestmark = pytest.mark.real

SAID: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hello."}]
WEATHER: ChatCompletionToolParam = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a place.",
        "parameters": {
            "type": "object",
            "properties": {"place": {"type": "string"}, "days": {"type": "integer", "minimum": 3}},
            "required": ["place", "days"],
        },
    },
}


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    calls = [
        {"say": "Let me see. ", "every_ms": 1},
        {"call": "weather", "arguments": {"place": "Lisbon", "days": 3}, "chunk": 5, "every_ms": 1},
        {"call": "weather", "arguments": {"place": "Porto", "days": 4}, "chunk": 0},
    ]
    return script_config({"echo": [], "two calls": calls})


def test_the_accumulating_stream_tells_events_and_the_whole(client: OpenAI) -> None:
    """Its assertions on the order and completeness of chunks are the strictest that there are."""
    with client.chat.completions.stream(
        model="two calls", messages=SAID, tools=[WEATHER], stream_options={"include_usage": True}
    ) as stream:
        kinds = [event.type for event in stream]
        answer = stream.get_final_completion()
    assert {"chunk", "content.delta", "content.done"} <= set(kinds)
    assert kinds.count("tool_calls.function.arguments.done") == 2
    (choice,) = answer.choices
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content == "Let me see. "
    assert choice.message.tool_calls is not None
    assert [json.loads(call.function.arguments) for call in choice.message.tool_calls] == [
        {"place": "Lisbon", "days": 3},
        {"place": "Porto", "days": 4},
    ]
    assert len({call.id for call in choice.message.tool_calls}) == 2
    assert answer.usage is not None


def result_of(arguments: str) -> str:
    asked = json.loads(arguments)
    return f"sunny in {asked['place']} for {asked['days']} days"


def test_a_tool_is_called_and_its_result_is_used(client: OpenAI) -> None:
    """The whole loop, as an agent runs it."""
    messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Lisbon"}]
    first = client.chat.completions.create(model="echo", messages=messages, tools=[WEATHER]).choices[0]
    assert first.finish_reason == "tool_calls"
    assert first.message.content is None
    assert first.message.tool_calls is not None
    messages.append(first.message)  # type: ignore[arg-type]  # as the package's own examples do
    for call in first.message.tool_calls:
        assert call.type == "function"
        result = result_of(call.function.arguments)
        messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
    second = client.chat.completions.create(model="echo", messages=messages, tools=[WEATHER]).choices[0]
    assert (second.message.content, second.finish_reason) == ("The tool says: sunny in Lisbon for 3 days", "stop")


async def test_a_streamed_tool_call_is_put_together_and_answered(async_client: AsyncOpenAI) -> None:
    messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Porto"}]
    async with async_client.chat.completions.stream(model="echo", messages=messages, tools=[WEATHER]) as stream:
        message = (await stream.get_final_completion()).choices[0].message
    assert message.tool_calls is not None
    (call,) = message.tool_calls
    messages.append(message)  # type: ignore[arg-type]  # as the package's own examples do
    messages.append({"role": "tool", "tool_call_id": call.id, "content": result_of(call.function.arguments)})
    answer = ""
    async for chunk in await async_client.chat.completions.create(
        model="echo", messages=messages, tools=[WEATHER], stream=True
    ):
        answer += chunk.choices[0].delta.content or ""
    assert answer == "The tool says: sunny in Porto for 3 days"


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "weather"}}])
def test_a_tool_that_is_asked_for_is_called(client: OpenAI, choice: Any) -> None:
    answer = client.chat.completions.create(model="echo", messages=SAID, tools=[WEATHER], tool_choice=choice)
    assert answer.choices[0].message.tool_calls


def test_no_tool_is_called_where_none_may_be(client: OpenAI) -> None:
    answer = client.chat.completions.create(model="echo", messages=SAID, tools=[WEATHER], tool_choice="none")
    assert answer.choices[0].message.content == "You said: Hello."


def test_functions_of_old_are_answered_as_of_old(client: OpenAI) -> None:
    functions: Any = [WEATHER["function"]]
    message = client.chat.completions.create(model="echo", messages=SAID, functions=functions).choices[0]
    assert message.finish_reason == "function_call"
    assert message.message.function_call is not None
    assert message.message.function_call.name == "weather"
    assert message.message.tool_calls is None
    name, arguments = "", ""
    finish = None
    for chunk in client.chat.completions.create(model="echo", messages=SAID, functions=functions, stream=True):
        told = chunk.choices[0].delta.function_call
        if told is not None:
            name += told.name or ""
            arguments += told.arguments or ""
        finish = chunk.choices[0].finish_reason or finish
    assert (name, json.loads(arguments), finish) == ("weather", {"place": "Hello.", "days": 3}, "function_call")
    second = client.chat.completions.create(
        model="echo",
        messages=[
            *SAID,
            {"role": "assistant", "content": None, "function_call": {"name": name, "arguments": arguments}},
            {"role": "function", "name": name, "content": result_of(arguments)},
        ],
        functions=functions,
    )
    assert second.choices[0].message.content == "The tool says: sunny in Hello. for 3 days"
