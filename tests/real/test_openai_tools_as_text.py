"""The official client before models that write tool calls as text: to it they are tool calls like any other."""

import json
from typing import Any

import pytest
from openai import AsyncOpenAI, OpenAI, pydantic_function_tool
from pydantic import BaseModel

from proxy.dialects import DIALECTS, PastCall
from tests.e2e.configs import script_config

pytestmark = pytest.mark.real

TEXT_DIALECTS = tuple(name for name in DIALECTS if name != "native")
PLACES = ({"place": "Lisbon", "days": 3}, {"place": 'a "b" <c>\nd', "days": 4})


class Weather(BaseModel):
    """The weather of a place."""

    place: str
    days: int


WEATHER: Any = pydantic_function_tool(Weather, name="weather")


def text_of(dialect: str) -> str:
    calls = [DIALECTS[dialect].call_text(PastCall("weather", json.dumps(place))) for place in PLACES]
    return "\n".join(["Let me see.", *calls])


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    scripts: dict[str, list[Any]] = {
        name: [{"say": text_of(name), "chunk": 5, "every_ms": 0}] for name in TEXT_DIALECTS
    }
    config = script_config(scripts)
    config["models"] = [
        {"id": name, "upstream": name, "tools": "text", "dialect": name, "require_user": False}
        for name in TEXT_DIALECTS
    ]
    return config


@pytest.mark.parametrize("dialect", TEXT_DIALECTS)
def test_the_accumulating_stream_puts_the_calls_together(client: OpenAI, dialect: str) -> None:
    """Its assertions on the order and completeness of chunks are the strictest that there are."""
    with client.chat.completions.stream(
        model=dialect, messages=[{"role": "user", "content": "Hello."}], tools=[WEATHER]
    ) as stream:
        kinds = [event.type for event in stream]
        (choice,) = stream.get_final_completion().choices
    assert kinds.count("tool_calls.function.arguments.done") == 2
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content == "Let me see."
    assert [json.loads(call.function.arguments) for call in choice.message.tool_calls or []] == list(PLACES)


@pytest.mark.parametrize("dialect", TEXT_DIALECTS)
async def test_the_parser_gives_typed_arguments(async_client: AsyncOpenAI, dialect: str) -> None:
    answer = await async_client.chat.completions.parse(
        model=dialect, messages=[{"role": "user", "content": "Hello."}], tools=[WEATHER]
    )
    calls = answer.choices[0].message.tool_calls or []
    assert [call.function.parsed_arguments for call in calls] == [Weather(**place) for place in PLACES]
    assert len({call.id for call in calls}) == 2


@pytest.mark.parametrize("dialect", TEXT_DIALECTS)
def test_calls_and_results_of_the_history_are_taken(client: OpenAI, dialect: str) -> None:
    messages: Any = [{"role": "user", "content": "Hello."}]
    message = client.chat.completions.create(model=dialect, messages=messages, tools=[WEATHER]).choices[0].message
    messages.append(message)
    messages += [
        {"role": "tool", "tool_call_id": call.id, "content": "sunny"} for call in reversed(message.tool_calls or [])
    ]
    again = client.chat.completions.create(model=dialect, messages=messages, tools=[WEATHER]).choices[0].message
    ids = {call.id for each in (message, again) for call in each.tool_calls or []}
    assert len(ids) == 4
