"""The official client reads every answer as it is meant: whole and streamed, calls, refusals, failures, cuts."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from itertools import pairwise
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam
from pydantic import BaseModel

from proxy.testing.process import Daemon
from tests.e2e.configs import script_config

pytestmark = pytest.mark.real

KEY = "sk-real"
EVERY_S = 0.05
WORDS = "A turnstile lets one person through at a time."
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
SCRIPTS: dict[str, list[Any]] = {
    "echo": [],
    "words": [
        {"say": WORDS, "chunk": 5, "every_ms": EVERY_S * 1000},
        {"usage": {"prompt_tokens": 11, "completion_tokens": 12}},
    ],
    "two calls": [
        {"say": "Let me see. ", "every_ms": 1},
        {"call": "weather", "arguments": {"place": "Lisbon", "days": 3}, "chunk": 5, "every_ms": 1},
        {"call": "weather", "arguments": {"place": "Porto", "days": 4}, "chunk": 0},
    ],
    "thinking": [{"think": "Hmm.", "every_ms": 1}, {"say": "Yes.", "every_ms": 1}],
    "declining": [{"refuse": "I will not.", "every_ms": 1}],
    "trip": [{"say": '{"city":"Lisbon","days":3}', "chunk": 4, "every_ms": 1}],
    "cut short": [{"say": "Once upon", "every_ms": 1}, {"finish": "length"}],
    "filtered": [{"say": "Well", "every_ms": 1}, {"finish": "content_filter"}],
    "stalled": [{"say": "Hel", "chunk": 0}, {"stall": True}],
    "breaking": [{"say": "Hel", "chunk": 0}, {"say": "lo", "chunk": 0}, {"fail": "upstream_error"}],
    **{
        f"failing: {code}": [{"fail": code, "retry_after_s": 0.1}]
        for code in (
            "upstream_error",
            "upstream_timeout",
            "upstream_busy",
            "upstream_rate_limited",
            "insufficient_quota",
        )
    },
}


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    keys = [{"name": "all", "key": KEY}, {"name": "few", "key": "sk-few", "models": ["echo"]}]
    return script_config(SCRIPTS, auth={"keys": keys}, retry={"attempts": 1}, breaker={"failures": 1000})


@pytest.fixture
def client(gateway: Daemon) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{gateway.url}/v1", api_key=KEY, timeout=10, max_retries=2) as client:
        yield client


@pytest.fixture
async def async_client(gateway: Daemon) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=KEY, timeout=10, max_retries=2) as client:
        yield client


# --- answers


def test_an_answer_comes_whole(client: OpenAI) -> None:
    answer = client.chat.completions.create(model="words", messages=SAID)
    (choice,) = answer.choices
    assert (choice.message.role, choice.message.content, choice.finish_reason) == ("assistant", WORDS, "stop")
    assert choice.message.tool_calls is None
    assert choice.message.refusal is None
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (11, 12, 23)
    assert answer.id.startswith("chatcmpl-")
    assert answer.model == "words"
    assert abs(answer.created - time.time()) < 60
    assert answer._request_id
    assert answer._request_id.startswith("req_")


def test_the_first_chunk_arrives_before_the_last_is_produced(client: OpenAI) -> None:
    began_s = time.monotonic()
    came_s, texts = [], []
    for chunk in client.chat.completions.create(model="words", messages=SAID, stream=True):
        came_s.append(time.monotonic() - began_s)
        texts.append(chunk.choices[0].delta.content or "")
    whole_s = EVERY_S * (len(WORDS) / 5 - 1)
    assert "".join(texts) == WORDS
    assert came_s[-1] >= whole_s * 0.95, "the script takes so long"
    assert came_s[0] < whole_s / 3
    assert sum(after_s - before_s > EVERY_S / 3 for before_s, after_s in pairwise(came_s)) > len(WORDS) / 5 / 2


async def test_the_first_chunk_arrives_before_the_last_is_produced_async(async_client: AsyncOpenAI) -> None:
    began_s = time.monotonic()
    came_s = []
    async for _ in await async_client.chat.completions.create(model="words", messages=SAID, stream=True):
        came_s.append(time.monotonic() - began_s)  # noqa: PERF401 - each is noted when it comes
    whole_s = EVERY_S * (len(WORDS) / 5 - 1)
    assert came_s[0] < whole_s / 3 < whole_s * 0.95 <= came_s[-1]


def test_chunks_have_one_head_and_usage_if_asked_for(client: OpenAI) -> None:
    stream = client.chat.completions.create(
        model="words", messages=SAID, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    assert len({(chunk.id, chunk.created, chunk.model) for chunk in chunks}) == 1
    assert [chunk.choices[0].delta.role for chunk in chunks if chunk.choices].count("assistant") == 1
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices and chunk.choices[0].finish_reason] == [
        "stop"
    ]
    assert all(chunk.usage is None for chunk in chunks[:-1])
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 23


@pytest.mark.parametrize(
    ("model", "finish"),
    [("words", "stop"), ("cut short", "length"), ("filtered", "content_filter"), ("declining", "stop")],
)
async def test_streamed_and_whole_agree(async_client: AsyncOpenAI, model: str, finish: str) -> None:
    whole = await async_client.chat.completions.create(model=model, messages=SAID)
    async with async_client.chat.completions.stream(model=model, messages=SAID) as stream:
        streamed = await stream.get_final_completion() if finish not in ("length", "content_filter") else None
    message = whole.choices[0].message
    assert whole.choices[0].finish_reason == finish
    if streamed is not None:
        assert streamed.choices[0].finish_reason == finish
        assert (streamed.choices[0].message.content or "") == (message.content or "")
        assert streamed.choices[0].message.refusal == message.refusal


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


def test_reasoning_is_told_beside_the_text(client: OpenAI) -> None:
    answer = client.chat.completions.create(model="thinking", messages=SAID)
    assert answer.choices[0].message.model_extra is not None
    assert answer.choices[0].message.model_extra["reasoning_content"] == "Hmm."
    assert answer.choices[0].message.content == "Yes."
    chunks = list(client.chat.completions.create(model="thinking", messages=SAID, stream=True))
    thoughts = [(chunk.choices[0].delta.model_extra or {}).get("reasoning_content", "") for chunk in chunks]
    assert "".join(thoughts) == "Hmm."


def test_a_structured_answer_is_parsed(client: OpenAI) -> None:
    class Trip(BaseModel):
        city: str
        days: int

    answer = client.chat.completions.parse(model="trip", messages=SAID, response_format=Trip)
    assert answer.choices[0].message.parsed == Trip(city="Lisbon", days=3)
    with client.chat.completions.stream(model="trip", messages=SAID, response_format=Trip) as stream:
        assert stream.get_final_completion().choices[0].message.parsed == Trip(city="Lisbon", days=3)


def test_completions_of_a_prompt(client: OpenAI) -> None:
    answer = client.completions.create(model="words", prompt="Once")
    assert (answer.object, answer.choices[0].text, answer.choices[0].finish_reason) == (
        "text_completion",
        WORDS,
        "stop",
    )
    pieces = list(client.completions.create(model="words", prompt="Once", stream=True))
    assert "".join(piece.choices[0].text for piece in pieces) == WORDS
    assert pieces[-1].choices[0].finish_reason == "stop"


def test_models(client: OpenAI) -> None:
    models = client.models.list().data
    assert [model.id for model in models] == list(SCRIPTS)
    assert client.models.retrieve("two calls") == next(model for model in models if model.id == "two calls")
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("none")


# --- tools


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
    messages.append(message)  # type: ignore[arg-type]
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


# --- failures


def tries(gateway: Daemon, model: str, ask: Any) -> tuple[openai.APIStatusError, int]:
    """The error that *ask* ends with, and how many requests the client made for it."""
    gateway.log.clear()
    with pytest.raises(openai.APIStatusError) as caught:
        ask()
    deadline_s = time.monotonic() + 5
    request_id = caught.value.response.headers["x-request-id"]
    while not gateway.lines(request_id=request_id) and time.monotonic() < deadline_s:
        time.sleep(0.01)
    return caught.value, len(gateway.lines(event="request.completed"))


@pytest.mark.parametrize(
    ("code", "error", "status", "made"),
    [
        ("upstream_error", openai.InternalServerError, 502, 1),
        ("upstream_timeout", openai.InternalServerError, 504, 1),
        ("insufficient_quota", openai.RateLimitError, 429, 1),
        ("upstream_busy", openai.InternalServerError, 503, 3),
        ("upstream_rate_limited", openai.RateLimitError, 429, 3),
    ],
)
def test_a_failure_is_of_its_class_and_tried_again_only_where_that_may_help(
    gateway: Daemon, client: OpenAI, code: str, error: type[openai.APIStatusError], status: int, made: int
) -> None:
    """Where our own budget is spent, a client's retries would only multiply the load."""
    model = f"failing: {code}"
    for stream in (False, True):
        raised, count = tries(
            gateway,
            model,
            lambda stream=stream: client.chat.completions.create(model=model, messages=SAID, stream=stream),
        )
        assert type(raised) is error
        assert (raised.status_code, raised.code, raised.type) == (status, code, raised.type)
        assert raised.request_id
        assert count == made


