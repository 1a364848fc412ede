"""The calls that the site knows: create a chat, complete, stop, list the models."""

from collections.abc import Callable
from typing import Final
from urllib.parse import quote
from uuid import uuid4

from yarl import URL

from proxy.config import QwenUpstream as Configured
from proxy.deadline import Clock
from proxy.errors import TurnstileError, UpstreamDisconnected, UpstreamOversize, UpstreamTruncated
from proxy.upstreams.http import HttpAnswer, HttpTransport
from proxy.upstreams.qwen.credential import Login
from proxy.wire.qwen import SiteModel, fault_of, new_chat_body, read_chat_id, read_models, stop_body
from proxy.wire.upstream import sniff

JSON: Final = "application/json"
EVENTS: Final = "text/event-stream"
MAX_FAULT_BYTES = 64 * 1024  # of an error's body: enough for any message, little enough for any flood
MAX_LIST_BYTES = 4 * 1024 * 1024  # of the list of models

Connected = Callable[[], None]


def make_uuid() -> str:
    """A UUID of version 4."""
    return str(uuid4())


def nothing() -> None:
    """For calls whose connection no clock waits for."""


class QwenSite:
    """The site as one upstream sees it; every call raises the typed errors of the upstream."""

    def __init__(self, entry: Configured, clock: Clock, http: HttpTransport) -> None:
        self._entry = entry
        self._clock = clock
        self._http = http
        self._prefix = URL(entry.base_url).raw_path.rstrip("/")

    def chat_mode(self, login: Login) -> str:
        """Guest or normal, as configured or as the login is."""
        if self._entry.chat_mode != "auto":
            return self._entry.chat_mode
        return "guest" if login.is_guest else "normal"

    async def create_chat(self, login: Login, model: str, connected: Connected) -> str:
        """A new chat; returns its id."""
        body = new_chat_body(
            title=self._entry.chat_title, model=model, chat_mode=self.chat_mode(login), now_s=self._clock.wall()
        )
        answer = await self._send(login, "/api/v2/chats/new", body, connected)
        return read_chat_id(await self._json(answer, login, MAX_FAULT_BYTES), clean=login.clean)

    async def complete(
        self, login: Login, chat_id: str, body: bytes, connected: Connected, *, stream: bool
    ) -> HttpAnswer:
        """Ask for an answer, which has begun when this returns; its form is that of what came."""
        path = f"/api/v2/chat/completions?chat_id={quote(chat_id, safe='')}"
        return await self._send(login, path, body, connected, chat_id=chat_id, accept=EVENTS if stream else JSON)

    async def stop(self, login: Login, chat_id: str, response_id: str | None) -> None:
        """Stop an answer; what the site says to that does not matter."""
        path = f"/api/v2/chat/completions/stop?chat_id={quote(chat_id, safe='')}"
        answer = await self._send(login, path, stop_body(chat_id, response_id), nothing, chat_id=chat_id)
        try:
            await read_body(answer, MAX_FAULT_BYTES)
        finally:
            answer.close()

    async def models(self, login: Login) -> list[SiteModel]:
        """The models that chats can be held with."""
        answer = await self._send(login, "/api/models", b"", nothing, method="GET")
        body = await self._json(answer, login, MAX_LIST_BYTES)
        return read_models(body, guest=self.chat_mode(login) == "guest", clean=login.clean)

    async def fault(self, answer: HttpAnswer, login: Login, head: bytes = b"") -> TurnstileError:
        """The typed error of an answer that is none; of its body only the beginning is read."""
        body = bytearray(head)
        try:
            while len(body) < MAX_FAULT_BYTES and (piece := await answer.read()):
                body += piece
        except UpstreamTruncated:
            pass  # what has come of it must do
        return fault_of(
            answer.status,
            answer.headers.get("Content-Type"),
            bytes(body),
            answer.headers,
            now_s=self._clock.wall(),
            clean=login.clean,
        )

    async def _json(self, answer: HttpAnswer, login: Login, limit_bytes: int) -> bytes:
        """The body of an answer that is JSON; any other is an error."""
        try:
            if not is_success(answer):
                raise await self.fault(answer, login)
            body = await read_body(answer, limit_bytes)
            if form_of(answer.headers.get("Content-Type"), body) != "json":
                raise await self.fault(answer, login, body)
        finally:
            answer.close()
        return body

    async def _send(
        self,
        login: Login,
        path: str,
        body: bytes,
        connected: Connected,
        *,
        chat_id: str = "",
        accept: str = JSON,
        method: str = "POST",
    ) -> HttpAnswer:
        headers = {
            self._entry.token_header: login.token,
            "cookie": login.cookies,
            "user-agent": self._entry.user_agent,
            "content-type": JSON if method == "POST" else "",
            "accept": accept,
            "accept-encoding": "identity",
        }
        for name, value in self._entry.extra_headers.items():
            headers[name] = self._filled(value.reveal(), chat_id)
        sent = [(name.title(), value) for name, value in headers.items() if value]
        return await self._http.send(sent, body, connected, method=method, target=self._prefix + path)

    def _filled(self, value: str, chat_id: str) -> str:
        if "{" not in value:
            return value
        for name, text in (("base_url", self._entry.base_url), ("chat_id", chat_id), ("uuid", make_uuid())):
            value = value.replace(f"{{{name}}}", text)
        return value


def is_success(answer: HttpAnswer) -> bool:
    """Whether the status says that all is well."""
    return 200 <= answer.status < 300


def form_of(content_type: str | None, head: bytes) -> str:
    """What a successful answer is, in the words of `sniff`: by its type, unless it plainly begins as something else."""
    declared = sniff(content_type, head)
    seen = sniff(None, head)
    return declared if seen == "unknown" or declared == "unknown" else seen


async def read_body(answer: HttpAnswer, limit_bytes: int, head: bytes = b"") -> bytes:
    """The whole body.  Raises `UpstreamOversize`, `UpstreamTruncated`, or `UpstreamDisconnected` if nothing came."""
    body = bytearray(head)
    try:
        while len(body) <= limit_bytes and (piece := await answer.read()):
            body += piece
    except UpstreamTruncated as cut:
        raise cut if body else UpstreamDisconnected(detail=cut.detail) from cut
    if len(body) > limit_bytes:
        raise UpstreamOversize(detail=f"a body of more than {limit_bytes} bytes")
    if not body.strip():
        raise UpstreamDisconnected(detail="an answer without a body")
    return bytes(body)
