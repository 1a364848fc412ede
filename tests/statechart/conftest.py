"""What the tests of the chart share: something to fire, and a reading of the table that owes nothing to the library."""

from collections.abc import Callable

import pytest

from statechart.chart import INITIAL
from statechart.model import Model
from statechart.vocabulary import Event, Facts, State


class Walker:
    """The least that can be fired; it remembers what it was told."""

    __slots__ = ("__weakref__", "asked", "known", "state", "told")

    def __init__(self, state: State = INITIAL, known: Facts = Facts()) -> None:  # noqa: B008 - a tuple
        self.state = state
        self.known = known
        self.asked = 0
        self.told: list[tuple[State, Event, State]] = []

    def facts(self) -> Facts:
        self.asked += 1
        return self.known

    def entered(self, source: State, event: Event, target: State) -> None:
        self.told.append((source, event, target))


def read_table(model: Model, state: State, event: Event, facts: Facts) -> State | None:
    """Where the table leads, read row by row as its docstring says; None where it says nothing."""
    for row in model.rows:
        if state in row.sources and event in row.events and row.guard(facts):
            return row.target
    return None


@pytest.fixture(scope="session")
def walker() -> type[Walker]:
    return Walker


@pytest.fixture(scope="session")
def table() -> Callable[[Model, State, Event, Facts], State | None]:
    return read_table
