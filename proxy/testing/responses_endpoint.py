"""A loopback model provider that speaks the Responses API, as agent processes ask for it.

    async with ResponsesEndpoint(Reply.says("Hel", "lo"), Reply.fails(500)) as model:
        ...                                        # point an agent process at model.base_url
        assert model.received[0].texts == ["hi"]

Each reply stands for one request, and the last one repeats; a function of the body may choose instead.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Self, TypeAlias

from aiohttp import web

WAIT_LIMIT_S = 10.0  # nothing that a test waits for takes so long
USAGE = {
    "input_tokens": 11,
    "input_tokens_details": {"cached_tokens": 3},
    "output_tokens": 7,
    "output_tokens_details": {"reasoning_tokens": 2},
    "total_tokens": 18,
}


@dataclass(frozen=True, slots=True)
class Text:
    """One message, in these pieces, *every_s* seconds apart."""

    pieces: tuple[str, ...]
    every_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Thought:
    """A summary of reasoning."""

    text: str


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a tool; *arguments* is the text that the model wrote."""

    name: str
    arguments: str = "{}"
    call_id: str = ""


@dataclass(frozen=True, slots=True)
class Pause:
    """Silence."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Stall:
    """Silence without end."""


@dataclass(frozen=True, slots=True)
class Cut:
    """The connection ends."""


@dataclass(frozen=True, slots=True)
class End:
    """How the response ends: `completed`, `failed` or `incomplete`, with what it says of that."""

    kind: str = "completed"
    details: dict[str, Any] = field(default_factory=dict)


Step: TypeAlias = Text | Thought | Call | Pause | Stall | Cut | End


@dataclass(frozen=True, slots=True)
class Reply:
    """What one request is answered; one that says nothing of its end ends well."""

    steps: tuple[Step, ...] = ()
    status: int = 200
    body: bytes = b""

    @classmethod
    def says(cls, *pieces: str, every_s: float = 0.0) -> Self:
        """A text, in these pieces."""
        return cls((Text(pieces, every_s),))

    @classmethod
    def calls(cls, *calls: Call) -> Self:
        """Calls of tools."""
        return cls(calls)

    @classmethod
    def fails(cls, status: int, body: Any = None) -> Self:
        """An HTTP error."""
        told = body if body is not None else {"error": {"message": "made to fail", "type": "server_error"}}
        return cls(status=status, body=json.dumps(told).encode())

    def then(self, *steps: Step) -> "Reply":
        """The same, and more."""
        return Reply((*self.steps, *steps))


@dataclass(slots=True)
class ModelRequest:
    """A request that has come; *closed* is set when its connection has ended before its answer had."""

    body: dict[str, Any]
    headers: dict[str, str]
    seen_s: float
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    closed_s: float | None = None

    @property
    def items(self) -> list[dict[str, Any]]:
        """The history, less what is not of its substance."""
        told = ("type", "role", "content", "call_id", "name", "arguments", "output")
        return [{key: item[key] for key in told if key in item} for item in self.body["input"]]

    @property
    def texts(self) -> list[str]:
        """The texts of users."""
        contents = [item["content"] for item in self.items if item.get("role") == "user"]
        return [part["text"] for content in contents for part in content if part["type"] == "input_text"]

    def outputs(self) -> dict[str, list[Any]]:
        """What the tools have said, by call."""
        found: dict[str, list[Any]] = {}
        for item in self.items:
            if item["type"] == "function_call_output":
                found.setdefault(item["call_id"], []).append(item["output"])
        return found

    async def left(self) -> float:
        """When the caller closed the connection (loop time); waits for it.  Raises TimeoutError."""
        async with asyncio.timeout(WAIT_LIMIT_S):
            await self.closed.wait()
        assert self.closed_s is not None  # noqa: S101 - set together with the event
        return self.closed_s


Choose: TypeAlias = Callable[[dict[str, Any]], Reply]


class ResponsesEndpoint:
    """The provider, as an async context manager; *received* are the requests so far, *strays* those of other paths."""

    def __init__(self, *replies: Reply, choose: Choose | None = None) -> None:
        self.received: list[ModelRequest] = []
        self.strays: list[str] = []
        self.base_url = ""
        self._replies = replies or (Reply.says("Hello", " from", " the", " model."),)
        self._choose = choose
        self._numbers = count(1)
        self._came = asyncio.Event()
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=1 << 30)
        app.router.add_post("/v1/responses", self._answer)
        app.router.add_route("*", "/{path:.*}", self._stray)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.base_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/v1"
        return self

    async def __aexit__(self, *_error: object) -> None:
        assert self._runner is not None  # noqa: S101 - entered before it is left
        await self._runner.cleanup()

    def script(self, *replies: Reply) -> None:
        """From the next request on, answer so."""
        self._replies = (*(Reply() for _ in self.received), *replies)

    async def call(self, number: int = 1) -> ModelRequest:
        """The *number*-th request; waits for it.  Raises TimeoutError."""
        async with asyncio.timeout(WAIT_LIMIT_S):
            while len(self.received) < number:
                self._came.clear()
                await self._came.wait()
        return self.received[number - 1]

    async def _stray(self, request: web.Request) -> web.Response:
        self.strays.append(f"{request.method} {request.path}")
        return web.Response(status=404)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        asked = ModelRequest(body, dict(request.headers), asyncio.get_running_loop().time())
        self.received.append(asked)
        self._came.set()
        number = next(self._numbers)
        reply = self._choose(body) if self._choose else self._replies[min(len(self.received), len(self._replies)) - 1]
        if reply.status != 200:
            return web.Response(status=reply.status, body=reply.body, content_type="application/json")
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        try:
            await response.prepare(request)
            await play(reply, number, response)
        except (asyncio.CancelledError, ConnectionResetError):
            asked.closed_s = asyncio.get_running_loop().time()
            asked.closed.set()
            raise
        return response


async def play(reply: Reply, number: int, response: web.StreamResponse) -> None:
    """Write the events of a reply."""
    response_id = f"resp_{number}"

    async def send(kind: str, **told: Any) -> None:
        event = {"type": kind, **told}
        await response.write(f"event: {kind}\ndata: {json.dumps(event)}\n\n".encode())

    await send("response.created", response={"id": response_id})
    for index, step in enumerate(reply.steps):
        match step:
            case Pause():
                await asyncio.sleep(step.seconds)
            case Stall():
                await asyncio.Event().wait()
            case Cut():
                transport = response._req.transport if response._req else None  # noqa: SLF001 - aiohttp offers no other way to break off
                if transport is not None:
                    transport.abort()
                return
            case End():
                await send(f"response.{step.kind}", response={"id": response_id, "status": step.kind, **step.details})
                return
            case Text():
                await say(send, f"msg_{number}_{index}", step)
            case Thought():
                await think(send, f"rs_{number}_{index}", step.text)
            case Call():
                call_id = step.call_id or f"call_{number}_{index}"
                item = {"type": "function_call", "id": f"fc_{number}_{index}", "call_id": call_id}
                item |= {"name": step.name, "arguments": step.arguments}
                await send("response.output_item.added", output_index=index, item={**item, "arguments": ""})
                await send("response.output_item.done", output_index=index, item=item)
    await send("response.completed", response={"id": response_id, "usage": USAGE})


async def say(send: Callable[..., Any], item_id: str, step: Text) -> None:
    """One message."""
    item = {"type": "message", "role": "assistant", "id": item_id}
    await send("response.output_item.added", item={**item, "content": []})
    for number, piece in enumerate(step.pieces):
        if number and step.every_s:
            await asyncio.sleep(step.every_s)
        await send("response.output_text.delta", item_id=item_id, delta=piece)
    content = [{"type": "output_text", "text": "".join(step.pieces)}]
    await send("response.output_item.done", item={**item, "content": content})


async def think(send: Callable[..., Any], item_id: str, text: str) -> None:
    """One summary of reasoning."""
    item = {"type": "reasoning", "id": item_id}
    await send("response.output_item.added", item={**item, "summary": []})
    await send("response.reasoning_summary_part.added", item_id=item_id, summary_index=0)
    await send("response.reasoning_summary_text.delta", item_id=item_id, summary_index=0, delta=text)
    await send("response.output_item.done", item={**item, "summary": [{"type": "summary_text", "text": text}]})
