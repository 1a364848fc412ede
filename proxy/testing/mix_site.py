"""A private session chat site for tests: it keeps sessions as trees of exchanges, and misbehaves as it is told to.

    async with MixSite() as site:
        ...                          # an upstream of kind `mix` at site.base_url
        site.turns                   # what it was told
        site.sessions["sess-1"]      # the exchanges of a session, each with the one that it hangs on

Each turn plays a script of steps, in turn, the last one repeating; without any it answers well.
"""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import web
from multidict import CIMultiDict

from proxy.testing.http_double import HttpDouble

Json = dict[str, Any]
Form = Literal["as asked", "sse", "json"]


@dataclass(frozen=True, slots=True)
class Event:
    """One event of the stream, as a JSON object; texts in it may hold `{session}` and `{exchange}`."""

    told: Json
    name: str = ""


@dataclass(frozen=True, slots=True)
class Raw:
    """Bytes of the body as they are."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Stall:
    """Silence without end."""


@dataclass(frozen=True, slots=True)
class Cut:
    """The connection breaks off."""


Step = Event | Raw | Stall | Cut

START = Event({"type": "start", "messageId": "{exchange}", "messageMetadata": {"sessionId": "{session}"}})
DONE = Raw(b"data: [DONE]\n\n")
FINISH = Event({"type": "finish"})


def delta(text: str) -> Event:
    """A piece of text."""
    return Event({"type": "text-delta", "id": "t0", "delta": text})


@dataclass(frozen=True, slots=True)
class Script:
    """How a turn is answered: an HTTP *status* and *headers*, then the *steps* of a stream, or a *body* as it is.

    *form*: as the caller asked for, or one of the two whatever it asked for.  *byte_by_byte* sends the stream in
    pieces of one byte.  *stalls_before* headers.  *holds_open* the connection after the last step.
    """

    steps: tuple[Step, ...] = (START, delta("Hel"), delta("lo."), FINISH, DONE)
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Json | bytes | None = None
    form: Form = "as asked"
    byte_by_byte: bool = False
    stalls_before: bool = False
    holds_open: bool = False


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn as it was told: *parent* is the exchange that it hangs on."""

    headers: CIMultiDict[str]
    body: Json
    session: str
    exchange: str
    parent: str | None

    @property
    def query(self) -> str:
        """The turn as one text."""
        return str(self.body["request"]["query"])


class MixSite(HttpDouble):
    """The site.  *chain*: whether only the head of a session can be continued, or any exchange of it.

    *accepts* says whether a token is good; None = all are.  *reply* makes the answer to a turn, from it and from what
    was answered before it, the latest last.
    """

    def __init__(
        self,
        *scripts: Script,
        chain: Literal["session", "exchange"] = "exchange",
        accepts: Callable[[str], bool] | None = None,
        reply: Callable[[Turn, list[str]], str] | None = None,
    ) -> None:
        super().__init__()
        self.turns: list[Turn] = []
        self.sessions: dict[str, dict[str, str | None]] = {}
        self.refused = 0
        self.chain = chain
        self._scripts: Sequence[Script] = scripts or (Script(),)
        self._accepts = accepts
        self._reply = reply
        self._said: dict[str, str] = {}

    def forget(self) -> None:
        """Lose every session."""
        self.sessions.clear()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """One turn."""
        body = json.loads(await request.read())
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if self._accepts is not None and not self._accepts(token):
            self.refused += 1
            return web.json_response({"error": "token expired"}, status=401)
        asked = body.get("session_id")
        if asked is not None and asked not in self.sessions:
            return web.json_response({"error": {"message": "session not found"}}, status=404)
        turn = self._keep(request, body, asked)
        if self._reply is not None:
            text = self._said[turn.exchange] = self._reply(turn, self._before(turn))
            return await self._play(request, Script((START, delta(text), FINISH, DONE)), turn)
        script = self._scripts[min(len(self.turns), len(self._scripts)) - 1]
        return await self._play(request, script, turn)

    def _keep(self, request: web.Request, body: Json, asked: str | None) -> Turn:
        session = asked or f"sess-{len(self.sessions) + 1}"
        kept = self.sessions.setdefault(session, {})
        head = next(reversed(kept), None)
        parent = body.get("exchange_id") if self.chain == "exchange" else head
        turn = Turn(request.headers.copy(), body, session, f"exch-{len(self.turns) + 1}", parent)
        kept[turn.exchange] = parent if parent in kept else head
        self.turns.append(turn)
        return turn

    def _before(self, turn: Turn) -> list[str]:
        """What was answered on the way to a turn."""
        said: list[str] = []
        at = self.sessions[turn.session][turn.exchange]
        while at is not None:
            said.insert(0, self._said.get(at, ""))
            at = self.sessions[turn.session][at]
        return said

    async def _play(self, request: web.Request, script: Script, turn: Turn) -> web.StreamResponse:
        if script.stalls_before:
            await asyncio.Event().wait()
        streams = script.form == "sse" or (script.form == "as asked" and bool(turn.body["stream"]))
        if script.status != 200 or script.body is not None or not streams:
            return await self._whole(request, script, turn)
        kind = {"Content-Type": "text/event-stream", **script.headers}
        response = web.StreamResponse(headers=kind)
        await response.prepare(request)
        for step in script.steps:
            match step:
                case Stall():
                    await asyncio.Event().wait()
                case Cut():
                    if request.transport is not None:
                        request.transport.abort()
                    return response
                case Raw(data):
                    await self._send(response, data, script)
                case Event(told, name):
                    line = b"data: " + filled(told, turn) + b"\n\n"
                    await self._send(response, (f"event: {name}\n".encode() if name else b"") + line, script)
        if script.holds_open:
            await asyncio.Event().wait()
        return response

    async def _send(self, response: web.StreamResponse, data: bytes, script: Script) -> None:
        pieces = [data[at : at + 1] for at in range(len(data))] if script.byte_by_byte else [data]
        for piece in pieces:
            await response.write(piece)

    async def _whole(self, request: web.Request, script: Script, turn: Turn) -> web.StreamResponse:
        told = script.body
        if told is None:
            told = json_of(script.steps)
        data = told if isinstance(told, bytes) else filled(told, turn)
        headers = {"Content-Type": "application/json", **script.headers}
        if any(isinstance(step, Stall) for step in script.steps) and script.body is not None:
            response = web.StreamResponse(status=script.status, headers=headers)
            await response.prepare(request)
            await response.write(data[: len(data) // 2])
            await asyncio.Event().wait()
        return web.Response(status=script.status, headers=headers, body=data)


def json_of(steps: Sequence[Step]) -> Json:
    """The same answer as one object."""
    text = "".join(step.told.get("delta", "") for step in steps if isinstance(step, Event))
    return {
        "id": "r1",
        "parts": [{"type": "text", "text": text}],
        "metadata": {"session_id": "{session}", "exchange_id": "{exchange}"},
    }


def filled(told: Json, turn: Turn) -> bytes:
    """An object with the ids of its turn in it."""
    text = json.dumps(told, ensure_ascii=False)
    return text.replace("{session}", turn.session).replace("{exchange}", turn.exchange).encode()
