"""Conversations that do what a test tells them to."""

from proxy.deadline import Clock
from proxy.errors import TurnstileError
from proxy.ports import Caller, Candidate, Conversation
from proxy.wire.request import ChatRequest


class FakeConversation:
    """A turn's hold on a conversation; it remembers whether it was recorded, and whether it was let go of."""

    degraded = False

    def __init__(self, store: "FakeSessionStore", *, status: str) -> None:
        self.status = status
        self.session_id = store.session_id
        self.committed = False
        self.held = True
        self._store = store

    async def commit(self) -> None:
        """Record the turn, in the time that the store takes for it."""
        if self._store.commit_s:
            await self._store.clock.sleep(self._store.commit_s)
        self.committed = True

    def release(self) -> None:
        """Let go."""
        self.held = False


class FakeSessionStore:
    """A `SessionStore`: *take_s* and *commit_s* are the seconds that it takes for the one and the other.

    *errors* are raised by successive `take`s, None standing for one that works; after the last of them all work.
    """

    def __init__(
        self,
        clock: Clock,
        *errors: TurnstileError | None,
        take_s: float = 0.0,
        commit_s: float = 0.0,
        session_id: str | None = None,
    ) -> None:
        self.clock = clock
        self.take_s = take_s
        self.commit_s = commit_s
        self.session_id = session_id
        self.taken: list[FakeConversation] = []
        self._errors = list(errors)

    async def take(
        self, _caller: Caller, _request: ChatRequest, _candidate: Candidate, *, replay: bool
    ) -> Conversation:
        """A conversation: `new`, or `replay` when that was asked for."""
        if self.take_s:
            await self.clock.sleep(self.take_s)
        error = self._errors.pop(0) if self._errors else None
        if error is not None:
            raise error
        self.taken.append(FakeConversation(self, status="replay" if replay else "new"))
        return self.taken[-1]

    @property
    def held(self) -> int:
        """How many conversations are held."""
        return sum(conversation.held for conversation in self.taken)
