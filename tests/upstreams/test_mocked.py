"""openai over a mocked session: a test that needs no socket, for those who mock aiohttp anyway.

It cannot stream, so it stands for one exchange in JSON; everything else is tested over a scripted server.
"""

import json
from types import SimpleNamespace
from typing import Any

import aiohttp
from aioresponses import aioresponses
from yarl import URL

from proxy.testing.plugin import StartGateway


class MockedResponse(aiohttp.ClientResponse):
    """What aiohttp 3.14 asks of a response besides what aioresponses 0.7.9 gives."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, stream_writer=SimpleNamespace(output_size=0), **options)


UPSTREAM = "http://upstream.test/v1"
CONFIG = {
    "auth": {"mode": "none"},
    "upstreams": [{"name": "up", "kind": "openai", "base_url": UPSTREAM, "http_client": "aiohttp"}],
    "models": [{"id": "demo", "upstream": "up", "upstream_model": "big-7"}],
}
ANSWER = {
    "id": "chatcmpl-theirs",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7},
}
ASKED = {"model": "demo", "messages": [{"role": "user", "content": "Hi."}]}


async def test_one_exchange_in_json(gateway_server: StartGateway) -> None:
    gateway = await gateway_server(CONFIG)
    with aioresponses(passthrough=[gateway.url]) as mocked:
        mocked.post(f"{UPSTREAM}/chat/completions", payload=ANSWER, response_class=MockedResponse)
        async with aiohttp.ClientSession() as session:
            response = await session.post(f"{gateway.base_url}/chat/completions", json=ASKED)
            told = await response.json()

    assert (response.status, told["choices"][0]["message"]["content"]) == (200, "Hello.")
    assert told["usage"] == ANSWER["usage"]
    assert response.headers["x-upstream-request-id"] == "chatcmpl-theirs"
    (call,) = mocked.requests["POST", URL(f"{UPSTREAM}/chat/completions")]
    assert json.loads(call.kwargs["data"]) == {**ASKED, "model": "big-7", "stream": False}
