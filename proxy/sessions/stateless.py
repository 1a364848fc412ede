"""No conversation: an upstream that keeps nothing is told everything every time."""

from proxy.ports import Candidate, Node, Place, Plan
from proxy.wire.answer import Answer

EVERYTHING = Plan()


class NoConversation:
    """The `Conversation` of a turn that belongs to none."""

    status = "none"
    degraded = False
    session_id = None
    history_missing = False

    def plan(self, _candidate: Candidate, _place: Place) -> Plan:
        """Everything is told."""
        return EVERYTHING

    def sent(self) -> None:
        """Nothing is noted."""

    def refused(self) -> None:
        """Nothing is noted."""

    def forget(self) -> None:
        """Nothing is known."""

    async def commit(self, _candidate: Candidate, _place: Place, _answer: Answer, _node: Node | None) -> None:
        """Nothing is recorded."""

    def release(self) -> None:
        """Nothing is held."""


NO_CONVERSATION = NoConversation()
