"""openai: what is sent to a server, and what never is."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from proxy.errors import (
    CredentialStale,
    PassThroughDenied,
    PassThroughForbidden,
    TurnstileError,
    UpstreamAuthFailed,
)
from proxy.testing.script import Upstream

Connect = Callable[..., Awaitable[Any]]
HELLO = Upstream.answers("Hel", "lo.").then_reports_usage(3, 4)


async def sent(line: Any, **turn: Any) -> dict[str, Any]:
    await line.ask(**turn)
    body: dict[str, Any] = line.server.requests[-1].json
    return body


async def test_the_request_is_sent_as_it_came_but_for_the_model(connect: Connect) -> None:
    line = await connect(HELLO)
    body = await sent(line, temperature=0.5, store=True, made_up={"x": [1]}, seed=None)

    assert body == {
        "model": "big-7",
        "messages": [{"role": "user", "content": "Hi."}],
        "temperature": 0.5,
        "store": True,
        "made_up": {"x": [1]},
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    assert (line.server.requests[0].method, line.server.requests[0].path) == ("POST", "/v1/chat/completions")


async def test_a_whole_answer_is_asked_for_without_stream_options(connect: Connect) -> None:
    line = await connect(HELLO)
    body = await sent(line, stream=False)

    assert body["stream"] is False
    assert "stream_options" not in body


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
async def test_the_limit_of_tokens_has_the_name_that_the_upstream_knows(connect: Connect, field: str) -> None:
    line = await connect(HELLO, token_field=field)
    body = await sent(line, max_tokens=70)

    assert {name: body[name] for name in body if name.startswith("max_")} == {field: 70}


async def test_developer_messages_go_as_system_messages_where_that_role_is_unknown(connect: Connect) -> None:
    line = await connect(HELLO, developer_role=False)
    body = await sent(line, messages=[{"role": "developer", "content": "Be kind."}, {"role": "user", "content": "Hi."}])

    assert [message["role"] for message in body["messages"]] == ["system", "user"]


async def test_a_beginning_is_sent_as_the_models_own_words(connect: Connect) -> None:
    line = await connect(HELLO)
    body = await sent(line, prefill="Hel")

    assert body["messages"][-1] == {"role": "assistant", "content": "Hel"}


async def test_the_gateways_own_headers(connect: Connect) -> None:
    line = await connect(HELLO, credential={"mode": "static", "token": "sk-up", "headers": {"X-Org": "blue"}})
    await line.ask()
    headers = line.server.requests[0].headers

    assert headers["Authorization"] == "Bearer sk-up"
    assert headers["X-Org"] == "blue"
    assert headers["Content-Type"] == "application/json"
    assert headers["Accept-Encoding"] == "identity"
    assert headers["Host"] == f"127.0.0.1:{line.server.port}"
    assert "User-Agent" not in headers


CALLERS = {
    "Authorization": "Bearer sk-caller",
    "x-api-key": "sk-caller",
    "Cookie": "a=b",
    "Host": "gateway",
    "Connection": "x-hop, keep-alive",
    "x-hop": "1",
    "x-team": "blue",
    "traceparent": "00-1",
}


async def test_nothing_of_the_caller_is_forwarded_unasked(connect: Connect) -> None:
    line = await connect(HELLO)
    await line.ask(headers=CALLERS)
    headers = line.server.requests[0].headers

    assert not headers.keys() & {"Authorization", "x-api-key", "Cookie", "x-hop", "x-team", "traceparent"}
    assert headers["Host"] == f"127.0.0.1:{line.server.port}"


async def test_what_is_configured_is_forwarded(connect: Connect) -> None:
    line = await connect(HELLO, forward_headers=["x-team", "x-hop", "x-missing"])
    await line.ask(headers=CALLERS)
    headers = line.server.requests[0].headers

    assert headers["x-team"] == "blue"
    assert "x-hop" not in headers, "the caller's connection has claimed it"


@pytest.mark.parametrize("sent_as", [{"Authorization": "Bearer sk-caller"}, {"x-api-key": "sk-caller"}])
async def test_a_callers_own_key_is_passed_through_where_that_is_configured(
    connect: Connect, sent_as: dict[str, str]
) -> None:
    line = await connect(HELLO, credential={"mode": "pass_through"})
    await line.ask(headers=sent_as)

    assert line.server.requests[0].headers.getall("Authorization") == ["Bearer sk-caller"]
    assert "x-api-key" not in line.server.requests[0].headers


@pytest.mark.parametrize(("status", "error"), [(401, PassThroughDenied), (403, PassThroughForbidden)])
async def test_and_its_refusal_is_the_callers(connect: Connect, status: int, error: type[TurnstileError]) -> None:
    line = await connect(Upstream.fails(status), credential={"mode": "pass_through"})
    with pytest.raises(error):
        await line.ask(headers={"Authorization": "Bearer sk-caller"})


async def test_a_static_credential_is_never_stale(connect: Connect) -> None:
    """There is nothing to renew it with."""
    line = await connect(Upstream.fails(401), credential={"mode": "static", "token": "sk-up"})
    with pytest.raises(UpstreamAuthFailed) as refused:
        await line.ask()

    assert not isinstance(refused.value, CredentialStale)


async def test_one_callers_key_never_reaches_the_next_call(connect: Connect) -> None:
    line = await connect(HELLO, credential={"mode": "pass_through"})
    await line.ask(headers={"Authorization": "Bearer sk-caller"})
    with pytest.raises(PassThroughDenied):
        await line.ask(headers={})

    assert len(line.server.requests) == 1, "nothing is asked without a key"
