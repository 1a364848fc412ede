"""All of it, as handed to every handler."""

from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import TypeAlias

from proxy.config import Clocks, Retry
from proxy.deadline import Clock
from proxy.ports.catalog import Catalog
from proxy.ports.conversations import SessionStore
from proxy.ports.gate import Gate, Lifecycle

ToolOutcomes: TypeAlias = Counter[tuple[str, str]]
"""How often reading tool calls came out how, by dialect and by a word from a closed set."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes that bound what is held in memory, in bytes."""

    max_body_bytes: int
    max_answer_bytes: int
    max_call_bytes: int


@dataclass(frozen=True, slots=True)
class Ports:
    """The world, as handed to every handler; *lease_wait_s* are the seconds of the clock `lease`.

    *echo_session*: bodies tell the id of the conversation as well.  *tool_outcomes* lives as long as the process.
    *allow_header_overrides*: callers may choose how answers are told.
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
    tool_outcomes: ToolOutcomes = field(default_factory=Counter)
    allow_header_overrides: bool = False
