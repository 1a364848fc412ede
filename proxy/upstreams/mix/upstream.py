"""The adapter: a turn in, an answer under way out."""

import asyncio
import secrets
from collections.abc import Sequence
from functools import partial
from typing import Any, Self

from multidict import MultiMapping

from proxy.config import MixUpstream as Configured
from proxy.config import Settings, revealed
from proxy.credentials import Credential
from proxy.deadline import Clock
from proxy.errors import (
    ContextLengthExceeded,
    RequestRejected,
    TurnstileError,
    UpstreamContextLength,
    UpstreamRefused,
    UpstreamTruncated,
)
from proxy.ports import Keeps, Node, Override, Plan, Rendering, Turn, UpstreamCall
from proxy.upstreams.http import Bases, ConfiguredCredential, HttpAnswer, PooledTransport
from proxy.upstreams.mix.calls import Hear, StreamedCall, WholeCall
from proxy.upstreams.mix.persona import check_exchange_id, persona_of
from proxy.wire.mix import (
    LABELS,
    Ids,
    Labels,
    Layout,
    MixReader,
    Phrases,
    Told,
    full_text,
    http_fault,
    lay_out,
    read_whole,
)
from proxy.wire.request import ChatRequest, encode_json
from proxy.wire.upstream import sniff

MAX_FAULT_BYTES = 64 * 1024
FAULT_S = 5.0  # how long the words of an error may take to come

Json = dict[str, Any]


def make_call_id() -> str:
    """An id for a tool call that has none."""
    return f"call_{secrets.token_hex(12)}"


