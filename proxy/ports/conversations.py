"""Which conversation a turn belongs to, and who holds it."""

from typing import Protocol

from multidict import MultiMapping

from proxy.ports.catalog import Candidate, Place
from proxy.ports.gate import Caller
from proxy.ports.upstream import Node, Plan
from proxy.wire.answer import Answer
from proxy.wire.request import ChatRequest

FRESH = "new"
"""The id by which a caller asks for a conversation that is not yet there."""


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

    @property
    def history_missing(self) -> bool:
        """Whether the request continues the conversation without telling it: only the upstream has the history."""

    def plan(self, candidate: Candidate, place: Place) -> Plan:
        """How much a call to *place* tells."""

    def sent(self) -> None:
        """The upstream may have taken the turn: unless it is confirmed, it was left open."""

    def refused(self) -> None:
        """The upstream has surely not taken the turn."""

    def forget(self) -> None:
        """The upstream has lost the conversation: drop the record, and tell everything from now on."""

    async def commit(self, candidate: Candidate, place: Place, answer: Answer, node: Node | None) -> None:
        """Record the turn, before its closing frames leave, and give the lease back; without a node nothing is."""

    def release(self) -> None:
        """Give the lease back, and mark a turn that was left open; nothing happens when there is no lease."""


class SessionStore(Protocol):
    """Where conversations are found."""

    async def take(
        self,
        caller: Caller,
        request: ChatRequest,
        candidate: Candidate,
        place: Place,
        *,
        session_id: str | None,
        headers: MultiMapping[str],
    ) -> Conversation:
        """Find the conversation of a turn, and wait for its lease.

        *session_id* is the id that the caller gave, if any.  Raises `ConversationBusy`, and
        `SessionStoreUnavailable` where the store is required.
        """
