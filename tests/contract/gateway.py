"""A whole gateway on a socket, in this process: every fault of the table is told, counted and given back for real."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from aiohttp import web

from proxy.clock import LoopClock
from proxy.config import load
from proxy.exchange import Exchange
from proxy.ports import Upstream
from proxy.routing.gate import KeyGate
from proxy.routing.slots import BoundedSlots
from proxy.server.app import build_app
from proxy.server.envelopes import Runner
from proxy.server.gateway import Gateway
from proxy.testing.frames import Stream, read_stream
from proxy.testing.sessions import FakeSessionStore
from tests.contract.table import ROWS, Row
from tests.e2e.wire import Answer, Json, ask, chat

CLOCK = re.compile(r"clock `(\w+)`")
SECONDS = re.compile(r"\d seconds")
LIMIT_S = 5.0  # nothing here takes so long; a wait beyond it is a hang
POLL_S = 0.002
ATTEMPTS = 2
MAIN, SPARE = "main", "spare"
IN_FLIGHT = 4
CLOCKS = {"commit_headers_after": 0, "failover": 0, "heartbeat": 0}
RETRY = {"attempts": ATTEMPTS, "base_s": 0.01}
TYPES = {
    **dict.fromkeys((400, 401, 403, 404, 408, 413, 415, 422), "invalid_request_error"),
    409: "conflict_error",
    429: "rate_limit_error",
    **dict.fromkeys((500, 502, 503, 504), "server_error"),
}
NO_OTHER_TRY = {"insufficient_quota", "session_lost"}
"""Codes after which clients are told not to try again, beside all of 500, 502 and 504."""


def proves(*ids: str) -> pytest.MarkDecorator:
    """The test proves these rows: it gets each as `row`, and takes what it expects from there."""
    return pytest.mark.parametrize("row", [ROWS[row_id] for row_id in ids], ids=lambda row: row.id)


class LongestWait(Random):
    """Jitter without chance: every wait is as long as it can be."""

    def uniform(self, _low: float, high: float) -> float:
        """The upper end."""
        return high


class Running:
    """A gateway that listens at *url*; *ended* are the requests that have come to their end."""

    def __init__(self, gateway: Gateway, ended: "asyncio.Queue[Exchange]", store: FakeSessionStore) -> None:
        self.gateway = gateway
        self.store = store
        self.url = ""
        self.ended = ended

    async def ask(
        self, *, stream: bool = True, headers: Mapping[str, str] | None = None, **fields: Any
    ) -> tuple[Answer, Exchange]:
        """One chat request to its end: what came, and its walk."""
        answer = await ask(self.url, "POST", "/v1/chat/completions", body(stream=stream, **fields), dict(headers or {}))
        return answer, await self.end()

    async def until(self, state: str, live: int = 1) -> None:
        """Wait until *live* requests are there, the latest of them in *state*."""
        async with asyncio.timeout(LIMIT_S):
            while not (len(self.gateway.live) == live and any(x.state == state for x in self.gateway.live)):  # noqa: ASYNC110 - nobody tells of a change of state
                await asyncio.sleep(POLL_S)

    async def end(self) -> Exchange:
        """The next request that ends; by then all it held is given back."""
        async with asyncio.timeout(LIMIT_S):
            x = await self.ended.get()
        assert (x.call, x.slot) == (None, None)
        assert all(attempt.outcome != "open" for attempt in attempts(x))
        if not self.gateway.live:
            self.expect_nothing_held()
        return x

    def expect_nothing_held(self) -> None:
        """No slot and no lease is held any more."""
        assert self.store.held == 0
        gate = self.gateway.ports.gate
        assert isinstance(gate, KeyGate)
        assert gate._slots._value == self.gateway.settings.server.max_in_flight
        assert gate._queued == 0
        assert not any(use.live for use in gate._uses.values())
        for entry in self.gateway.settings.models:
            route = self.gateway.ports.catalog.find(entry.id)
            assert route is not None
            for place in route.candidates[0].places:
                if isinstance(place.slots, BoundedSlots):
                    assert place.slots._semaphore._value == 1

    def health(self, name: str = MAIN) -> str:
        """How an upstream is: `ok`, `open`, `aside`, or `resting`."""
        health = self.gateway.healths[name]
        return "resting" if health.resting_s() else health.state


def body(*, stream: bool = True, **fields: Any) -> Json:
    """A chat request."""
    return chat("Hi.", **{"model": MAIN, "stream": stream, **fields})


def attempts(x: Exchange) -> list[Any]:
    """The calls that were made."""
    return x.course.attempts if hasattr(x, "course") else []


def settings_tree(upstreams: Mapping[str, Any], tables: Mapping[str, Any]) -> Json:
    """The configuration: a model per upstream under its name, all after the first being its fallbacks."""
    own = dict(tables)
    upstream, model, windows = own.pop("upstream", {}), own.pop("model", {}), own.pop("windows", {})
    listed: list[Json] = [
        {"name": name, "base_url": where} if isinstance(where, str) else {"name": name, "kind": "scripted"}
        for name, where in upstreams.items()
    ]
    listed[0] |= upstream
    _, *others = upstreams
    models: list[Json] = [{"id": name, "upstream": name} for name in upstreams]
    models[0] |= {"fallback": others, **model}
    for entry in models:
        if entry["id"] in windows:
            entry["context_window_tokens"] = windows[entry["id"]]
    return {
        "auth": {"mode": "none"},
        "upstreams": listed,
        "models": models,
        **own,
        "server": {"max_in_flight": IN_FLIGHT, **own.get("server", {})},
        "clocks": CLOCKS | own.get("clocks", {}),
        "retry": RETRY | own.get("retry", {}),
    }


@asynccontextmanager
async def serving(
    upstreams: Mapping[str, str | Upstream], *, errors: tuple[Any, ...] = (), take_s: float = 0.0, **tables: Any
) -> AsyncIterator[Running]:
    """A gateway before *upstreams*: base URLs, or upstreams that play in process, the first being asked first.

    *upstream* and *model* are merged into the first entries, *windows* are models' context windows, *tables* replace
    whole tables or parts of them; *errors* and *take_s* are those of `FakeSessionStore`.
    """
    clock = LoopClock()
    ended: asyncio.Queue[Exchange] = asyncio.Queue()
    gateway = Gateway(
        load(None, {}, settings_tree(upstreams, tables)),
        upstreams={name: each for name, each in upstreams.items() if not isinstance(each, str)},
        on_ended=ended.put_nowait,
        random=LongestWait(),
    )
    running = Running(gateway, ended, FakeSessionStore(clock, *errors, take_s=take_s))
    gateway.ports = replace(gateway.ports, sessions=running.store)
    runner = Runner(build_app(gateway), shutdown_timeout=0.1, lingering_time=0.05)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    running.url = f"http://{host}:{port}"
    try:
        yield running
    finally:
        gateway.cut()
        await runner.cleanup()
        await gateway.close()


# --- what a row says of an answer


def expect_envelope(row: Row, answer: Answer) -> None:
    """The row's status, code and headers, before anything of an answer has left."""
    error = answer.error
    assert (answer.status, error["code"]) == (row.status, row.code)
    expect_type(row, error)
    assert answer.headers["x-end-reason"] == row.ends
    waits = row.status in (429, 503) or row.code == "conversation_busy"
    assert ("Retry-After" in answer.headers) == (waits and row.code != "insufficient_quota")
    hopeless = row.status in (500, 502, 504) or row.code in NO_OTHER_TRY
    assert (answer.headers.get("x-should-retry") == "false") == hopeless