class MixUpstream:
    """An `Upstream` for one site."""

    kind = "mix"

    def __init__(
        self,
        entry: Configured,
        *,
        bearer: Credential,
        bases: Bases,
        max_event_bytes: int,
        max_answer_bytes: int,
        clock: Clock,
    ) -> None:
        self.name = entry.name
        self.bearer = bearer
        self.keeps: Keeps = "tree" if entry.chain == "exchange" else "line"
        self._entry = entry
        self._bases = bases
        self._max_event_bytes = max_event_bytes
        self._max_answer_bytes = max_answer_bytes
        self._clock = clock
        self._labels = LABELS[entry.labels] if isinstance(entry.labels, str) else Labels(**entry.labels.model_dump())
        self._phrases = Phrases(entry.phrases)
        self._extra_body: Json = revealed(entry.extra_body)
        self._extra_headers = {name: value.reveal() for name, value in entry.extra_headers.items()}
        bearer.keep_secret(self._extra_headers.values())

    @classmethod
    def configured(cls, entry: Configured, settings: Settings, clock: Clock) -> Self:
        """The upstream that a configuration entry describes, with connections of its own."""
        limit_s = settings.clocks_for(None, entry).token
        return cls(
            entry,
            bearer=ConfiguredCredential(entry.credential, entry.base_url, clock, limit_s=limit_s),
            bases=Bases(
                entry.base_url, entry.chat_path, PooledTransport, dynamic=entry.dynamic, credential=entry.credential
            ),
            max_event_bytes=settings.server.max_event_bytes,
            max_answer_bytes=settings.server.max_answer_bytes,
            clock=clock,
        )

    # --- before a call

    def scope(self, request: ChatRequest, caller_headers: MultiMapping[str]) -> str:
        """Persona and base URL: the same history with another of them is another conversation."""
        return f"{self._persona(request, caller_headers)}\n{self._bases.scope(request, caller_headers)}"

    def check(self, request: ChatRequest, caller_headers: MultiMapping[str]) -> Override | None:
        """What the site could not be asked; see the port."""
        check_exchange_id(caller_headers)
        self._persona(request, caller_headers)
        messages = request.messages
        if messages[-1]["role"] == "assistant" or not any(full_text(message).strip() for message in messages):
            raise RequestRejected("messages must end with a message to answer, with text in it", param="messages")
        return self._bases.check(request, caller_headers)

    def measure(self, request: ChatRequest, plan: Plan, tool_block: str, summary: str) -> Sequence[Rendering]:
        """Both renderings; the larger counts."""
        laid = self._lay_out(request, plan, tool_block, summary)
        native = [str(request.tools)] if request.tools else []
        renderings = []
        if self._entry.text_in != "messages":
            renderings.append(Rendering([laid.query, *native]))
        if self._entry.text_in != "query":
            texts = [message["content"] for message in laid.messages]
            renderings.append(Rendering([*texts, *native], len(laid.messages)))
        return renderings

    def _persona(self, request: ChatRequest, headers: MultiMapping[str]) -> str:
        return persona_of(request, headers, self._entry.persona, allowed=self._entry.allow_persona)

    def _lay_out(self, request: ChatRequest, plan: Plan, tool_block: str, summary: str) -> Layout:
        return lay_out(
            request.messages,
            plan.tail,
            fresh=plan.ids is None,
            labels=self._labels,
            tool_block=tool_block,
            summary=summary,
            query_max_chars=self._entry.query_max_chars,
        )

    # --- a call

    async def open(self, turn: Turn) -> UpstreamCall:
        """Show who is calling, and send the turn."""
        body = self._body(turn)
        shown = await self.bearer.show(turn.caller_headers, turn.on_wait)
        http, target = self._bases.target(turn.request, turn.caller_headers)
        answer = await http.send(self._headers(turn, shown.authorization), body, turn.on_connected, target=target)
        hear = partial(self.bearer.hear, shown)
        try:
            return await self._call(turn, answer, hear)
        except BaseException as error:
            answer.close()
            if isinstance(error, TurnstileError):
                hear(error)
            raise

    async def close(self) -> None:
        """Close every connection."""
        await self.bearer.close()
        await self._bases.close()

    def _headers(self, turn: Turn, authorization: str | None) -> list[tuple[str, str]]:
        entry = self._entry
        fields = {
            "accept": "text/event-stream, application/json;q=0.9",
            "content-type": "application/json",
            "cache-control": "no-cache",
            "accept-encoding": "identity",
            "x-request-id": turn.request_id,
            "accept-language": entry.accept_language,
            "referer": entry.referer,
            "authorization": authorization or "",
        }
        return [(name, value) for name, value in (fields | self._extra_headers).items() if value]

    def _body(self, turn: Turn) -> bytes:
        if turn.prefill is not None:
            raise UpstreamRefused("The upstream can't go on from the beginning of an answer.")
        entry, request, plan = self._entry, turn.request, turn.plan
        try:
            laid = self._lay_out(request, plan, turn.tool_block, turn.summary)
        except ContextLengthExceeded as error:
            raise UpstreamContextLength(error.message, param=error.param) from error
        query = laid.question if entry.text_in == "messages" else laid.query
        if not query:
            raise UpstreamRefused("messages must end with a message to answer, with text in it", param="messages")
        asked: Json = {
            "agent_slug": entry.agent,
            "model_slug": turn.upstream_model,
            "modes": {"search": entry.search},
            "locale": entry.locale,
            "query": query,
        }
        persona = self._persona(request, turn.caller_headers)
        if persona:
            asked["persona_id"] = persona
        body: Json = {"request": asked, "is_personalized": entry.personalized, "stream": self._streams(turn)}
        if entry.text_in != "query":
            told = request.messages if plan.ids is None else request.messages[plan.tail :]
            body["messages"] = told if request.tools else laid.messages
        body |= {name: value for name, value in (plan.ids or {}).items() if value is not None}
        if turn.max_output_tokens:
            body["max_tokens"] = turn.max_output_tokens
        body |= {
            name: getattr(request, name) for name in ("temperature", "top_p") if getattr(request, name) is not None
        }
        if request.tools:
            body |= {name: request.body[name] for name in ("tools", "tool_choice") if name in request.body}
        return encode_json(merged(body, self._extra_body))

    def _streams(self, turn: Turn) -> bool:
        if self._entry.upstream_stream == "always":
            return True
        results = any(message["role"] == "tool" for message in turn.request.messages[turn.plan.tail :])
        return turn.stream and not (turn.tool_block or turn.request.tools or results)

    # --- what comes back

    async def _call(self, turn: Turn, answer: HttpAnswer, hear: Hear) -> UpstreamCall:
        """Tell what has come by what it is, not by what was asked for."""
        told = Told(self._phrases, self.bearer.mode, continued=turn.plan.ids is not None)
        content_type = answer.headers.get("Content-Type")
        if not 200 <= answer.status < 300:
            raise await self._fault(answer, b"", told)
        head = b"" if content_type else await answer.read()
        session_id = turn.plan.ids.get("session_id") if turn.plan.ids else None
        known = session_id if type(session_id) is str else None
        accepts_empty = self._entry.empty_answer == "accept"
        reading = {"make_call_id": make_call_id, "tool_names": turn.request.tool_names, "accepts_empty": accepts_empty}
        match sniff(content_type, head):
            case "sse":
                reader = MixReader(told, max_event_bytes=self._max_event_bytes, session_id=known, **reading)  # type: ignore[arg-type]  # a dict of several types
                return StreamedCall(answer, reader, head, hear=hear, node_of=self._node)
            case "json":
                return WholeCall(
                    answer,
                    lambda raw, ids: read_whole(raw, told, ids, **reading),  # type: ignore[arg-type]  # the same
                    head,
                    ids=Ids(known),
                    max_answer_bytes=self._max_answer_bytes,
                    hear=hear,
                    node_of=self._node,
                )
            case _:
                raise await self._fault(answer, head, told)

    def _node(self, ids: Ids) -> Node | None:
        needs_exchange = self._entry.chain == "exchange"
        return ids.node(needs_exchange=needs_exchange, exchange_as_session=self._entry.exchange_as_session)

    async def _fault(self, answer: HttpAnswer, head: bytes, told: Told) -> TurnstileError:
        """The typed error of an answer that is none; of its words only the beginning is waited for."""
        body = bytearray(head)
        try:
            async with asyncio.timeout(FAULT_S):
                while len(body) < MAX_FAULT_BYTES and (piece := await answer.read()):
                    body += piece
        except (UpstreamTruncated, TimeoutError):
            pass  # what has come of it must do
        content_type = answer.headers.get("Content-Type")
        return http_fault(answer.status, content_type, bytes(body), answer.headers, now_s=self._clock.wall(), told=told)


def merged(base: Json, update: Json) -> Json:
    """*update* laid over *base*, table by table."""
    both = {
        name: merged(base[name], value) if type(value) is dict and type(base.get(name)) is dict else value
        for name, value in update.items()
    }
    return {**base, **both}
