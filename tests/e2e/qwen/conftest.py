"""What these tests share: the whole daemon before the fake site, and its callers."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from proxy.testing.clock import ManualClock
from proxy.testing.frames import text_of_stream
from proxy.testing.gateway import GatewayServer
from proxy.testing.qwen import QwenSite
from tests.e2e.wire import Answer, ask

Json = dict[str, Any]
Start = Callable[..., Awaitable["Daemon"]]

CREDENTIAL = {"mode": "static", "token": "umid-token-1", "cookies": "cna=abcdef12"}


class Daemon:
    """A gateway, the site behind it, and a caller of it."""

    def __init__(self, gateway: GatewayServer, site: QwenSite, clock: ManualClock | None) -> None:
        self.gateway = gateway
        self.site = site
        self.clock = clock

    async def ask(self, *messages: Any, key: str = "key-a", **fields: Any) -> Answer:
        """One request; a message is its content, of user and assistant by turns, or whole."""
        roles = ("user", "assistant")
        told = [m if isinstance(m, dict) else {"role": roles[i % 2], "content": m} for i, m in enumerate(messages)]
        body = {"model": "qwen3-max", "messages": told, **fields}
        return await ask(self.gateway.url, "POST", "/", body, {"Authorization": f"Bearer {key}"})

    async def says(self, *messages: Any, **fields: Any) -> str:
        """The text of an answer that is well."""
        answer = await self.ask(*messages, **fields)
        assert answer.status == 200, answer.body
        if fields.get("stream"):
            return text_of_stream(answer.body)
        text: str = answer.json["choices"][0]["message"]["content"]
        return text

    @property
    def path(self) -> str:
        """The states that the last request walked through."""
        return self.gateway.ended[-1].path

    @property
    def session(self) -> str:
        """What the last request was to its conversation."""
        return self.gateway.ended[-1].conversation.status


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    async with AsyncExitStack() as stack:

        async def started(
            *, site: Json | None = None, clock: ManualClock | None = None, model: Json | None = None, **entry: Any
        ) -> Daemon:
            tables = entry.pop("tables", {})
            listening = await stack.enter_async_context(QwenSite(**(site or {})))
            upstream = {
                "name": "site",
                "kind": "qwen",
                "base_url": listening.url,
                "credential": CREDENTIAL,
                **entry,
            }
            config = {
                "auth": {"keys": [{"name": name, "key": f"key-{name}"} for name in ("a", "b")]},
                "upstreams": [{name: value for name, value in upstream.items() if value is not None}],
                "models": [{"id": "qwen3-max", "upstream": "site", **(model or {})}],
                "retry": {"base_s": 0},
                **tables,
            }
            options = {} if clock is None else {"clock": clock}
            gateway = await stack.enter_async_context(GatewayServer(config, **options))
            return Daemon(gateway, listening, clock)

        yield started
