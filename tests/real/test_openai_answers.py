"""The official client reads every answer as it is meant, whole and streamed."""

import asyncio
import time
from itertools import pairwise
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types.chat import ChatCompletionMessageParam
from pydantic import BaseModel

from tests.e2e.configs import script_config

pytestmark = pytest.mark.real

EVERY_S = 0.05
WORDS = "A turnstile lets one person through at a time."
WHOLE_S = EVERY_S * (len(WORDS) / 5 - 1)
SAID: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hello."}]
SCRIPTS: dict[str, list[Any]] = {
    "echo": [],
    "words": [
        {"say": WORDS, "chunk": 5, "every_ms": EVERY_S * 1000},
        {"usage": {"prompt_tokens": 11, "completion_tokens": 12}},
    ],
    "thinking": [{"think": "Hmm.", "every_ms": 1}, {"say": "Yes.", "every_ms": 1}],
    "declining": [{"refuse": "I will not.", "every_ms": 1}],
    "trip": [{"say": '{"city":"Lisbon","days":3}', "chunk": 4, "every_ms": 1}],
    "cut short": [{"say": "Once upon", "every_ms": 1}, {"finish": "length"}],
    "filtered": [{"say": "Well", "every_ms": 1}, {"finish": "content_filter"}],
}


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return script_config(SCRIPTS)


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
    assert "".join(texts) == WORDS
    assert came_s[-1] >= WHOLE_S * 0.95, "the script takes so long"
    assert came_s[0] < WHOLE_S / 3
    assert sum(after_s - before_s > EVERY_S / 3 for before_s, after_s in pairwise(came_s)) > len(WORDS) / 5 / 2


async def test_the_first_chunk_arrives_before_the_last_is_produced_async(async_client: AsyncOpenAI) -> None:
    began_s = time.monotonic()
    came_s = []
    async for _ in await async_client.chat.completions.create(model="words", messages=SAID, stream=True):
        came_s.append(time.monotonic() - began_s)  # noqa: PERF401 - each is noted when it comes
    assert came_s[0] < WHOLE_S / 3 < WHOLE_S * 0.95 <= came_s[-1]


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
    assert client.models.retrieve("cut short") == next(model for model in models if model.id == "cut short")
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("none")


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
