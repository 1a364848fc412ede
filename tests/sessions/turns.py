"""Turns as the states make them: a caller, a request, a place, and what became of it."""

from random import Random
from typing import Any

from multidict import CIMultiDict

from proxy.config import Clocks, Model, Session
from proxy.ports import Caller, Candidate, Keeps, Node, Place
from proxy.routing.slots import slots_of
from proxy.sessions.conversation import StoredConversation
from proxy.sessions.finding import StoredSessions
from proxy.sessions.leases import Leases
from proxy.sessions.memory import MemoryStore
from proxy.sessions.store import RecordStore
from proxy.testing.clock import ManualClock
from proxy.testing.inprocess import InProcessUpstream
from proxy.wire.answer import Answer
from proxy.wire.events import TextDelta
from proxy.wire.request import ModelRules, check_chat

ALICE = Caller("alice", "aaaaaaaa", ("*",), 0, 0)
BOB = Caller("bob", "bbbbbbbb", ("*",), 0, 0)
CANDIDATE = Candidate("m", "m", Model(id="m", upstream="up"), ())

Json = dict[str, Any]


class NoHealth:
    """An upstream that is always well; nobody asks here."""


def place(name: str = "up", keeps: Keeps = "tree") -> Place:
    """Somewhere that a conversation is kept."""
    upstream = InProcessUpstream(name, (), ManualClock(), keeps=keeps)
    return Place(upstream, slots_of(0), Clocks(), NoHealth(), always_streams=False)  # type: ignore[arg-type]  # nobody asks


def answer_of(text: str) -> Answer:
    """An answer of so many words."""
    answer = Answer()
    answer.fold([TextDelta(text)])
    return answer


class Desk:
    """One process that takes turns, with a store of its own or one that others have, too."""

    def __init__(
        self,
        *,
        keeps: Keeps = "tree",
        store: RecordStore | None = None,
        clock: ManualClock | None = None,
        **settings: Any,
    ) -> None:
        self.clock = clock or ManualClock()
        self.store = store or MemoryStore(self.clock, max_records=1000)
        self.leases = Leases(self.store, self.clock)
        self.place = place(keeps=keeps)
        self.elsewhere = place("elsewhere", keeps=keeps)
        self.sessions = StoredSessions(Session(**settings), self.store, self.leases, self.clock, Random(7))

    async def take(
        self,
        *messages: Json | str,
        session_id: str | None = None,
        caller: Caller = ALICE,
        headers: Json | None = None,
        **body: Any,
    ) -> StoredConversation:
        """Take the conversation of a turn; texts are messages of user and assistant, in turn."""
        request = check_chat(
            {"model": "m", "messages": list(told(*messages)), **body}, ModelRules(openai=True, require_user=False)
        )
        found = await self.sessions.take(
            caller, request, CANDIDATE, self.place, session_id=session_id, headers=CIMultiDict(headers or {})
        )
        assert isinstance(found, StoredConversation)
        return found

    async def turn(self, *messages: Json | str, answer: str, node: str, **options: Any) -> StoredConversation:
        """A whole turn, recorded under *node*."""
        conversation = await self.take(*messages, **options)
        conversation.plan(CANDIDATE, self.place)
        conversation.sent()
        await self.commit(conversation, answer, node)
        return conversation

    async def commit(self, conversation: StoredConversation, answer: str, node: str | None) -> None:
        """Record an answer."""
        ids: Node | None = {"node": node} if node is not None else None
        await conversation.commit(CANDIDATE, self.place, answer_of(answer), ids)

    def ids(self, conversation: StoredConversation) -> str | None:
        """The node that a turn goes on from."""
        ids = conversation.plan(CANDIDATE, self.place).ids
        return None if ids is None else str(ids["node"])


def told(*messages: Json | str) -> list[Json]:
    """Messages; texts are those of user and assistant, in turn."""
    roles = ("user", "assistant")
    return [
        {"role": roles[index % 2], "content": message} if isinstance(message, str) else message
        for index, message in enumerate(messages)
    ]
