"""A backend: a call to it, and the answer under way."""

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias, runtime_checkable

from multidict import CIMultiDict, MultiMapping

from proxy.wire.events import StreamEvent
from proxy.wire.request import ChatRequest

EventSink = Callable[[Sequence[StreamEvent]], bool]
"""Takes the events of one read, of which there may be none; false asks for a pause."""

Node: TypeAlias = Mapping[str, str | int | bool | None]
"""An adapter's own ids of one place in a conversation, opaque to everyone else; they survive JSON."""

Keeps: TypeAlias = Literal["nothing", "tree", "line"]
"""What an upstream keeps of a conversation.

`nothing`: it is told everything each time.  `tree`: any node may be continued, any number of times; a turn sent twice
is a sibling that nobody continues.  `line`: only the head can be continued, and only if no turn was left open on it; a
turn that may have been taken is told again in a new conversation.
"""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of a conversation a call tells: all of it, or what is new since a node that the upstream keeps.

    *ids* are the adapter's own ids of that node, as `UpstreamCall.node` gave them; None = the upstream begins a
    conversation, and is told everything.  *tail* is the index of the first message after the last assistant message:
    what is new to an upstream that knows the rest.
    """

    ids: Node | None = None
    tail: int = 0


def unobserved(_clock: str) -> None:
    """Nobody asks what is waited for."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One call to an upstream, all that it needs to know.

    *on_connected* is to be called as soon as a connection is there, so that the clock `connect` stops.  *on_wait* is
    to be called with the name of a clock where another one bounds what is waited for first: `token` before a credential
    is fetched, `connect` when it is there.  *prefill* is
    text that has already been told as the beginning of this answer.  *caller_headers* are the caller's own: an
    upstream passes on those that its configuration names, and the caller's own key where that is configured.  *plan*
    matters to upstreams that keep conversations.  *tool_block* tells the model in words of the tools that it may call,
    where they are told as text: the request then declares none.  With *tools_as_text* the calls and results of its
    history are text already, results still in messages of the role `tool`.  *notes* are what adapters want to know
    again in the next attempt of the same request; they live as long as it does.  *summary* tells of earlier messages
    that were left out, to upstreams that say themselves where it goes.  *effort* is the
    reasoning effort where the caller asks for none.
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
    plan: Plan = Plan()
    tool_block: str = ""
    tools_as_text: bool = False
    notes: MutableMapping[str, str] = field(default_factory=dict)
    on_wait: Callable[[str], None] = unobserved
    summary: str = ""
    effort: str | None = None


@dataclass(frozen=True, slots=True)
class Override:
    """Where a call goes, for upstreams whose address callers may name: *host* and port, and what has led there.

    `default`: the configured one; `allowlist`: one that is listed; `dynamic`: one that any host is allowed for.
    """

    host: str
    by: Literal["default", "allowlist", "dynamic"]

    @property
    def named(self) -> bool:
        """Whether the caller has named it."""
        return self.by != "default"


@dataclass(frozen=True, slots=True)
class Rendering:
    """One way in which an upstream may read a turn: its texts, and how many entries of messages they stand in."""

    texts: Sequence[str]
    entries: int = 0


@runtime_checkable
class LaysOut(Protocol):
    """An upstream that lays turns out in its own way, and always says how long the answer may be."""

    def measure(self, request: ChatRequest, plan: Plan, tool_block: str, summary: str) -> Sequence[Rendering]:
        """What would be sent, each way in which the upstream may read it; pure."""


@runtime_checkable
class ChecksRequests(Protocol):
    """An upstream that finds fault with requests before anything is done for them."""

    def check(self, request: ChatRequest, caller_headers: MultiMapping[str]) -> Override | None:
        """Where the call will go, if callers may name that.  Raises `RequestRejected`."""


class UpstreamCall(Protocol):
    """An answer under way.  Its holder closes it in any case; closing an unfinished one cancels it."""

    @property
    def request_id(self) -> str | None:
        """The upstream's own id of the answer."""

    @property
    def node(self) -> Node | None:
        """The ids of the node that this answer is, by which a next turn can continue it; None if none can."""

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
    keeps: Keeps

    def scope(self, request: ChatRequest, caller_headers: MultiMapping[str]) -> str:
        """What else tells its conversations apart, beside caller and model (a persona, an address); "" for nothing."""

    async def open(self, turn: Turn) -> UpstreamCall:
        """Connect and send; returns when the upstream has begun to answer.  Raises the typed errors of the upstream."""

    async def close(self) -> None:
        """Give back everything, at the end of the daemon."""


CredentialState: TypeAlias = Literal["absent", "valid", "expired"]


class Credential(Protocol):
    """A login that may be absent, run out, and change while the daemon runs."""

    @property
    def state(self) -> CredentialState:
        """How it is now."""

    @property
    def version(self) -> int:
        """A number that changes with it."""


@runtime_checkable
class Inherits(Protocol):
    """An upstream that has learnt something that outlives a reload."""

    def inherit(self, before: object) -> None:
        """Take over what the upstream of the same name knew *before* the reload, as far as that is still of use."""


@runtime_checkable
class HasCredential(Protocol):
    """An upstream whose login is not settled by the configuration."""

    credential: Credential


@dataclass(frozen=True, slots=True)
class Offer:
    """A model that an upstream offers by itself; None for what it does not say.  *created* is in Unix seconds."""

    owned_by: str
    created: int | None = None
    context_window_tokens: int | None = None
    max_output_tokens: int | None = None


@runtime_checkable
class OffersModels(Protocol):
    """An upstream that may offer models beside those that are configured."""

    def offered(self) -> Mapping[str, Offer]:
        """The models by id, as far as they are known by now; never waits, and has them looked up if need be."""

    async def settle_offers(self) -> None:
        """Wait, a few seconds at most, until it is known what is offered."""
