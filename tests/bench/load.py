"""The load: chat requests over raw keep-alive connections to a loopback port, each answer checked to its last byte.

Bounded in count and in time.  A fault ends no run; it is counted under its description, and a run with a fault has
measured nothing worth knowing.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import cast

import orjson

from tests.bench.answer import ResponseReader, StreamCheck, completion_fault
from tests.bench.upstream import MODEL, StreamPlan

KEY = "bench-key-0123456789abcdef"


@dataclass
class Tally:
    """What came of a run.

    *latencies_s*: of whole good answers.  *jitters_s*: how far the time between two contents was from the plan's.
    """

    good: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    latencies_s: list[float] = field(default_factory=list)
    jitters_s: list[float] = field(default_factory=list)
    wall_s: float = 0.0


class Connection(asyncio.Protocol):
    """A keep-alive connection that carries one exchange at a time."""

    def __init__(self) -> None:
        self._reader = ResponseReader()
        self._on_body: Callable[[bytes], None]
        self._ended: asyncio.Future[str | None] | None = None

    async def exchange(self, request: bytes, on_body: Callable[[bytes], None]) -> str | None:
        """Send *request*, hand the body to *on_body* as it comes; return what is wrong with the response as HTTP."""
        if self.transport.is_closing():
            return "closed between two requests"
        self._reader, self._on_body = ResponseReader(), on_body
        self._ended = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return await self._ended

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport; uvloop's are no subclass of asyncio's."""
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Read on; the exchange ends with the body."""
        try:
            if body := self._reader.feed(data):
                self._on_body(body)
        except ValueError as error:
            self._end(f"not HTTP: {error}")
        if self._reader.complete:
            self._end(None if self._reader.status == 200 else f"status {self._reader.status}")

    def connection_lost(self, _error: Exception | None) -> None:
        """End an exchange that is still open."""
        self._end("the body was cut" if self._reader.status else "closed without an answer")

    def _end(self, fault: str | None) -> None:
        if self._ended and not self._ended.done():
            self._ended.set_result(fault)


@dataclass
class Run:
    """One run: workers share the *tickets* and the *tally*, each has its own connection."""

    port: int
    plan: StreamPlan | None
    request: bytes
    tickets: Iterator[int]
    tally: Tally

    async def work(self, delay_s: float) -> None:
        """One exchange after the other; a fault costs the worker its connection."""
        await asyncio.sleep(delay_s)
        connection: Connection | None = None
        try:
            for _ in self.tickets:
                try:
                    connection = connection or await connect(self.port)
                except OSError as error:
                    self.tally.faults[f"not connected: {error}"] += 1
                    continue
                began_s = time.perf_counter()
                if fault := await self._ask(connection):
                    self.tally.faults[fault] += 1
                    connection.transport.close()
                    connection = None
                else:
                    self.tally.good += 1
                    self.tally.latencies_s.append(time.perf_counter() - began_s)
        finally:
            if connection:
                connection.transport.close()

    async def _ask(self, connection: Connection) -> str | None:
        """One answer; return its fault."""
        if self.plan is None:
            body: list[bytes] = []
            return await connection.exchange(self.request, body.append) or completion_fault(b"".join(body))
        check = StreamCheck(self.plan)
        fault = await connection.exchange(self.request, lambda body: check.feed(body, time.perf_counter()))
        self.tally.jitters_s += (abs(gap_s - self.plan.every_ms / 1000) for gap_s in check.gaps_s)
        return fault or check.fault()


async def run(
    port: int, plan: StreamPlan | None, *, count: int, concurrency: int, ramp_s: float = 0.0, limit_s: float = 60.0
) -> Tally:
    """Keep *concurrency* exchanges open until *count* have been asked for, or *limit_s* has passed.

    Without a *plan* answers are not streamed.  The workers begin evenly over *ramp_s*.
    """
    whole = Run(port, plan, chat_request(plan), iter(range(count)), Tally())
    began_s = time.perf_counter()
    try:
        async with asyncio.timeout(limit_s), asyncio.TaskGroup() as group:
            for worker in range(concurrency):
                group.create_task(whole.work(ramp_s * worker / concurrency))
    except TimeoutError:
        whole.tally.faults[f"not over after {limit_s:g} s"] += 1
    whole.tally.wall_s = time.perf_counter() - began_s
    return whole.tally


def chat_request(plan: StreamPlan | None) -> bytes:
    """A whole POST of a short chat, as an SDK would send it."""
    body = {
        "model": MODEL,
        "messages": [
            {"role": "system", "content": "You are a helpful assistant. Answer in plain words."},
            {"role": "user", "content": f"{plan.prompt if plan else 'Be brief.'} Then say what a turnstile is."},
        ],
        "temperature": 0.7,
        "max_tokens": 512,
        "stream": plan is not None,
    }
    payload = orjson.dumps(body | ({"stream_options": {"include_usage": True}} if plan else {}))
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nuser-agent: turnstile-bench\r\naccept: */*\r\n"
        f"authorization: Bearer {KEY}\r\ncontent-type: application/json\r\ncontent-length: {len(payload)}\r\n\r\n"
    )
    return head.encode() + payload


async def connect(port: int) -> Connection:
    """Open a connection to a loopback *port*."""
    _, connection = await asyncio.get_running_loop().create_connection(Connection, "127.0.0.1", port)
    return connection
