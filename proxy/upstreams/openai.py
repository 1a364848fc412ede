"""openai: servers that speak Chat Completions over HTTP."""

import secrets
from collections.abc import Callable, Sequence
from functools import partial
from typing import Self

from multidict import MultiMapping

from proxy.config import OpenAIUpstream as Configured
from proxy.config import Settings
from proxy.credentials import Credential, Shown
from proxy.deadline import Clock
from proxy.errors import TurnstileError, UpstreamOversize, UpstreamTruncated
from proxy.ports import EventSink, Keeps, Override, Turn, UpstreamCall
from proxy.upstreams.http import CLIENTS, Bases, ConfiguredCredential, HttpAnswer
from proxy.wire.events import Opened, StreamEvent
from proxy.wire.request import ChatRequest, forwarded_headers, prefilled, told_as_text, upstream_body
from proxy.wire.upstream import ChunkReader, fault_of, read_completion, sniff

MAX_FAULT_BYTES = 64 * 1024  # of an error's body: enough for any message, little enough for any flood

WholeReader = Callable[[bytes], list[StreamEvent]]
Hear = Callable[[TurnstileError], None]
"""Hears what a call has failed with, before it is raised."""


def make_call_id() -> str:
    """An id for a tool call whose upstream gave none."""
    return f"call_{secrets.token_hex(12)}"


class OpenAIUpstream:
    """An `Upstream` for one configured server."""

    kind = "openai"
    keeps: Keeps = "nothing"

    def __init__(
        self,
        entry: Configured,
        *,
        credential: Credential,
        max_event_bytes: int,
        max_answer_bytes: int,
        clock: Clock,
        bases: Bases,
    ) -> None:
        self.name = entry.name
        self.bearer = credential
        self._entry = entry
        self._max_event_bytes = max_event_bytes
        self._max_answer_bytes = max_answer_bytes
        self._clock = clock
        self._bases = bases
        self._forward = frozenset(entry.forward_headers)
        self._headers = [("Content-Type", "application/json"), ("Accept-Encoding", "identity")]
        if entry.credential.mode != "managed":
            self._headers += [(name, secret.reveal()) for name, secret in entry.credential.headers.items()]

    @classmethod
    def configured(cls, entry: Configured, settings: Settings, clock: Clock) -> Self:
        """The upstream that a configuration entry describes, with a pool of connections of its own."""
        limit_s = settings.clocks_for(None, entry).token
        return cls(
            entry,
            credential=ConfiguredCredential(entry.credential, entry.base_url, clock, limit_s=limit_s),
            max_event_bytes=settings.server.max_event_bytes,
            max_answer_bytes=settings.server.max_answer_bytes,
            clock=clock,
            bases=Bases(
                entry.base_url,
                "/chat/completions",
                CLIENTS[entry.http_client],
                dynamic=entry.dynamic,
                credential=entry.credential,
            ),
        )

    def scope(self, _request: ChatRequest, _caller_headers: MultiMapping[str]) -> str:
        """Nothing is kept, so there is nothing to tell apart."""
        return ""

    def check(self, request: ChatRequest, caller_headers: MultiMapping[str]) -> Override | None:
        """Where the call will go; raises `RequestRejected` for a base URL that must not be named."""
        return self._bases.check(request, caller_headers)

    async def open(self, turn: Turn) -> UpstreamCall:
        """Send the request as it came, the model's name and the limits mapped."""
        shown = await self.bearer.show(turn.caller_headers, turn.on_wait)
        http, target = self._bases.target(turn.request, turn.caller_headers)
        answer = await http.send(self._headers_for(turn, shown), self._body_for(turn), turn.on_connected, target=target)
        try:
            return await self._call(turn, answer, partial(self.bearer.hear, shown))
        except BaseException as error:
            answer.close()
            if isinstance(error, TurnstileError):
                self.bearer.hear(shown, error)
            raise

    async def close(self) -> None:
        """Close every connection."""
        await self.bearer.close()
        await self._bases.close()

    def _body_for(self, turn: Turn) -> bytes:
        request = told_as_text(turn.request, turn.tool_block) if turn.tools_as_text else turn.request
        if turn.prefill is not None:
            request = prefilled(request, turn.prefill)
        return upstream_body(
            request,
            upstream_model=turn.upstream_model,
            stream=turn.stream,
            token_field=self._entry.token_field,
            developer_role=self._entry.developer_role,
            max_output_tokens=turn.max_output_tokens,
        )

    def _headers_for(self, turn: Turn, shown: Shown) -> list[tuple[str, str]]:
        headers = self._headers
        if self._forward:
            headers = [*headers, *forwarded_headers(turn.caller_headers.items(), self._forward)]
        return headers if shown.authorization is None else [*headers, ("Authorization", shown.authorization)]

    async def _call(self, turn: Turn, answer: HttpAnswer, hear: Hear) -> UpstreamCall:
        """Tell what has come by what it is, not by what was asked for."""
        content_type = answer.headers.get("Content-Type")
        if answer.status != 200:
            raise await self._fault(answer, b"")
        head = b"" if content_type else await answer.read()
        match sniff(content_type, head):
            case "sse":
                return StreamedCall(answer, self._reader(turn), head, hear)
            case "json":
                return WholeCall(answer, self._whole_reader(turn), head, self._max_answer_bytes, hear)
            case _:
                raise await self._fault(answer, head)

    def _reader(self, turn: Turn) -> ChunkReader:
        entry = self._entry
        return ChunkReader(
            n=turn.request.n,
            max_event_bytes=self._max_event_bytes,
            make_call_id=make_call_id,
            text=entry.text,
            arguments=entry.arguments,
            think_tags=entry.think_tags,
            credential=entry.credential.mode,
        )

    def _whole_reader(self, turn: Turn) -> WholeReader:
        return partial(
            read_completion,
            max_answer_bytes=self._max_answer_bytes,
            make_call_id=make_call_id,
            n=turn.request.n,
            think_tags=self._entry.think_tags,
            credential=self._entry.credential.mode,
        )

    async def _fault(self, answer: HttpAnswer, head: bytes) -> TurnstileError:
        """The typed error of an answer that is none; of its body only the beginning is read."""
        body = bytearray(head)
        try:
            while len(body) < MAX_FAULT_BYTES and (piece := await answer.read()):
                body += piece
        except UpstreamTruncated:
            pass  # what has come of it must do
        fault = fault_of(
            answer.status,
            answer.headers.get("Content-Type"),
            bytes(body),
            answer.headers,
            now_s=self._clock.wall(),
            credential=self._entry.credential.mode,
        )
        fault.upstream_status = answer.status
        return fault


