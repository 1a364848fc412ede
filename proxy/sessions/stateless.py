"""No conversations: every upstream is told the whole history every time."""

from proxy.ports import Caller, Candidate, Conversation
from proxy.wire.request import ChatRequest


class NoConversation:
    """A turn that belongs to no conversation."""

    status = "none"
    degraded = False
    session_id = None

    async def commit(self) -> None:
        """Nothing is recorded."""

    def release(self) -> None:
        """Nothing is held."""


NO_CONVERSATION = NoConversation()


class Stateless:
    """The `SessionStore` of a daemon whose upstreams keep nothing."""

    async def take(
        self, _caller: Caller, _request: ChatRequest, _candidate: Candidate, *, replay: bool
    ) -> Conversation:
        """The same for every turn."""
        del replay
        return NO_CONVERSATION
