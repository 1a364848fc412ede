"""The adapter: a turn in, an answer under way out."""

import asyncio
from functools import partial
from hashlib import blake2b
from typing import NamedTuple, Self

from multidict import MultiMapping
from yarl import URL

from proxy.config import QwenUpstream as Configured
from proxy.config import Settings
from proxy.deadline import Clock
from proxy.errors import (
    ConversationLost,
    TurnstileError,
    UpstreamDisconnected,
    UpstreamRefused,
    UpstreamTruncated,
)
from proxy.ports import Keeps, Node, Offer, Turn, UpstreamCall
from proxy.tasks import spawn
from proxy.upstreams.http import HttpAnswer, HttpTransport, PooledTransport
from proxy.upstreams.qwen.calls import Stop, StreamedCall, WholeCall
from proxy.upstreams.qwen.credential import Login, Standing
from proxy.upstreams.qwen.offers import Offers
from proxy.upstreams.qwen.site import QwenSite, form_of, is_success, make_uuid, nothing
from proxy.wire.qwen import (
    BodyStyle,
    QwenReader,
    Telling,
    UntellablePart,
    completion_body,
    read_whole,
    tell_everything,
    tell_news,
)
from proxy.wire.qwen.telling import NO_TOOLS
from proxy.wire.request import ChatRequest
from proxy.wire.upstream import sniff

STOP_S = 2.0  # how long the site may take to hear that an answer is not wanted any more
_FINGERPRINT_BYTES = 8


class _Step(NamedTuple):
    """Where a turn goes, and what it tells there; without a chat, it is the first of a new one."""

    told: Telling
    tools_fp: str
    chat_id: str | None = None
    parent_id: str | None = None


