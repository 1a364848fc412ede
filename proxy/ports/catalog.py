"""Which upstreams answer a model, and how they are."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from multidict import MultiMapping

from proxy.config import Allowance, Clocks, Controls, Model
from proxy.errors import TurnstileError
from proxy.ports.gate import Caller, Slots
from proxy.ports.upstream import Override, Upstream
from proxy.wire.request import ChatRequest, ModelRules


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


PLAIN = Controls()
"""Answers are told as they come."""


@dataclass(frozen=True, slots=True)
class Place:
    """One upstream as one model entry uses it.

    *dialect* is how the model writes tool calls: `native` in the upstream's own way, else the name of a text dialect.
    """

    upstream: Upstream
    slots: Slots
    clocks: Clocks
    health: Health
    always_streams: bool
    dialect: str = "native"
    controls: Controls = PLAIN


NO_LIMITS = Allowance()


@dataclass(frozen=True, slots=True)
class Candidate:
    """One model entry that may answer: the one asked for, or one of its fallbacks; its upstreams take turns."""

    model_id: str
    upstream_model: str
    entry: Model
    places: tuple[Place, ...]
    allowance: Allowance = NO_LIMITS


RequestCheck = Callable[[ChatRequest, MultiMapping[str]], Override | None]
"""See `ChecksRequests.check`."""


@dataclass(frozen=True, slots=True)
class Route:
    """What a model id leads to: the checks for its requests, and who may answer, in order.

    *turns* counts the requests, so that the upstreams of an entry take turns.  *passed_header*: the caller's header
    whose token is passed on, which tells callers apart where no key is asked for; "" = none.
    *checks*: what the upstreams of the model asked for find fault with, beyond its rules.
    """

    rules: ModelRules
    candidates: tuple[Candidate, ...]
    turns: Iterator[int]
    passed_header: str = ""
    checks: tuple[RequestCheck, ...] = ()


class Catalog(Protocol):
    """The models on offer."""

    def find(self, model_id: str) -> Route | None:
        """The route of an id, an alias, or an id under a prefix entry."""

    def listing(self, caller: Caller) -> list[dict[str, object]]:
        """The model objects that a caller may use, in configured order."""

    def show(self, model_id: str, caller: Caller) -> dict[str, object] | None:
        """One model object, if there is such a model and the caller may use it."""
