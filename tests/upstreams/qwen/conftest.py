"""What these tests share: an adapter in front of the fake site, and turns to give it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

import pytest

from proxy.config import QwenUpstream as Configured
from proxy.config import Settings, load
from proxy.ports import Node, Plan, Turn, UpstreamCall
from proxy.testing.clock import ManualClock
from proxy.testing.qwen import QwenSite
from proxy.upstreams import build_upstreams
from proxy.upstreams.qwen import QwenUpstream
from proxy.wire.events import ReasoningDelta, StreamEvent, TextDelta
from proxy.wire.request import check_chat

CREDENTIAL = {"mode": "static", "token": "umid-token-1", "cookies": "cna=abcdef12; lang=en"}

Said = tuple[str, str]
Connect = Callable[..., Awaitable["Line"]]


def settings_of(site: QwenSite, **entry: Any) -> Settings:
    asked = {"name": "site", "kind": "qwen", "base_url": site.url, "credential": CREDENTIAL, **entry}
    tables = {
        "auth": {"mode": "none"},
        "upstreams": [{name: value for name, value in asked.items() if value is not None}],
        "models": [{"id": "qwen3-max", "upstream": "site"}],
    }
    return load(None, {}, tables)


class Line:
    """An adapter, the site that it talks to, and a conversation held with it."""

    def __init__(self, adapter: QwenUpstream, site: QwenSite, entry: Configured) -> None:
        self.adapter = adapter
        self.site = site
        self.entry = entry
        self.connected = 0

    def turn(
        self,
        *messages: Said | dict[str, Any],
        ids: Node | None = None,
        stream: bool = True,
        notes: dict[str, str] | None = None,
        tool_block: str = "",
        prefill: str | None = None,
        model: str = "qwen3-max",
        **fields: Any,
    ) -> Turn:
        told = [{"role": m[0], "content": m[1]} if isinstance(m, tuple) else m for m in messages or (("user", "Hi."),)]
        request = check_chat({"model": "qwen3-max", "messages": told, **fields}, self.entry.rules)
        answered = [index for index, each in enumerate(told) if each["role"] == "assistant"]
        return Turn(
            request=request,
            upstream_model=model,
            request_id="req_1",
            stream=stream,
            on_connected=self.on_connected,
            prefill=prefill,
            plan=Plan(ids, answered[-1] + 1 if answered else 0),
            tool_block=tool_block,
            **({} if notes is None else {"notes": notes}),
        )

    def on_connected(self) -> None:
        self.connected += 1

    async def open(self, *messages: Any, **options: Any) -> UpstreamCall:
        return await self.adapter.open(self.turn(*messages, **options))

    async def ask(self, *messages: Any, **options: Any) -> "Answered":
        """One whole answer."""
        call = await self.open(*messages, **options)
        return await taken(call)


class Answered:
    """An answer that was taken to its end."""

    def __init__(self, events: Sequence[StreamEvent], node: Node | None, request_id: str | None) -> None:
        self.events = list(events)
        self.node = node
        self.request_id = request_id
        self.text = "".join(event.text for event in events if isinstance(event, TextDelta))
        self.reasoning = "".join(event.text for event in events if isinstance(event, ReasoningDelta))


async def taken(call: UpstreamCall) -> Answered:
    """The first events pulled, as long as no text comes, and all others pushed, as the states do it."""
    events: list[StreamEvent] = []

    def sink(more: Sequence[StreamEvent]) -> bool:
        events.extend(more)
        return True

    try:
        while not (call.complete or call.finishing or any(isinstance(each, TextDelta) for each in events)):
            events += await call.receive()
        while not (call.complete or call.finishing):
            await call.flow(sink)
        while not call.complete:
            events += await call.receive()
        return Answered(events, call.node, call.request_id)
    finally:
        call.close()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def connect(clock: ManualClock) -> AsyncIterator[Connect]:
    """An adapter in front of a site: `connect` takes fields of the entry, and options of the site."""
    async with AsyncExitStack() as stack:

        async def made(*, site: dict[str, Any] | None = None, **entry: Any) -> Line:
            listening = await stack.enter_async_context(QwenSite(**(site or {})))
            settings = settings_of(listening, **entry)
            adapter = build_upstreams(settings, clock, {})["site"]
            assert isinstance(adapter, QwenUpstream)
            stack.push_async_callback(adapter.close)
            configured = settings.upstreams[0]
            assert isinstance(configured, Configured)
            return Line(adapter, listening, configured)

        yield made