class QwenUpstream:
    """An `Upstream` for one account, or for guests."""

    kind = "qwen"
    keeps: Keeps = "tree"

    def __init__(
        self, entry: Configured, *, max_event_bytes: int, max_answer_bytes: int, clock: Clock, http: HttpTransport
    ) -> None:
        self.name = entry.name
        self.base_url = entry.base_url
        self.credential = Standing(entry.credential, entry.name, clock)
        self._entry = entry
        self._max_event_bytes = max_event_bytes
        self._max_answer_bytes = max_answer_bytes
        self._clock = clock
        self._http = http
        self._site = QwenSite(entry, clock, http)
        self.offers = Offers(self._site, self.credential, clock, entry)
        self._stops: set[asyncio.Task[None]] = set()

    @classmethod
    def configured(cls, entry: Configured, settings: Settings, clock: Clock) -> Self:
        """The upstream that a configuration entry describes, with a pool of connections of its own."""
        return cls(
            entry,
            max_event_bytes=settings.server.max_event_bytes,
            max_answer_bytes=settings.server.max_answer_bytes,
            clock=clock,
            http=PooledTransport(URL(entry.base_url)),
        )

    def scope(self, _request: ChatRequest, _caller_headers: MultiMapping[str]) -> str:
        """Caller and model say it all."""
        return ""

    def inherit(self, before: object) -> None:
        """Take over the last login and the last list of models, where they come from the same places."""
        if isinstance(before, QwenUpstream):
            self.credential.inherit(before.credential)
            if self.base_url == before.base_url:
                self.offers.inherit(before.offers)

    def offered(self) -> dict[str, Offer]:
        """The models of the site beside those configured, as far as they are known; see the port."""
        return self.offers.current()

    async def settle_offers(self) -> None:
        """Wait for the first list of models; see the port."""
        await self.offers.settle()

    async def open(self, turn: Turn) -> UpstreamCall:
        """Find the chat, or create one, and tell it the turn."""
        step = self._step(turn)
        login = self.credential.take()
        connected = turn.on_connected
        made_by_this_request = f"{self.name} {turn.upstream_model} {self.credential.version}"
        chat_id = step.chat_id or turn.notes.get(made_by_this_request)
        if chat_id is None:
            chat_id = await self._site.create_chat(login, turn.upstream_model, connected)
            turn.notes[made_by_this_request] = chat_id
            connected = nothing
        body = self._body(turn, step, chat_id, login)
        answer = await self._site.complete(login, chat_id, body, connected, stream=turn.stream)
        try:
            return await self._call(answer, login, chat_id, step)
        except BaseException:
            answer.close()
            raise

    async def close(self) -> None:
        """Let the calls in the background come to their end, which is near, and close every connection."""
        if self._stops:
            await asyncio.wait(self._stops)
        await self.offers.close()
        await self._http.close()

    # --- what is told

    def _step(self, turn: Turn) -> _Step:
        if turn.prefill is not None:
            raise UpstreamRefused("The upstream can't go on from the beginning of an answer.")
        if turn.request.n != 1:
            raise UpstreamRefused("The upstream gives one answer at a time.", code="unsupported_value", param="n")
        try:
            step = self._continued(turn) or self._begun(turn)
        except UntellablePart as part:
            message = f"The upstream can't be told content of type '{part.kind}'."
            raise UpstreamRefused(message, code="unsupported_content_part", param="messages") from part
        if not step.told.user.strip():
            raise UpstreamRefused("messages must end with a message to answer, with text in it", param="messages")
        return step

    def _begun(self, turn: Turn) -> _Step:
        told = tell_everything(
            turn.request.messages, turn.plan.tail, turn.tool_block, placeholders=self._puts_placeholders
        )
        return _Step(told, fingerprint(turn.tool_block))

    def _continued(self, turn: Turn) -> _Step | None:
        """The next turn of a chat; None if a new one is to be begun since the tools have changed."""
        ids, tail = turn.plan.ids, turn.plan.tail
        if ids is None:
            return None
        chat_id, parent_id, told_tools = self._place(ids)
        tools_fp = fingerprint(turn.tool_block)
        news = ""
        if tools_fp != told_tools:
            if self._entry.on_tools_change == "replay" and tail > 0:
                return None
            news = turn.tool_block or NO_TOOLS
        told = tell_news(turn.request.messages, tail, news, placeholders=self._puts_placeholders)
        return _Step(told, tools_fp, chat_id, parent_id)

    def _place(self, ids: Node) -> tuple[str, str, object]:
        """Chat and node to go on from; what is no such thing any more counts as lost."""
        other = "parent_id" if self._entry.chain == "response_id" else "response_id"
        chat_id, parent_id = ids.get("chat_id"), ids.get(self._entry.chain) or ids.get(other)
        if type(chat_id) is not str or type(parent_id) is not str:
            raise ConversationLost(detail="a record without ids")
        return chat_id, parent_id, ids.get("tools_fp")

    @property
    def _puts_placeholders(self) -> bool:
        return self._entry.unsupported_parts == "placeholder"

    def _body(self, turn: Turn, step: _Step, chat_id: str, login: Login) -> bytes:
        entry = self._entry
        asked = entry.thinking == "request" and turn.request.reasoning_effort not in (None, "none")
        style = BodyStyle(
            chat_mode=self._site.chat_mode(login),
            inline_system=entry.system_mode == "inline",
            extra_body=entry.extra_body,
            feature_config=entry.feature_config,
        )
        return completion_body(
            style,
            step.told,
            chat_id=chat_id,
            parent_id=step.parent_id,
            model=turn.upstream_model,
            stream=turn.stream,
            thinks=asked or entry.thinking == "on",
            now_s=self._clock.wall(),
            make_uuid=make_uuid,
        )

    # --- what comes back

    async def _call(self, answer: HttpAnswer, login: Login, chat_id: str, step: _Step) -> UpstreamCall:
        """Tell what has come by what it is, not by what was asked for."""
        content_type = answer.headers.get("Content-Type")
        if not is_success(answer) or (content_type and sniff(content_type, b"") in ("challenge", "unknown")):
            raise await self._site.fault(answer, login)
        head = await first_bytes(answer)
        form = form_of(content_type, head)
        accepts_empty = self._entry.empty_answer == "accept"
        if form == "sse":
            reader = QwenReader(
                chat_id, max_event_bytes=self._max_event_bytes, accepts_empty=accepts_empty, clean=login.clean
            )
            stop = self._stopper(login, chat_id) if self._entry.stop_on_abort else None
            return StreamedCall(answer, reader, head, chat_id=chat_id, tools_fp=step.tools_fp, stop=stop)
        if form == "json":
            return WholeCall(
                answer,
                partial(read_whole, chat_id=chat_id, accepts_empty=accepts_empty, clean=login.clean),
                head,
                chat_id=chat_id,
                tools_fp=step.tools_fp,
                max_answer_bytes=self._max_answer_bytes,
            )
        raise await self._site.fault(answer, login, head)

    def _stopper(self, login: Login, chat_id: str) -> Stop:
        def stop(response_id: str | None) -> None:
            task = spawn(self._stop(login, chat_id, response_id), name="stop an answer")
            self._stops.add(task)
            task.add_done_callback(self._stops.discard)

        return stop

    async def _stop(self, login: Login, chat_id: str, response_id: str | None) -> None:
        try:
            async with asyncio.timeout(STOP_S):
                await self._site.stop(login, chat_id, response_id)
        except (TurnstileError, TimeoutError):
            pass  # it was worth a try; the next turn says so if the site is still busy


def fingerprint(tool_block: str) -> str:
    """What tells blocks of tools apart; "" for none."""
    return blake2b(tool_block.encode(), digest_size=_FINGERPRINT_BYTES).hexdigest() if tool_block else ""


async def first_bytes(answer: HttpAnswer) -> bytes:
    """The body up to the read that has its first byte that is not blank.  Raises `UpstreamDisconnected` if none has."""
    head = b""
    try:
        while not head.strip():
            piece = await answer.read()
            if not piece:
                raise UpstreamDisconnected(detail="an answer without a body")
            head += piece
    except UpstreamTruncated as cut:
        raise UpstreamDisconnected(detail=cut.detail) from cut
    return head