def test_a_bad_request_names_its_field(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="echo", messages=SAID, temperature=3)
    assert (caught.value.param, caught.value.code) == ("temperature", "decimal_above_max_value")
    assert caught.value.message.endswith("expected a number from 0 to 2, got 3.'}}") or "from 0 to 2" in str(
        caught.value
    )
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="echo", messages=[{"role": "user", "content": []}])
    assert (caught.value.param, caught.value.code) == ("messages[0].content", "empty_array")


def test_a_wrong_key_a_forbidden_model_and_an_unknown_one_have_their_classes(gateway: Daemon, client: OpenAI) -> None:
    with pytest.raises(openai.AuthenticationError) as unknown:
        client.with_options(api_key="sk-wrong").chat.completions.create(model="echo", messages=SAID)
    assert unknown.value.code == "invalid_api_key"
    with pytest.raises(openai.PermissionDeniedError) as denied:
        client.with_options(api_key="sk-few").chat.completions.create(model="words", messages=SAID)
    assert denied.value.code == "model_not_allowed"
    with pytest.raises(openai.NotFoundError) as missing:
        client.chat.completions.create(model="none", messages=SAID)
    assert (missing.value.code, missing.value.param) == ("model_not_found", "model")


def test_a_stream_that_breaks_raises(client: OpenAI) -> None:
    """The client has no other way to tell a cut answer from a whole one."""
    texts = []
    with pytest.raises(openai.APIError) as caught:
        for chunk in client.chat.completions.create(model="breaking", messages=SAID, stream=True):
            texts.append(chunk.choices[0].delta.content or "")  # noqa: PERF401 - what came before the error counts
    assert "".join(texts) == "Hello"
    assert caught.value.code == "upstream_error"
    assert "upstream" in caught.value.message


