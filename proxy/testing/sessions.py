"""Conversations that do what a test tells them to."""

from multidict import MultiMapping

from proxy.deadline import Clock
from proxy.errors import TurnstileError
from proxy.ports import Caller, Candidate, Conversation, Node, Place, Plan
from proxy.wire.answer import Answer
from proxy.wire.request import ChatRequest


class FakeConversation:
    """A turn's hold on a conversation that the upstream knows; it remembers what became of it.

    *committed*: the turn was recorded, with *node*.  *open*: the upstream may have taken it.  *held*: not let go of.
    """

    degraded = False
    history_missing = False

    def __init__(self, store: "FakeSessionStore") -> None:
        self.status = "hit"
        self.session_id = store.session_id
        self.committed = False
        self.node: Node | None = None
        self.open = False
        self.held = True
        self._store = store

    def plan(self, _candidate: Candidate, _place: Place) -> Plan:
        """What is new, until the upstream has lost the rest."""
        return Plan(None if self.status == "replay" else {"node": "known"})

    def sent(self) -> None:
        """The turn is under way."""
        self.open = True

    def refused(self) -> None:
        """It is not."""
        self.open = False

    def forget(self) -> None:
        """Tell everything from now on."""
        self.status = "replay"

    async def commit(self, _candidate: Candidate, _place: Place, _answer: Answer, node: Node | None) -> None:
        """Record the turn, in the time that the store takes for it."""
        if self._store.commit_s:
            await self._store.clock.sleep(self._store.commit_s)
        self.committed, self.open, self.node = True, False, node

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
        self,
        _caller: Caller,
        _request: ChatRequest,
        _candidate: Candidate,
        _place: Place,
        *,
        session_id: str | None,
        headers: MultiMapping[str],
    ) -> Conversation:
        """A conversation that the upstream knows."""
        del session_id, headers
        if self.take_s:
            await self.clock.sleep(self.take_s)
        error = self._errors.pop(0) if self._errors else None
        if error is not None:
            raise error
        self.taken.append(FakeConversation(self))
        return self.taken[-1]

    @property
    def held(self) -> int:
        """How many conversations are held."""
        return sum(conversation.held for conversation in self.taken)
