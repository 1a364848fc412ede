"""What a kind of child process is to the supervision: how it is started, and who attends to each one."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from proxy.errors import TurnstileError
from proxy.upstreams.child.process import Command
from proxy.upstreams.child.rpc import Failure, RpcListener

if TYPE_CHECKING:
    from proxy.upstreams.child.child import Child


class Unsupported(Exception):
    """The program that was started can't be worked with, now or later; the message says why, in one word."""


class Attendant(RpcListener, Protocol):
    """Who attends to one child, from its start to its end: everything that is particular to the kind."""

    @property
    def turns(self) -> int:
        """Turns that run on it."""

    async def greet(self) -> None:
        """Handshake and probe.  Raises `Unsupported`, or whatever goes wrong."""

    def unreadable(self, head: bytes, error: TurnstileError) -> bool:
        """A line that begins with *head* can't be read: whether it is known whose it was, and that turn has failed."""

    def rest(self) -> None:
        """The lines of one read have all been told."""

    def lost(self, failure: Failure) -> None:
        """The child is gone: every turn on it fails, at once."""

    def drain(self) -> None:
        """No new turn will come: let go of what only waits."""

    def cut(self) -> None:
        """No more patience: interrupt what runs."""


@dataclass(frozen=True, slots=True)
class ChildKind:
    """A kind of child, by what the supervision asks of it.

    *command* prepares what the child of a slot needs and says how to start it; raises OSError.
    """

    name: str
    command: Callable[[int], Command]
    attend: "Callable[[Child], Attendant]"


@dataclass(frozen=True, slots=True)
class ChildLimits:
    """What bounds a pool of children.

    *handshake_s*: from the start to readiness.  *drain_s*: patience with the turns of a child that is replaced.
    """

    processes: int
    min_ready: int
    handshake_s: float
    rpc_s: float
    max_in_flight: int
    max_line_bytes: int
    max_rss_bytes: int
    drain_s: float