async def test_a_stream_that_breaks_raises_async(async_client: AsyncOpenAI) -> None:
    with pytest.raises(openai.APIError) as caught:
        async with async_client.chat.completions.stream(model="breaking", messages=SAID) as stream:
            await stream.get_final_completion()
    assert caught.value.code == "upstream_error"


# --- leaving, and crowds


async def test_closing_a_stream_is_a_client_abort(gateway: Daemon, async_client: AsyncOpenAI) -> None:
    stream = await async_client.chat.completions.create(
        model="stalled", messages=SAID, stream=True, extra_headers={"x-request-id": "closed-early"}
    )
    async for chunk in stream:
        if chunk.choices[0].delta.content:
            break
    await stream.close()
    assert (await gateway.logged("closed-early"))["end_reason"] == "client_abort"


async def test_a_cancelled_call_is_a_client_abort(gateway: Daemon, async_client: AsyncOpenAI) -> None:
    async with asyncio.timeout(5):
        with pytest.raises(openai.APITimeoutError):
            await async_client.with_options(timeout=0.3, max_retries=0).chat.completions.create(
                model="stalled", messages=SAID, extra_headers={"x-request-id": "timed-out"}
            )
    assert (await gateway.logged("timed-out"))["end_reason"] == "client_abort"


async def test_many_calls_at_once_are_not_mixed_up(async_client: AsyncOpenAI) -> None:
    async def call(number: int) -> str:
        said: list[ChatCompletionMessageParam] = [{"role": "user", "content": f"I am number {number}."}]
        if number % 2:
            answer = await async_client.chat.completions.create(model="echo", messages=said)
            return answer.choices[0].message.content or ""
        stream = await async_client.chat.completions.create(model="echo", messages=said, stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    answers = await asyncio.gather(*map(call, range(60)))
    assert answers == [f"You said: I am number {number}." for number in range(60)]
