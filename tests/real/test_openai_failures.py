"""The official client raises what was meant: of each failure its class, of a cut stream an error."""

import asyncio
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types.chat import ChatCompletionMessageParam

from proxy.testing.process import Daemon
from tests.e2e.configs import script_config

pytestmark = pytest.mark.real

SAID: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hello."}]
CODES = ("upstream_error", "upstream_timeout", "upstream_busy", "upstream_rate_limited", "insufficient_quota")
SCRIPTS: dict[str, list[Any]] = {
    "echo": [],
    "stalled": [{"say": "Hel", "chunk": 0}, {"stall": True}],
    "breaking": [{"say": "Hel", "chunk": 0}, {"say": "lo", "chunk": 0}, {"fail": "upstream_error"}],
    **{f"failing: {code}": [{"fail": code, "retry_after_s": 0.1}] for code in CODES},
}


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    keys = [{"name": "all", "key": "sk-real"}, {"name": "few", "key": "sk-few", "models": ["echo"]}]
    return script_config(SCRIPTS, auth={"keys": keys}, retry={"attempts": 1}, breaker={"failures": 1000})


async def tries(gateway: Daemon, client: AsyncOpenAI, model: str, *, stream: bool) -> tuple[openai.APIStatusError, int]:
    """The error that a call ends with, and how many requests the client made for it."""
    before = len(gateway.lines(event="request.completed", model=model))
    with pytest.raises(openai.APIStatusError) as caught:
        await client.chat.completions.create(model=model, messages=SAID, stream=stream)
    await gateway.logged(caught.value.response.headers["x-request-id"])
    return caught.value, len(gateway.lines(event="request.completed", model=model)) - before


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_a_failure_is_of_its_class_and_tried_again_only_where_that_may_help(
    gateway: Daemon, async_client: AsyncOpenAI, *, stream: bool
) -> None:
    """Where our own budget is spent, a client's retries would only multiply the load."""
    expected: dict[str, tuple[type[openai.APIStatusError], int, int]] = {
        "upstream_error": (openai.InternalServerError, 502, 1),
        "upstream_timeout": (openai.InternalServerError, 504, 1),
        "insufficient_quota": (openai.RateLimitError, 429, 1),
        "upstream_busy": (openai.InternalServerError, 503, 3),
        "upstream_rate_limited": (openai.RateLimitError, 429, 3),
    }
    for code, told in expected.items():
        error, count = await tries(gateway, async_client, f"failing: {code}", stream=stream)
        assert (type(error), error.status_code, count) == told
        assert error.code == code
        assert error.request_id


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


def test_a_wrong_key_a_forbidden_model_and_an_unknown_one_have_their_classes(client: OpenAI) -> None:
    with pytest.raises(openai.AuthenticationError) as unknown:
        client.with_options(api_key="sk-wrong").chat.completions.create(model="echo", messages=SAID)
    assert unknown.value.code == "invalid_api_key"
    with pytest.raises(openai.PermissionDeniedError) as denied:
        client.with_options(api_key="sk-few").chat.completions.create(model="stalled", messages=SAID)
    assert denied.value.code == "model_not_allowed"
    with pytest.raises(openai.NotFoundError) as missing:
        client.chat.completions.create(model="none", messages=SAID)
    assert (missing.value.code, missing.value.param) == ("model_not_found", "model")


def test_a_stream_that_breaks_raises(client: OpenAI) -> None:
    """The client has no other way to tell a cut answer from a whole one."""
    stream = client.chat.completions.create(model="breaking", messages=SAID, stream=True)
    assert [next(stream).choices[0].delta.content for _ in range(3)] == ["", "Hel", "lo"]
    with pytest.raises(openai.APIError) as caught:
        next(stream)
    assert caught.value.code == "upstream_error"
    assert "upstream" in caught.value.message


async def test_a_stream_that_breaks_raises_async(async_client: AsyncOpenAI) -> None:
    with pytest.raises(openai.APIError) as caught:
        async with async_client.chat.completions.stream(model="breaking", messages=SAID) as stream:
            await stream.get_final_completion()
    assert caught.value.code == "upstream_error"


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
