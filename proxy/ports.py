"""What the states may ask of the world, as Protocols.

Whoever implements one of these stands on the other side: `proxy.server` for the caller and the lifecycle,
`proxy.routing` for the gate and the catalog, `proxy.sessions` for conversations, `proxy.upstreams` for the kinds of
upstream, `proxy.testing` for all of them.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from multidict import CIMultiDict, MultiMapping

from proxy.config import Clocks, Model, Retry
from proxy.deadline import Clock
from proxy.errors import TurnstileError
from proxy.wire.answer import RateLimit
from proxy.wire.events import StreamEvent
from proxy.wire.request import ChatRequest, ModelRules

Headers = Sequence[tuple[str, str]]
EventSink = Callable[[Sequence[StreamEvent]], bool]
"""Takes the events of one read, of which there may be none; false asks for a pause."""

Release = Callable[[], None]
"""Gives a slot, a lease or a place back; safe to call once, at any time, from anywhere on the loop."""


# --- the caller ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RequestHead:
    """A request as it came in, without its body.

    *headers* is looked up by name in any case, and knows repeated fields.
    """

    method: str
    path: str
    headers: MultiMapping[str]
    content_length: int | None
    peer: str


class Client(Protocol):
    """The caller's side of a request: read the body once, then write one answer.

    A write returns when the socket has taken the bytes, or has room again.  Writing to a caller who has left raises
    `ClientGone`; being cancelled while writing leaves the connection unusable, and it is closed.
    """

    head: RequestHead

    @property
    def committed(self) -> bool:
        """Whether status and headers have left."""

    @property
    def streaming(self) -> bool:
        """Whether the answer is a stream: `hold` was called."""

    @property
    def bytes_sent(self) -> int:
        """Bytes of the body that have left."""

    async def read_body(self, limit_bytes: int) -> bytes:
        """The whole body.  Raises `RequestTooLarge` as soon as it is over the limit, `ClientGone` if it breaks off."""

    def hold(self, headers: Callable[[], Headers], *, commit_after_s: float, heartbeat_s: float) -> None:
        """Keep 200 and the *headers* of a stream back, for *commit_after_s* seconds at most (0 = without limit).

        From the commit on, a comment is written whenever *heartbeat_s* seconds passed without a write (0 = never).
        """

    async def begin(self, frames: bytes) -> None:
        """Write the first piece of the stream, and the held status and headers before it if they have not left."""

    def put(self, frames: bytes) -> bool:
        """Write a further piece, at once.  False says that the socket is full: nothing more before `drain`."""

    async def drain(self) -> None:
        """Wait until the socket has room again."""

    async def end(self, frames: bytes = b"", *, close: bool = False) -> None:
        """Write the last piece, and end the body in good order; with *close* the connection ends as well."""

    async def answer(self, status: int, headers: Headers, body: bytes) -> None:
        """Write a whole answer at once."""

    def reset(self) -> None:
        """Break the connection off."""


# --- who may, and is there room --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is calling: the name of the key, a fingerprint of it for logs and scopes, and what it is allowed."""

    name: str
    fingerprint: str
    models: tuple[str, ...]
    rpm: int
    max_parallel: int

    def may_use(self, model_id: str) -> bool:
        """Whether the key's list names the model, all models, or a prefix of it (`mix/*`)."""
        return any(
            allowed in ("*", model_id) or (allowed.endswith("/*") and model_id.startswith(allowed[:-1]))
            for allowed in self.models
        )


class Gate(Protocol):
    """Who is calling, and whether there is room for them."""

    def check_room(self) -> None:
        """Raise `Overloaded` when all slots and the whole queue are taken, so that a body need not be read."""

    def identify(self, presented_key: str | None) -> Caller:
        """The caller behind a key.  Raises `InvalidApiKey`."""

    def limit(self, caller: Caller) -> Release:
        """Count a request against the caller's own limits.  Raises `RateLimitExceeded`, `ConcurrencyLimitExceeded`."""

    def rate_limits(self, caller: Caller) -> Sequence[RateLimit]:
        """What a caller who has limits may still use."""

    async def admit(self) -> Release:
        """Wait for a slot in the daemon.  Raises `Overloaded` when the queue is full."""


class Slots(Protocol):
    """A bounded number of calls at a time, first come first served."""

    async def take(self) -> Release:
        """Wait for a slot."""


class Lifecycle(Protocol):
    """What the daemon is about to do."""

    @property
    def draining(self) -> bool:
        """Whether the daemon takes its leave: answers carry `Connection: close`."""

    @property
    def refusing(self) -> bool:
        """Whether new requests are turned away."""


