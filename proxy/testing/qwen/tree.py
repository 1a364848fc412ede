"""Chats as the site keeps them: trees of nodes, two for each turn."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal
from uuid import uuid4

Chain = Literal["parent_id", "response_id"]
Said = tuple[str, str]
"""A role, and a text."""


class UnknownNode(Exception):
    """A turn names a node that the chat does not have."""


@dataclass(slots=True)
class Exchange:
    """One turn: the node of what was asked (`parent_id` of the answer), and that of the answer (`response_id`)."""

    asked: str
    answer: str = ""
    system: str = ""
    before: "Exchange | None" = None
    remembers: bool = True  # it goes on from a node that holds the answer before it, not only the question
    parent_id: str = field(default_factory=lambda: str(uuid4()))
    response_id: str = field(default_factory=lambda: str(uuid4()))

    def shown(self) -> list[Said]:
        """What the model is shown for this turn, from the root on."""
        said: list[Said] = []
        if self.before is not None:
            said = self.before.shown()
            if self.remembers:
                said.append(("assistant", self.before.answer))
        if self.system:
            said.append(("system", self.system))
        return [*said, ("user", self.asked)]


@dataclass(slots=True)
class Chat:
    """One chat of one account; *chain* is the id by which the site takes a turn to follow an answer.

    A turn that names the other id of an answer is taken, too, but its model is not shown that answer.
    """

    owner: str
    model: str
    chain: Chain
    id: str = field(default_factory=lambda: str(uuid4()))
    exchanges: list[Exchange] = field(default_factory=list)
    in_progress: bool = False

    def take(self, parent_id: str | None, asked: str, system: str) -> Exchange:
        """A new turn under a node, or under none.  Raises `UnknownNode`."""
        before = None
        if parent_id is not None:
            before = next((each for each in self.exchanges if parent_id in (each.parent_id, each.response_id)), None)
            if before is None:
                raise UnknownNode(parent_id)
        remembers = before is not None and parent_id == getattr(before, self.chain)
        taken = Exchange(asked, system=system, before=before, remembers=remembers)
        self.exchanges.append(taken)
        return taken

    def branches(self) -> list[list[str]]:
        """What was asked on the way to every leaf, in the order in which the leaves came."""
        inner = {id(each.before) for each in self.exchanges}
        return [[step.asked for step in self._way(each)] for each in self.exchanges if id(each) not in inner]

    def _way(self, leaf: Exchange) -> list[Exchange]:
        return list(reversed(list(self._up(leaf))))

    def _up(self, leaf: Exchange) -> Iterator[Exchange]:
        step: Exchange | None = leaf
        while step is not None:
            yield step
            step = step.before
