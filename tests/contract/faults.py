"""What an upstream does, row by row: the faults as they are injected."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from proxy.testing.raw import (
    DONE,
    IDS,
    PING,
    ROLE,
    Repeat,
    Reset,
    Script,
    Send,
    Sleep,
    Stall,
    begins_call,
    error,
    event,
    finishes,
    head,
    response,
    says,
    sse,
)
from proxy.testing.raw_server import RawServer, closed_port, full_port
from tests.contract.gateway import MAIN, SPARE, Running, body, serving
from tests.contract.table import ROWS
from tests.e2e.wire import Connection, connected, request

SHORT_S = 0.1  # of a clock that is to run out
MAX_EVENT_BYTES = 2048
SPARE_SAYS = "From the spare."
BUSY_IN_BAND = {"error": {"message": "made up", "code": "429"}}
OVERSIZE = Send(b"data: " + b"x" * (2 * MAX_EVENT_BYTES) + b"\n\n")


@dataclass(frozen=True, slots=True)
class Fault:
    """One way in which a row's fault shows: a *script* of the upstream, or a place *where* there is none.

    *tables* are settings that it needs; *told*: the status and code where they differ from the row's.
    """

    name: str
    script: Script = ()
    where: str = ""
    greeting: bytes = b""
    tables: Mapping[str, Any] = field(default_factory=dict)
    told: str = ""

    def after(self, seconds: float) -> "Fault":
        """The same after some silence, in which headers leave."""
        return replace(self, script=(Sleep(seconds), *self.script))


def clock(**seconds: float) -> dict[str, Any]:
    """Settings of clocks."""
    return {"clocks": seconds}


def statuses(*codes: int, **headers: str) -> tuple[Fault, ...]:
    """A fault for each HTTP status."""
    return tuple(Fault(str(code), (error(code, **headers),)) for code in codes)


SMALL = {"server": {"max_event_bytes": MAX_EVENT_BYTES, "max_answer_bytes": MAX_EVENT_BYTES}}
PASS_THROUGH = {"upstream": {"credential": {"mode": "pass_through"}}}
STATIC = {"upstream": {"credential": {"mode": "static", "token": "made-up"}}}
PAGE = response(200, b"<!DOCTYPE html><html><title>Just a moment...</title></html>", "text/html")

BEFORE_A_DELTA: dict[str, tuple[Fault, ...]] = {
    "K3b": tuple(Fault(str(code), (error(code),), tables=STATIC) for code in (401, 403)),
    "K4a": (Fault("401", (error(401),), tables=PASS_THROUGH),),
    "K4b": (Fault("403", (error(403),), tables=PASS_THROUGH),),
    "U1a": (
        Fault("refused", where="closed"),
        Fault("no such name", where="http://no-such-name.invalid:80/v1"),
        Fault("no TLS", where="no TLS", greeting=b"no TLS\r\n"),
    ),
    "U2": (Fault("never accepted", where="full", tables=clock(connect=SHORT_S)),),
    "U3": (
        Fault("reset", (Reset(),)),
        Fault("EOF", ()),
        Fault("EOF in the head", (Send(b"HTTP/1.1 200 OK\r\nContent-"),)),
    ),
    "U4": (
        Fault("EOF after ids", (sse(), ROLE)),
        Fault("EOF after a comment", (sse(), PING)),
        Fault("reset after ids", (sse(), ROLE, Sleep(0.02), Reset())),
        Fault("cut JSON body", (response(200, b'{"choices":[{"mess'),)),
    ),
    "U5": (
        Fault("silence", (Stall(),), tables=clock(first_event=SHORT_S)),
        Fault("a head only", (sse(), Stall()), tables=clock(first_event=SHORT_S)),
        Fault("pings", (sse(), Repeat(PING, 0.01)), tables=clock(first_event=SHORT_S)),
        Fault("roles", (sse(), Repeat(ROLE, 0.01)), tables=clock(first_event=SHORT_S)),
    ),
    "U7": (Fault("301", (head(301, {"Location": "http://127.0.0.1:9/", "Content-Length": "0"}),)),),
    "U8": (
        Fault("400", (error(400, "made_up"),)),
        Fault("413", (error(413, "made_up"),), told="413 made_up"),
        Fault("422", (error(422, "made_up"),), told="422 made_up"),
    ),
    "U9": (Fault("400", (error(400, "context_length_exceeded"),)),),
    "U10": (Fault("400", (error(400, "content_filter"),)),),
    "U11": (Fault("404", (error(404, message="The model `x` does not exist."),)),),
    "U12": statuses(408, 409, 425),
    "U13": statuses(429, retry_after_ms="50"),
    "U14": statuses(429, retry_after="60"),
    "U15": statuses(429),
    "U16": (*statuses(402), Fault("429", (error(429, "insufficient_quota"),))),
    "U17": statuses(500, 502, 503, 504, 520, 529),
    "U18": statuses(418, 451, 501, 505),
    "U19": (Fault("a page", (PAGE,)),),
    "U20a": (
        Fault("JSON", (response(200, {"error": {"message": "made up"}}),)),
        Fault("first event", (sse(), event('{"error":{"message":"made up"}}'))),
    ),
    "U20b": (
        Fault("JSON", (response(200, BUSY_IN_BAND),)),
        Fault("first event", (sse(), event(json.dumps(BUSY_IN_BAND)))),
    ),
    "U21": (
        Fault("[DONE]", (sse(), event(json.dumps({**IDS, "choices": []})), DONE)),
        Fault("JSON", (response(200, {**IDS, "object": "chat.completion", "choices": []}),)),
    ),
    "U23a": (
        Fault("no HTTP", (Send(b"SSH-2.0-made-up\r\n\r\n"),)),
        Fault("cut JSON", (sse(), event('{"choices":[{"delta":{"content":"Hel'))),
        Fault(
            "broken framing",
            (head(200, {"Content-Type": "text/event-stream", "Transfer-Encoding": "chunked"}), Send(b"zz\r\n")),
        ),
        Fault("no completion", (response(200, {"made": "up"}),)),
    ),
    "U23b": (Fault("a line", (sse(), OVERSIZE, Stall()), tables=SMALL),),
}

BEGUN = (sse(), ROLE, says("Hel"))
CUT_CALL = (*BEGUN, begins_call("now", '{"zone":"U'))

AFTER_A_DELTA: dict[str, tuple[Fault, ...]] = {
    "M1": (
        Fault("EOF", BEGUN),
        Fault("reset", (*BEGUN, Sleep(0.02), Reset())),
        Fault("cut in an event", (*BEGUN, Send(b'data: {"choi'))),
    ),
    "M2": (Fault("silence", (*BEGUN, Stall()), tables=clock(idle=SHORT_S)),),
    "M3": (
        Fault("pings", (*BEGUN, Repeat(PING, 0.01)), tables=clock(progress=SHORT_S)),
        Fault("roles", (*BEGUN, Repeat(ROLE, 0.01)), tables=clock(progress=SHORT_S)),
    ),
    "M4": (Fault("cut JSON", (*BEGUN, event('{"choices":[{"delta":'), says("lo"), finishes(), DONE)),),
    "M5a": (Fault("no status", (*BEGUN, event('{"error":{"message":"made up"}}'))),),
    "M5b": (Fault("429", (*BEGUN, event(json.dumps(BUSY_IN_BAND)))),),
    "M6": (Fault("a line", (*BEGUN, OVERSIZE, Stall()), tables=SMALL),),
    "M11": (
        Fault("EOF", CUT_CALL),
        Fault("[DONE]", (*CUT_CALL, DONE)),
    ),
    "M13": (Fault("error", (*BEGUN, finishes("error"), DONE)),),
}

WHOLE: dict[str, Script] = {
    "M7": (*BEGUN, Send(says("lo.").data, cuts=(3, 40)), finishes()),
    "M8": (*BEGUN, says("lo."), finishes(), Stall()),
    "M9": (*BEGUN, says("lo."), DONE),
    "M10": (*BEGUN, says("lo."), finishes(), says(""), finishes(), DONE),
    "U22": (sse(), ROLE, finishes(), DONE),
}
"""Irregular answers that are whole all the same."""


def cases(faults: Mapping[str, tuple[Fault, ...]], *, first: bool = False) -> pytest.MarkDecorator:
    """A test for every fault of every row, or for the *first* of each: as `row` and `fault`."""
    told = [
        pytest.param(ROWS[row_id], fault, id=f"{row_id}-{fault.name}")
        for row_id, each in faults.items()
        for fault in (each[:1] if first else each)
    ]
    return pytest.mark.parametrize(("row", "fault"), told)


HOLDS: dict[str, tuple[Script, dict[str, Any], bool]] = {
    "validate": ((), {}, True),
    "session": ((), {"take_s": 10.0}, True),
    "upstream": ((Stall(),), {}, True),
    "backoff": ((error(429, retry_after="10"),), {}, True),
    "stream": ((*BEGUN, Stall()), {}, True),
    "read": ((*BEGUN, Stall()), {}, False),
}
"""What makes a request rest in a state: a script, settings, and whether it is streamed."""


@asynccontextmanager
async def holding(state: str, **tables: Any) -> AsyncIterator[tuple[Running, RawServer, Connection]]:
    """A gateway in which one request rests in *state*; its connection is the third."""
    script, needed, stream = HOLDS[state]
    whole = request("POST", "/v1/chat/completions", body(stream=stream))
    async with (
        failing(Fault(state, script), **needed, **tables) as (gateway, upstream, _),
        connected(gateway.url) as connection,
    ):
        await connection.send(whole[:-10] if state == "validate" else whole)
        await gateway.until(state)
        yield gateway, upstream, connection


@asynccontextmanager
async def failing(
    fault: Fault, *, spare: bool = False, **tables: Any
) -> AsyncIterator[tuple[Running, RawServer, RawServer]]:
    """A gateway before an upstream with *fault*, and with *spare* before another one that answers."""
    async with AsyncExitStack() as stack:
        main = await stack.enter_async_context(RawServer(fault.script, greeting=fault.greeting))
        other = await stack.enter_async_context(RawServer((sse(), says(SPARE_SAYS), finishes(), DONE)))
        where = fault.where or main.base_url
        if fault.where == "closed":
            where = stack.enter_context(closed_port())
        elif fault.where == "full":
            where = stack.enter_context(full_port())
        elif fault.where == "no TLS":
            where = main.base_url.replace("http:", "https:")
        upstreams = {MAIN: where, SPARE: other.base_url} if spare else {MAIN: where}
        merged = dict(fault.tables)
        for name, table in tables.items():
            merged[name] = {**merged.get(name, {}), **table} if isinstance(table, dict) else table
        yield await stack.enter_async_context(serving(upstreams, **merged)), main, other
