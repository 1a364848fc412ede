"""Turns, crashes and lost leases in any order: no turn ever goes on from a place that is not what its caller shows.

Beside the conversations stands an upstream that remembers all it was told.  Whatever happened before, a call that goes
on from a node must find there exactly the history that the request shows: nothing lost, nothing of another branch, and
on an upstream that knows one line only nothing that was left half done.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.errors import ConversationBusy
from proxy.ports import Keeps
from proxy.sessions.conversation import StoredConversation
from proxy.sessions.leases import HOLD_S
from proxy.sessions.memory import MemoryStore
from proxy.sessions.sqlite import SQLiteStore
from proxy.sessions.store import RecordStore
from proxy.testing.clock import ManualClock, at_rest
from tests.sessions.turns import Desk

History = tuple[str, ...]
STEPS = ("begin", "begin", "begin", "finish", "finish", "abort", "refuse", "crash", "lose the lease", "wait", "forget")


@dataclass
class Line:
    """What an upstream remembers of one conversation: all it was told, and has said."""

    told: History


@dataclass
class Turn:
    """A turn under way: what its caller shows and asks, and where the upstream took it."""

    shown: History
    asked: str
    conversation: StoredConversation
    line: Line | None = None


@dataclass
class Site:
    """An upstream that remembers; a node is a line and how much of it there was."""

    keeps: Keeps
    nodes: dict[str, tuple[Line, History]] = field(default_factory=dict)

    def take(self, turn: Turn, node: str | None) -> None:
        """Take a turn, as the plan says."""
        if node is None:
            turn.line = Line((*turn.shown, turn.asked))
            return
        line, there = self.nodes[node]
        assert there == turn.shown, "a turn went on from another place than its caller shows"
        if self.keeps == "line":
            assert line.told == there, "something was left on the line that the caller does not show"
            line.told = (*there, turn.asked)
            turn.line = line
        else:
            turn.line = Line((*there, turn.asked))

    def answer(self, turn: Turn, number: int) -> tuple[str, str]:
        """Answer it: a text, and the node that this is."""
        assert turn.line is not None
        text, node = f"answer {number}", f"n{number}"
        turn.line.told = (*turn.line.told, text)
        self.nodes[node] = (turn.line, turn.line.told)
        return text, node


class Story:
    """One run: callers who show any history that there was, in one or two processes over one store."""

    def __init__(self, keeps: Keeps, store: RecordStore, clock: ManualClock) -> None:
        self.clock = clock
        self.site = Site(keeps)
        self.desks = [Desk(keeps=keeps, store=store, clock=clock, on_conflict="reject") for _ in range(2)]
        self.known: list[History] = [()]
        self.live: list[tuple[Desk, Turn]] = []
        self.count = 0

    async def step(self, what: str, choice: int) -> None:
        """Let one thing happen."""
        if what == "begin":
            await self.begin(choice)
        elif what == "wait":
            await self.clock.advance(HOLD_S + 1)
        elif self.live:
            desk, turn = self.live.pop(choice % len(self.live))
            await getattr(self, what.split(maxsplit=1)[0])(desk, turn)
        await at_rest()

    async def begin(self, choice: int) -> None:
        """A turn that shows a history that was there, and asks something that may have been asked before."""
        desk = self.desks[choice % 2]
        shown, asked = self.known[choice % len(self.known)], f"question {choice % 3}"
        try:
            conversation = await desk.take(*shown, asked)
        except ConversationBusy:
            return
        turn = Turn(shown, asked, conversation)
        node = desk.ids(conversation)
        conversation.sent()
        self.site.take(turn, node)
        self.live.append((desk, turn))

    async def finish(self, desk: Desk, turn: Turn) -> None:
        """It is answered, and recorded."""
        self.count += 1
        text, node = self.site.answer(turn, self.count)
        await desk.commit(turn.conversation, text, node)
        turn.conversation.release()
        self.known.append((*turn.shown, turn.asked, text))

    async def abort(self, _desk: Desk, turn: Turn) -> None:
        """Its caller leaves; the upstream may have written half an answer."""
        turn.conversation.release()

    async def refuse(self, desk: Desk, turn: Turn) -> None:
        """The upstream has not taken it after all, and nobody tries again."""
        assert turn.line is not None
        turn.line.told = turn.line.told[:-1]
        turn.conversation.refused()
        await self.abort(desk, turn)

    async def crash(self, desk: Desk, turn: Turn) -> None:
        """Its process dies; nothing is given back, and nothing renewed."""
        lease = turn.conversation._lease
        if lease is not None:
            desk.leases.drop(lease)

    async def lose(self, desk: Desk, turn: Turn) -> None:
        """Its process is stopped for so long that its lease runs out, then it goes on."""
        await self.crash(desk, turn)
        await self.clock.advance(HOLD_S + 1)
        self.live.append((desk, turn))

    async def forget(self, desk: Desk, turn: Turn) -> None:
        """The upstream says that it has lost the conversation: all is told again."""
        turn.conversation.forget()
        assert desk.ids(turn.conversation) is None
        self.site.take(turn, None)
        await self.finish(desk, turn)


async def in_memory(run: Callable[[RecordStore, ManualClock], Awaitable[None]]) -> None:
    clock = ManualClock()
    await run(MemoryStore(clock, max_records=1000), clock)


async def in_a_file(run: Callable[[RecordStore, ManualClock], Awaitable[None]]) -> None:
    clock = ManualClock()
    with TemporaryDirectory() as folder:
        store = SQLiteStore(Path(folder) / "s.db", clock, max_records=1000)
        try:
            await run(store, clock)
        finally:
            await store.close()


steps = st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 11)), max_size=40)


@pytest.mark.parametrize("keeps", ["tree", "line"])
@pytest.mark.parametrize("kept", [in_memory, in_a_file])
def test_a_turn_goes_on_only_from_what_its_caller_shows(keeps: Keeps, kept: Callable[..., Awaitable[None]]) -> None:
    examples = 60 if kept is in_a_file else 300
    going_on(keeps, kept, examples)


@pytest.mark.deep
@pytest.mark.parametrize("keeps", ["tree", "line"])
@pytest.mark.parametrize("kept", [in_memory, in_a_file])
def test_a_turn_goes_on_only_from_what_its_caller_shows_in_thousands_of_orders(
    keeps: Keeps, kept: Callable[..., Awaitable[None]]
) -> None:
    going_on(keeps, kept, 10_000 if kept is in_memory else 2_000)


def going_on(keeps: Keeps, kept: Callable[..., Awaitable[None]], examples: int) -> None:
    """Play that many orders."""

    @settings(max_examples=examples, deadline=None)
    @given(steps)
    def played(orders: list[tuple[str, int]]) -> None:
        async def run(store: RecordStore, clock: ManualClock) -> None:
            story = Story(keeps, store, clock)
            for what, choice in orders:
                await story.step(what, choice)

        whole: Any = kept(run)
        asyncio.run(whole)

    played()
