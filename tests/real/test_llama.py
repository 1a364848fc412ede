"""A real llama.cpp server behind the daemon: what it says arrives, and it is let off when the caller leaves."""

import asyncio
import json
from typing import Any

import pytest
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionMessageParam

from proxy.testing.frames import read_stream, text_of_stream
from proxy.testing.llama import LlamaServer
from proxy.testing.process import Daemon
from tests.e2e.wire import Json, ask, connected, request

pytestmark = pytest.mark.real

SAID: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Count from one to ten in words."}]
TEXT_DIALECTS = ("json", "hermes")
FIXED: Json = {"temperature": 0, "seed": 1}


@pytest.fixture(scope="module")
def config(llama: LlamaServer) -> dict[str, Any]:
    return {
        "auth": {"mode": "none"},
        "upstreams": [{"name": "llama", "kind": "openai", "base_url": llama.base_url}],
        "models": [
            {"id": "small", "upstream": "llama", "upstream_model": llama.model},
            *(
                {"id": dialect, "upstream": "llama", "upstream_model": llama.model, "tools": "text", "dialect": dialect}
                for dialect in TEXT_DIALECTS
            ),
        ],
        "log": {"level": "debug"},
    }


async def test_streamed_and_whole_answers_are_the_same(async_client: AsyncOpenAI) -> None:
    """The model is asked for the likeliest token each time, so it says the same twice."""
    options: Json = {"model": "small", "messages": SAID, "max_tokens": 24, **FIXED}
    whole = await async_client.chat.completions.create(**options)
    chunks = [
        chunk
        async for chunk in await async_client.chat.completions.create(
            **options, stream=True, stream_options={"include_usage": True}
        )
    ]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text
    assert text == whole.choices[0].message.content
    assert whole.choices[0].finish_reason == "length"
    assert [chunk.choices[0].finish_reason for chunk in chunks[-2:] if chunk.choices] == ["length"]
    assert {chunk.model for chunk in chunks} == {whole.model} == {"small"}
    for usage in (whole.usage, chunks[-1].usage):
        assert usage is not None
        assert usage.completion_tokens == 24
        assert usage.total_tokens == usage.prompt_tokens + 24
        assert usage.prompt_tokens > 5


async def test_tokens_arrive_one_by_one(gateway: Daemon) -> None:
    asked: Json = {"model": "small", "messages": SAID, "max_tokens": 24, "stream": True, **FIXED}
    answer = await ask(gateway.url, "POST", "/v1/chat/completions", asked)
    assert len(answer.pieces) > 15
    assert answer.pieces[-1][0] - answer.pieces[0][0] > 0.05
    assert read_stream(answer.body).done
    line = await gateway.logged(answer.headers["x-request-id"])
    assert line["usage"]["completion_tokens"] == 24
    assert "estimated" not in line["usage"]
    assert answer.headers["x-upstream-request-id"].startswith("chatcmpl-")


async def test_parameters_reach_the_model(async_client: AsyncOpenAI) -> None:
    """Its own answer to `stop`, `max_tokens` and `logprobs`, not one of ours."""
    stopped = await async_client.chat.completions.create(
        model="small", messages=SAID, max_tokens=60, stop=["two"], **FIXED
    )
    assert stopped.choices[0].finish_reason == "stop"
    assert "two" not in (stopped.choices[0].message.content or "")
    scored = await async_client.chat.completions.create(
        model="small", messages=SAID, max_tokens=3, logprobs=True, top_logprobs=2, **FIXED
    )
    assert scored.choices[0].logprobs is not None
    assert scored.choices[0].logprobs.content is not None
    assert len(scored.choices[0].logprobs.content) == 3
    assert len(scored.choices[0].logprobs.content[0].top_logprobs) == 2


async def test_a_bad_request_that_only_the_upstream_can_know_of_is_told_in_its_words(gateway: Daemon) -> None:
    asked: Json = {"model": "small", "messages": SAID, "grammar": "not a grammar ::= ["}
    answer = await ask(gateway.url, "POST", "/v1/chat/completions", asked)
    assert answer.status == 400
    assert answer.error["type"] == "invalid_request_error"


async def test_an_input_beyond_its_window_is_told_as_such(gateway: Daemon) -> None:
    asked: Json = {"model": "small", "messages": [{"role": "user", "content": "word " * 9000}], "max_tokens": 5}
    answer = await ask(gateway.url, "POST", "/v1/chat/completions", asked)
    assert (answer.status, answer.error["code"]) == (400, "context_length_exceeded")
    assert answer.error["param"] == "messages"


async def until_busy(llama: LlamaServer, slots: int, limit_s: float) -> None:
    """Wait until the server works on so many answers."""
    async with asyncio.timeout(limit_s):
        while True:
            if await asyncio.to_thread(llama.busy_slots) == slots:
                return
            await asyncio.sleep(0.02)


async def test_it_stops_working_when_the_caller_leaves(gateway: Daemon, llama: LlamaServer) -> None:
    """Or else it would spend a minute on words for nobody."""
    asked: Json = {"model": "small", "messages": SAID, "max_tokens": 1500, "stream": True, "ignore_eos": True}
    async with connected(gateway.url) as connection:
        await connection.send(request("POST", "/v1/chat/completions", asked, {"x-request-id": "left"}))
        await connection.head()
        assert text_of_stream(await connection.chunk())
        await until_busy(llama, 1, limit_s=5.0)
        connection.reset()
    await until_busy(llama, 0, limit_s=3.0)
    assert (await gateway.logged("left"))["end_reason"] == "client_abort"


async def test_several_callers_share_it(async_client: AsyncOpenAI) -> None:
    """More than it has slots."""

    async def count(number: int) -> str:
        said: list[ChatCompletionMessageParam] = [{"role": "user", "content": f"Say the number {number}."}]
        answer = await async_client.chat.completions.create(model="small", messages=said, max_tokens=8, **FIXED)
        return answer.choices[0].message.content or ""

    assert all(await asyncio.gather(*map(count, range(4))))


WEATHER: Json = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Tells the weather of a place.",
        "parameters": {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]},
    },
}


@pytest.mark.parametrize("dialect", TEXT_DIALECTS)
async def test_whatever_it_answers_about_tools_is_text_or_a_whole_call(dialect: str, async_client: AsyncOpenAI) -> None:
    """It is too small to call tools well, so what it writes is a fair trial: the same streamed and not streamed."""
    asked: Json = {
        "model": dialect,
        "messages": [{"role": "user", "content": "What is the weather in Lisbon? Use the tool."}],
        "tools": [WEATHER],
        "max_tokens": 24,
        **FIXED,
    }
    patient = async_client.with_options(timeout=50, max_retries=0)  # it reads the words about tools at its own pace
    whole = (await patient.chat.completions.create(**asked)).choices[0]
    deltas = [chunk.choices[0] async for chunk in await patient.chat.completions.create(**asked, stream=True)]

    calls = whole.message.tool_calls or []
    assert (whole.finish_reason == "tool_calls") == bool(calls and whole.finish_reason != "length")
    for call in calls:
        assert call.type == "function"
        assert call.function.name == "weather"
        assert isinstance(json.loads(call.function.arguments), dict)
    assert "".join(each.delta.content or "" for each in deltas) == (whole.message.content or "")
    assert deltas[-1].finish_reason == whole.finish_reason
    pieces = [call for each in deltas for call in each.delta.tool_calls or ()]
    assert "".join(each.function.arguments or "" for each in pieces if each.function) == "".join(
        call.function.arguments for call in calls if call.type == "function"
    )