def expect_frame(row: Row, answer: Answer, text: str = "") -> None:
    """The same in one frame of the stream: after *text*, without finish or `[DONE]`, and the connection ends."""
    told = read_stream(answer.body)
    assert answer.status == 200
    assert told.error is not None
    assert told.error["code"] == row.told.split()[-1]
    expect_type(row, told.error)
    assert not told.done
    assert not any(choice["finish_reason"] for chunk in told.chunks for choice in chunk["choices"])
    assert text_of(told) == text


def expect_type(row: Row, error: Json) -> None:
    """The row's type, by its status; and if a clock has run out, its name and seconds in the message."""
    status, code = row.told.split()[-2:]
    assert error["type"] == ("insufficient_quota" if code == "insufficient_quota" else TYPES[int(status)])
    clock = CLOCK.search(row.fault)
    if clock is not None:
        assert f"clock '{clock[1]}'" in error["message"]
        assert SECONDS.search(error["message"])


def text_of(told: Stream) -> str:
    """All text of a stream."""
    return "".join(each["delta"].get("content") or "" for chunk in told.chunks for each in chunk["choices"])


def answer_text(answer: Answer) -> str:
    """The text of a whole answer, streamed or not."""
    assert answer.status == 200
    if answer.headers["content-type"] == "application/json":
        return str(answer.json["choices"][0]["message"]["content"] or "")
    told = read_stream(answer.body)
    assert told.done
    return text_of(told)