class StreamedCall:
    """An answer that comes as server-sent events; one read of the socket gives one list of events."""

    __slots__ = ("_answer", "_head", "_hear", "_reader", "request_id")
    node = None

    def __init__(self, answer: HttpAnswer, reader: ChunkReader, head: bytes, hear: Hear) -> None:
        self._answer = answer
        self._hear = hear
        self._reader = reader
        self._head = head
        self.request_id: str | None = None

    @property
    def complete(self) -> bool:
        """Whether the final events have been received."""
        return self._reader.complete

    @property
    def finishing(self) -> bool:
        """Whether only usage or the end mark are still to come."""
        return self._reader.finishing

    async def receive(self) -> Sequence[StreamEvent]:
        """The events of the next read; a fault is raised after the events before it."""
        reader = self._reader
        if reader.failure is not None:
            raise self._heard(reader.failure)
        try:
            data = self._head or await self._answer.read()
            self._head = b""
        except UpstreamTruncated:
            data = b""
        events = reader.feed(data) if data else reader.end()
        if reader.failure is not None and not events:
            raise self._heard(reader.failure)
        if self.request_id is None:
            self.request_id = opened_id(events)
        return events

    async def flow(self, sink: EventSink) -> None:
        """Give the events to *sink*, read by read; see the port."""
        reader = self._reader
        if reader.failure is not None:  # it came in one read with the events before it
            raise self._heard(reader.failure)

        def take(data: bytes) -> bool:
            goes_on = sink(reader.feed(data))
            return goes_on and not (reader.complete or reader.finishing or reader.failure is not None)

        try:
            ended = await self._answer.flow(take)
        except UpstreamTruncated:
            ended = True
        if ended:
            sink(reader.end())
        if reader.failure is not None:
            raise self._heard(reader.failure)

    def settle(self) -> Sequence[StreamEvent]:
        """The final events, without waiting for usage any longer."""
        return self._reader.settle()

    def close(self) -> None:
        """Let go; unless the body was read to its end, the connection is closed."""
        self._answer.close()

    def _heard(self, failure: TurnstileError) -> TurnstileError:
        self._hear(failure)
        return failure


class WholeCall:
    """An answer that comes as one JSON body."""

    node = None
    finishing = False

    def __init__(self, answer: HttpAnswer, read: WholeReader, head: bytes, max_answer_bytes: int, hear: Hear) -> None:
        self._answer = answer
        self._hear = hear
        self._read = read
        self._head = head
        self._max_answer_bytes = max_answer_bytes
        self.complete = False
        self.request_id: str | None = None

    async def receive(self) -> Sequence[StreamEvent]:
        """All events at once, when the body has come."""
        body = bytearray(self._head)
        while piece := await self._answer.read():
            body += piece
            if len(body) > self._max_answer_bytes:
                raise UpstreamOversize
        try:
            events = self._read(bytes(body))
        except TurnstileError as error:
            self._hear(error)
            raise
        self.complete = True
        self.request_id = opened_id(events)
        return events

    async def flow(self, sink: EventSink) -> None:
        """All at once is all there is."""
        sink(await self.receive())

    def settle(self) -> Sequence[StreamEvent]:
        """Nothing is ever left to settle."""
        return ()

    def close(self) -> None:
        """Let go; unless the body was read to its end, the connection is closed."""
        self._answer.close()


def opened_id(events: Sequence[StreamEvent]) -> str | None:
    """The upstream's own id of the answer, if it is among these events."""
    return next((event.ids.get("id") for event in events if isinstance(event, Opened)), None)
