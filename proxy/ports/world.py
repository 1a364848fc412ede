"""All of it, as handed to every handler."""

from dataclasses import dataclass
from random import Random

from proxy.config import Clocks, Retry
from proxy.deadline import Clock
from proxy.ports.catalog import Catalog
from proxy.ports.conversations import SessionStore
from proxy.ports.gate import Gate, Lifecycle


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes that bound what is held in memory, in bytes."""

    max_body_bytes: int
    max_answer_bytes: int


@dataclass(frozen=True, slots=True)
class Ports:
    """The world, as handed to every handler; *lease_wait_s* are the seconds of the clock `lease`.

    *echo_session*: bodies tell the id of the conversation as well.
    """

    clock: Clock
    random: Random
    gate: Gate
    catalog: Catalog
    sessions: SessionStore
    lifecycle: Lifecycle
    limits: Limits
    clocks: Clocks
    lease_wait_s: float
    echo_session: bool
    retry: Retry
