"""JSON-RPC over lines: replies, requests and notifications told apart, each call under a deadline, few at a time.

What a line is, is told by its members alone: *id* and *method* make a request from the other side, *id* alone a reply
to one of ours, *method* alone a notification.  Both sides count their ids by themselves, so the same id may mean two
things at once.  `jsonrpc` is sent, and not asked for.  https://www.jsonrpc.org/specification
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from random import Random
from typing import Any, Protocol

import orjson

from proxy.deadline import Clock
from proxy.errors import TurnstileError, UpstreamBusy, UpstreamProtocolError, UpstreamTimeout
from proxy.wire.request import JsonObject, encode_json

OVERLOADED = -32001  # "Server overloaded; retry later.": outside of the range that the specification reserves
METHOD_NOT_FOUND = -32601
RESENDS = 3
RESEND_BASE_S = 0.1

RpcId = int | str
Failure = Callable[[], TurnstileError]


class RpcRefused(Exception):
    """The reply to a call is an error."""

    def __init__(self, method: str, code: int, message: str) -> None:
        self.method = method
        self.code = code
        self.message = message
        super().__init__(f"{method}: {code} {message}")


class RpcListener(Protocol):
    """Who hears what the other side says by itself."""

    def notified(self, method: str, params: JsonObject) -> None:
        """A notification has come."""

    def asked(self, rpc_id: RpcId, method: str, params: JsonObject) -> None:
        """A request has come, which is to be answered by `answer` or `refuse`."""


class RpcPeer:
    """The other side of a pair of pipes.

    *write* takes the bytes of one line; *on_silence* hears of each call that got no reply in time, with their number in
    a row.  At most *max_in_flight* calls are unanswered at a time: the rest waits its turn, under the same deadline.
    """

    def __init__(
        self,
        write: Callable[[bytes], None],
        listener: RpcListener,
        clock: Clock,
        random: Random,
        *,
        deadline_s: float,
        max_in_flight: int,
        on_silence: Callable[[int], None] = lambda _count: None,
    ) -> None:
        self._write = write
        self._listener = listener
        self._clock = clock
        self._random = random
        self._deadline_s = deadline_s
        self._max_in_flight = max_in_flight
        self._on_silence = on_silence
        self._ids: Iterator[int] = count(1)
        self._replies: dict[RpcId, asyncio.Future[JsonObject]] = {}
        self._queue: deque[tuple[int, bytes]] = deque()
        self._in_flight: set[RpcId] = set()
        self._silences = 0
        self._gone: Failure | None = None

    # --- what we say

    async def call(self, method: str, params: JsonObject) -> JsonObject:
        """The result of a call.

        Raises `RpcRefused`, `UpstreamBusy` when the other side stays overloaded, `UpstreamTimeout` (`rpc`), and
        whatever the connection ended with.
        """
        for resend in range(RESENDS + 1):
            try:
                return await self._call_once(method, params)
            except RpcRefused as refused:
                if refused.code != OVERLOADED:
                    raise
                if resend == RESENDS:
                    raise UpstreamBusy(detail=str(refused)) from refused
            await self._clock.sleep(RESEND_BASE_S * 2**resend * self._random.uniform(0.5, 1.5))
        raise AssertionError  # the loop returns or raises

    def notify(self, method: str, params: JsonObject | None = None) -> None:
        """Say something that has no reply."""
        self._send({"method": method} if params is None else {"method": method, "params": params})

    def answer(self, rpc_id: RpcId, result: JsonObject) -> None:
        """Answer a request of the other side."""
        self._send({"id": rpc_id, "result": result})

    def refuse(self, rpc_id: RpcId, code: int, message: str) -> None:
        """Answer a request of the other side with an error."""
        self._send({"id": rpc_id, "error": {"code": code, "message": message}})

    @property
    def outstanding(self) -> int:
        """Calls that wait for their reply, or for their turn."""
        return len(self._replies)

    async def _call_once(self, method: str, params: JsonObject) -> JsonObject:
        if self._gone is not None:
            raise self._gone()
        rpc_id = next(self._ids)
        reply: asyncio.Future[JsonObject] = asyncio.get_running_loop().create_future()
        timer = self._clock.call_at(self._clock.now() + self._deadline_s, partial(self._expire, rpc_id, reply))
        self._replies[rpc_id] = reply
        self._queue.append((rpc_id, line_of({"id": rpc_id, "method": method, "params": params})))
        self._pump()
        try:
            message = await reply
        finally:
            timer.cancel()
            self._replies.pop(rpc_id, None)
            self._in_flight.discard(rpc_id)
            self._pump()
        return result_of(method, message)

    def _pump(self) -> None:
        """Send what may be sent; calls that nobody waits for any more are left out."""
        while self._queue and len(self._in_flight) < self._max_in_flight:
            rpc_id, line = self._queue.popleft()
            reply = self._replies.get(rpc_id)
            if reply is not None and not reply.done():
                self._in_flight.add(rpc_id)
                self._write(line)

    def _expire(self, rpc_id: int, reply: "asyncio.Future[JsonObject]") -> None:
        if reply.done():
            return
        reply.set_exception(UpstreamTimeout("rpc", self._deadline_s))
        if rpc_id in self._in_flight:
            self._silences += 1
            self._on_silence(self._silences)

    def _send(self, message: JsonObject) -> None:
        if self._gone is None:
            self._write(line_of(message))

    # --- what we hear

    def receive(self, line: bytes) -> None:
        """Take one line.  Raises `UpstreamProtocolError` for one that is no message."""
        try:
            message = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise UpstreamProtocolError(detail="a line that is not JSON") from error
        if type(message) is not dict:
            raise UpstreamProtocolError(detail="a line that is no JSON object")
        method, rpc_id = message.get("method"), message.get("id")
        if type(method) is str:
            params = message.get("params")
            params = params if type(params) is dict else {}
            if rpc_id is None:
                self._listener.notified(method, params)
            else:
                self._listener.asked(rpc_id, method, params)
            return
        if rpc_id is None and "error" not in message:
            raise UpstreamProtocolError(detail="a line that is no message of JSON-RPC")
        self._silences = 0
        reply = self._replies.get(rpc_id) if isinstance(rpc_id, int | str) else None
        if reply is not None and not reply.done():  # else it came too late
            reply.set_result(message)

    def fail(self, failure: Failure) -> None:
        """The connection is gone: every call that waits, and every later one, ends with what *failure* makes."""
        if self._gone is not None:
            return
        self._gone = failure
        self._queue.clear()
        for reply in self._replies.values():
            if not reply.done():
                reply.set_exception(failure())


def line_of(message: JsonObject) -> bytes:
    """A message as it goes over the pipe."""
    return encode_json({"jsonrpc": "2.0", **message}) + b"\n"


def result_of(method: str, message: JsonObject) -> JsonObject:
    """The result in a reply.  Raises `RpcRefused`."""
    error = message.get("error")
    if error is not None:
        told: dict[str, Any] = error if type(error) is dict else {}
        code, text = told.get("code"), told.get("message")
        raise RpcRefused(method, code if type(code) is int else 0, text if type(text) is str else "")
    result = message.get("result")
    return result if type(result) is dict else {}
