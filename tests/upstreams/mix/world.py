"""A gateway in front of a fake site, and callers that talk to it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from proxy.testing.frames import read_stream
from proxy.testing.gateway import GatewayServer
from proxy.testing.mix_site import MixSite
from tests.e2e.wire import Answer, Json, ask

MODEL = "mix/demo-large"
CLOCKS = {"commit_headers_after": 0, "heartbeat": 0, "tail": 0.1, "failover": 0}


def settings(site: MixSite, **more: Any) -> Json:
    """One upstream `mix-main`, one model; *upstream*, *model* and *clocks* are merged into their tables."""
    own = dict(more)
    entry = {"name": "mix-main", "kind": "mix", "base_url": site.base_url, **own.pop("upstream", {})}
    model = {"id": "mix/*", "upstream": "mix-main", "upstream_model": "demo-large", **own.pop("model", {})}
    return {
        "auth": {"mode": "none"},
        "clocks": CLOCKS | own.pop("clocks", {}),
        "retry": {"attempts": 1, **own.pop("retry", {})},
        "upstreams": [entry],
        "models": [model],
        **own,
    }


class Caller:
    """Someone who keeps a history, as clients do."""

    def __init__(self, gateway: GatewayServer, **fields: Any) -> None:
        self.gateway = gateway
        self.fields = fields
        self.messages: list[Json] = []
        self.answer: Answer | None = None

    async def says(self, text: str, *, headers: dict[str, str] | None = None, **fields: Any) -> str:
        """One turn; gives the answer's text, or raises AssertionError."""
        self.messages.append({"role": "user", "content": text})
        answer = await self.sends(headers=headers, **fields)
        assert answer.status == 200, answer.body
        told = text_of(answer)
        self.messages.append({"role": "assistant", "content": told})
        return told

    async def sends(self, *, headers: dict[str, str] | None = None, **fields: Any) -> Answer:
        """The history as it is."""
        body = {"model": MODEL, "messages": self.messages, **self.fields, **fields}
        self.answer = await ask(self.gateway.url, "POST", "/v1/chat/completions", body, headers or {})
        return self.answer


def text_of(answer: Answer) -> str:
    """The text of a whole answer."""
    if answer.headers["content-type"] == "application/json":
        return str(answer.json["choices"][0]["message"]["content"] or "")
    told = read_stream(answer.body)
    assert told.error is None, told.error
    assert told.done
    return "".join(each["delta"].get("content") or "" for chunk in told.chunks for each in chunk["choices"])


@asynccontextmanager
async def world(*scripts: Any, chain: str = "exchange", **more: Any) -> AsyncIterator[tuple[Caller, MixSite]]:
    """A caller, and the site behind the gateway, both of which know sessions in the way of *chain*."""
    upstream = {"chain": chain, **more.pop("upstream", {})}
    async with AsyncExitStack() as stack:
        site = await stack.enter_async_context(MixSite(*scripts, chain=chain))
        gateway = await stack.enter_async_context(GatewayServer(settings(site, upstream=upstream, **more)))
        yield Caller(gateway), site
