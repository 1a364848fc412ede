"""What passes through to the upstream, what passes back, and what stays on its own side."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from proxy.testing.process import Daemon
from tests.e2e.upstream import Call, HandUpstream, by_hand
from tests.e2e.wire import Answer, chat, connected, request

pytestmark = pytest.mark.asyncio(loop_scope="module")

SENT = {
    "Authorization": "Bearer sk-caller",
    "Cookie": "session=1",
    "x-api-key": "sk-caller",
    "x-tenant": "blue",
    "x-other": "red",
    "Connection": "keep-alive, x-hop",
    "x-hop": "1",
    "TE": "trailers",
    "Accept-Encoding": "gzip",
    "User-Agent": "a-caller/1.0",
}
MESSAGE = {"role": "assistant", "content": "Hi"}
WHOLE = {
    "id": "chatcmpl-theirs",
    "object": "chat.completion",
    "created": 1,
    "model": "theirs",
    "choices": [{"index": 0, "message": MESSAGE, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def upstream() -> AsyncIterator[HandUpstream]:
    async with by_hand() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def config(upstream: HandUpstream) -> dict[str, Any]:
    credentials: dict[str, dict[str, Any]] = {
        "none": {"mode": "none"},
        "static": {"mode": "static", "token": "sk-ours", "headers": {"x-org": "acme"}},
        "pass_through": {"mode": "pass_through"},
    }
    return {
        "auth": {"mode": "none"},
        "upstreams": [
            {
                "name": mode,
                "kind": "openai",
                "base_url": f"{upstream.base_url}/",
                "credential": credential,
                "forward_headers": ["X-Tenant"],
            }
            for mode, credential in credentials.items()
        ],
        "models": [{"id": mode, "upstream": mode, "upstream_model": "theirs"} for mode in credentials],
    }


async def exchange(gateway: Daemon, upstream: HandUpstream, model: str) -> tuple[Call, Answer]:
    """One request and its answer, to which the upstream adds header fields of its own."""
    asked = chat(model=model, unknown={"a": [1]}, seed=7)
    async with connected(gateway.url) as connection:
        await connection.send(request("POST", "/", asked, SENT | {"x-request-id": "req-1"}))
        call = await upstream.call()
        await call.answer(
            "200 OK",
            WHOLE,
            Set_Cookie="a=b",
            x_ratelimit_remaining_requests="5",
            Server="theirs",
            x_request_id="theirs",
        )
        return call, await connection.answer()


@pytest.mark.parametrize(
    ("model", "authorization"), [("none", None), ("static", "bearer sk-ours"), ("pass_through", "bearer sk-caller")]
)
async def test_header_fields_stay_on_their_own_side(
    gateway: Daemon, upstream: HandUpstream, model: str, authorization: str | None
) -> None:
    """A key of the caller is the daemon's business, unless it is told otherwise."""
    call, answer = await exchange(gateway, upstream, model)
    request_line, *lines = call.head.strip().split("\r\n")
    fields = dict(line.split(": ", 1) for line in lines)
    assert request_line == "post /v1/chat/completions http/1.1"
    assert fields.get("authorization") == authorization
    assert fields["x-tenant"] == "blue"
    assert fields.get("x-org") == ("acme" if model == "static" else None)
    assert not {"cookie", "x-api-key", "x-other", "x-hop", "te"} & fields.keys()
    assert fields["accept-encoding"] == "identity"
    assert fields["host"] in upstream.base_url

    assert answer.status == 200
    assert answer.headers.getall("x-request-id") == ["req-1"]
    assert answer.headers["x-upstream-request-id"] == "chatcmpl-theirs"
    assert answer.headers["server"] == "turnstile"
    assert not {"set-cookie", "x-ratelimit-remaining-requests"} & {name.lower() for name in answer.headers}


async def test_a_body_goes_as_it_came_but_for_what_is_mapped(gateway: Daemon, upstream: HandUpstream) -> None:
    call, answer = await exchange(gateway, upstream, "none")
    assert call.asked == chat(model="theirs", unknown={"a": [1]}, seed=7, stream=False)
    assert answer.json["model"] == "none"
    assert answer.json["id"] != "chatcmpl-theirs"
    assert answer.json["choices"][0]["message"]["content"] == "Hi"
