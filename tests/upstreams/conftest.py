"""What the tests of upstreams share: an adapter in front of a scripted server, and turns to give it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from multidict import CIMultiDict

from proxy.config import load
from proxy.ports import Turn, UpstreamCall
from proxy.testing.clock import ManualClock
from proxy.testing.script import Upstream
from proxy.testing.server import ScriptedServer
from proxy.upstreams import build_upstreams
from proxy.upstreams.openai import OpenAIUpstream
from proxy.wire.events import StreamEvent
from proxy.wire.request import ModelRules, check_chat

Connect = Callable[..., Awaitable["Line"]]


class Line:
    """An adapter, and the server that it talks to."""

    def __init__(self, adapter: OpenAIUpstream, server: ScriptedServer) -> None:
        self.adapter = adapter
        self.server = server
        self.connected = 0

    def turn(
        self, *, stream: bool = True, headers: dict[str, str] | None = None, prefill: str | None = None, **body: Any
    ) -> Turn:
        asked = {"model": "demo", "messages": [{"role": "user", "content": "Hi."}], **body}
        return Turn(
            request=check_chat(asked, ModelRules(openai=True, require_user=False)),
            upstream_model="big-7",
            request_id="req_1",
            stream=stream,
            on_connected=self.on_connected,
            prefill=prefill,
            caller_headers=CIMultiDict(headers or {}),
        )

    def on_connected(self) -> None:
        self.connected += 1

    async def open(self, **turn: Any) -> UpstreamCall:
        return await self.adapter.open(self.turn(**turn))

    async def ask(self, **turn: Any) -> list[StreamEvent]:
        """All events of one answer, pulled."""
        call = await self.open(**turn)
        try:
            events: list[StreamEvent] = []
            while not call.complete:
                events += await call.receive()
        finally:
            call.close()
        return events

    async def flow(self, **turn: Any) -> list[StreamEvent]:
        """All events of one answer, pushed."""
        call = await self.open(**turn)
        events: list[StreamEvent] = []

        def sink(more: Any) -> bool:
            events.extend(more)
            return True

        try:
            while not (call.complete or call.finishing):
                await call.flow(sink)
            while not call.complete:
                events += await call.receive()
        finally:
            call.close()
        return events


@pytest.fixture(params=["pooled", "aiohttp"])
def http_client(request: pytest.FixtureRequest) -> str:
    """Every promise holds for both clients."""
    return str(request.param)


@pytest.fixture
async def connect(http_client: str) -> AsyncIterator[Connect]:
    """An adapter in front of a server that plays scripts: `connect` takes them, and fields of the entry."""
    async with AsyncExitStack() as stack:

        async def made(*scripts: Upstream, server: dict[str, int] | None = None, **entry: Any) -> Line:
            listening = await stack.enter_async_context(ScriptedServer(*scripts))
            asked = {
                "name": "up",
                "kind": "openai",
                "base_url": listening.base_url,
                "http_client": http_client,
                **entry,
            }
            settings = load(
                None,
                {},
                {
                    "server": server or {},
                    "auth": {"mode": "none"},
                    "upstreams": [asked],
                    "models": [{"id": "demo", "upstream": "up"}],
                },
            )
            adapter = build_upstreams(settings, ManualClock(), {})["up"]
            assert isinstance(adapter, OpenAIUpstream)
            stack.push_async_callback(adapter.close)
            return Line(adapter, listening)

        yield made