# --- upstreams -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Turn:
    """One call to an upstream, all that it needs to know.

    *on_connected* is to be called as soon as a connection is there, so that the clock `connect` stops.  *prefill* is
    text that has already been told as the beginning of this answer.  *caller_headers* are the caller's own: an
    upstream passes on those that its configuration names, and the caller's own key where that is configured.
    """

    request: ChatRequest
    upstream_model: str
    request_id: str
    stream: bool
    on_connected: Callable[[], None]
    prefill: str | None = None
    renew_credential: bool = False
    max_output_tokens: int | None = None
    caller_headers: MultiMapping[str] = field(default_factory=CIMultiDict)


class UpstreamCall(Protocol):
    """An answer under way.  Its holder closes it in any case; closing an unfinished one cancels it."""

    @property
    def request_id(self) -> str | None:
        """The upstream's own id of the answer."""

    @property
    def complete(self) -> bool:
        """Whether the final events have been received."""

    @property
    def finishing(self) -> bool:
        """Whether only usage or the end mark are still to come: the clock `tail` runs."""

    async def receive(self) -> Sequence[StreamEvent]:
        """The next events, in order, none when the bytes bore none.  Raises the typed errors of the upstream."""

    async def flow(self, sink: EventSink) -> None:
        """Give the events to *sink* as they come, in the turn of the loop in which they come.

        Returns when the answer is complete or finishing, or when the sink has asked for a pause.  Raises the typed
        errors of the upstream, and whatever the sink raises.
        """

    def settle(self) -> Sequence[StreamEvent]:
        """The final events, when the clock `tail` ran out before the upstream ended by itself."""

    def close(self) -> None:
        """Let go of it, at once."""


class Upstream(Protocol):
    """A backend, whatever it speaks."""

    name: str
    kind: str

    async def open(self, turn: Turn) -> UpstreamCall:
        """Connect and send; returns when the upstream has begun to answer.  Raises the typed errors of the upstream."""

    async def close(self) -> None:
        """Give back everything, at the end of the daemon."""


# --- which upstream answers a model ----------------------------------------------------------------------------------


class Visit(Protocol):
    """One call, as the health of what is called sees it."""

    def answered(self) -> None:
        """The answer has begun."""

    def leave(self, error: TurnstileError | None) -> None:
        """The call has ended, well or not; what is said after the first time is not heard."""


class Health(Protocol):
    """How an upstream is, as one model entry sees it."""

    def wait_s(self) -> float:
        """Seconds until it may be called; 0 = now."""

    @property
    def rests(self) -> bool:
        """Whether it may be called, but another is the better choice."""

    def enter(self) -> Visit:
        """Begin a call, which must be allowed."""


@dataclass(frozen=True, slots=True)
class Place:
    """One upstream as one model entry uses it."""

    upstream: Upstream
    slots: Slots
    clocks: Clocks
    health: Health
    always_streams: bool


@dataclass(frozen=True, slots=True)
class Candidate:
    """One model entry that may answer: the one asked for, or one of its fallbacks; its upstreams take turns."""

    model_id: str
    upstream_model: str
    entry: Model
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Route:
    """What a model id leads to: the checks for its requests, and who may answer, in order.

    *turns* counts the requests, so that the upstreams of an entry take turns.
    """

    rules: ModelRules
    candidates: tuple[Candidate, ...]
    turns: Iterator[int]


class Catalog(Protocol):
    """The models on offer."""

    def find(self, model_id: str) -> Route | None:
        """The route of an id, an alias, or an id under a prefix entry."""

    def listing(self, caller: Caller) -> list[dict[str, object]]:
        """The model objects that a caller may use, in configured order."""

    def show(self, model_id: str, caller: Caller) -> dict[str, object] | None:
        """One model object, if there is such a model and the caller may use it."""


# --- conversations ---------------------------------------------------------------------------------------------------


class Conversation(Protocol):
    """What a turn holds of its conversation: at most a lease, given back when the turn ends in any way."""

    @property
    def status(self) -> str:
        """`none`, `new`, `hit` or `replay`."""

    @property
    def degraded(self) -> bool:
        """Whether the store could not be asked, and memory stood in for it."""

    @property
    def session_id(self) -> str | None:
        """Our own id of the conversation, which the caller may send back."""

    async def commit(self) -> None:
        """Record the turn, before its closing frames leave."""

    def release(self) -> None:
        """Give the lease back; nothing happens when there is none."""


class SessionStore(Protocol):
    """Where conversations are found."""

    async def take(self, caller: Caller, request: ChatRequest, candidate: Candidate, *, replay: bool) -> Conversation:
        """Find the conversation and take its lease; *replay* asks for a fresh one.  Raises `ConversationBusy`."""


# --- all of it -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes that bound what is held in memory, in bytes."""

    max_body_bytes: int
    max_answer_bytes: int


@dataclass(frozen=True, slots=True)
class Ports:
    """The world, as handed to every handler."""

    clock: Clock
    random: Random
    gate: Gate
    catalog: Catalog
    sessions: SessionStore
    lifecycle: Lifecycle
    limits: Limits
    clocks: Clocks
    retry: Retry
