"""The chart as one flat, ordered list of edges: what the machine is built from, what every check and export reads.

A row of the table may stand for many edges (several states, several events); here each has its own line, in the order
in which the machine tries them.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import NamedTuple

from statechart.chart import CHART, INITIAL, WAITS, Row, Wait
from statechart.guards import Guard, always
from statechart.truth import truth_table
from statechart.vocabulary import WORKING_STATES, Event, State

_LIFE = {state: place for place, state in enumerate(State)}
_EVENTS = {event: place for place, event in enumerate(Event)}


class Edge(NamedTuple):
    """*source* on *event*, if *guard*, goes to *target*; *row* is the place of its row in the table."""

    source: State
    event: Event
    guard: Guard
    target: State
    row: int


ELSE = "else"
"""What pictures say for `always` where it ends a guarded cell; elsewhere they say nothing for it."""


class Label(NamedTuple):
    """What stands at an arrow: *events* that take it under one *condition*: a guard's name, ELSE, or nothing."""

    events: tuple[Event, ...]
    condition: str

    def __str__(self) -> str:
        return ", ".join(self.events) + (f" [{self.condition}]" if self.condition else "")


class Arrow(NamedTuple):
    """All edges from *source* to *target*, as a picture shows them."""

    source: State
    target: State
    labels: tuple[Label, ...]


@dataclass(frozen=True)
class Model:
    """A chart: its three literals, and what follows from them."""

    rows: tuple[Row, ...]
    waits: tuple[Wait, ...]
    initial: State

    @cached_property
    def edges(self) -> tuple[Edge, ...]:
        """Every edge: states in order of life, events in order of the vocabulary, guards in order of trial."""
        edges = [
            Edge(source, event, row.guard, row.target, place)
            for place, row in enumerate(self.rows)
            for source, event in product(row.sources, row.events)
        ]
        return tuple(sorted(edges, key=lambda edge: (_LIFE[edge.source], _EVENTS[edge.event], edge.row)))

    @cached_property
    def cells(self) -> dict[tuple[State, Event], tuple[Edge, ...]]:
        """The edges of every (state, event) that has any, in order of trial."""
        cells: dict[tuple[State, Event], tuple[Edge, ...]] = {}
        for edge in self.edges:
            cell = edge.source, edge.event
            cells[cell] = (*cells.get(cell, ()), edge)
        return cells

    @cached_property
    def guards(self) -> tuple[Guard, ...]:
        """The guards that the table names, in the order in which it does so first."""
        return tuple(dict.fromkeys(row.guard for row in self.rows))

    @cached_property
    def everywhere(self) -> dict[Event, State]:
        """The events that lead from every working state to one and the same target, whatever the facts."""
        answers = {event: [self.cells.get((state, event), ()) for state in WORKING_STATES] for event in Event}
        return {
            event: cells[0][0].target
            for event, cells in answers.items()
            if len({tuple((edge.guard, edge.target) for edge in cell) for cell in cells}) == 1
            and [edge.guard for edge in cells[0]] == [always]
        }

    @cached_property
    def arrows(self) -> tuple[Arrow, ...]:
        """What a picture shows: parallel edges merged, without those of `everywhere`, which it shows once."""
        merged: dict[tuple[State, State], dict[str, list[Event]]] = {}
        for edge in self.edges:
            if edge.event not in self.everywhere:
                labels = merged.setdefault((edge.source, edge.target), {})
                labels.setdefault(self._condition(edge), []).append(edge.event)
        return tuple(
            Arrow(source, target, tuple(Label(tuple(events), condition) for condition, events in labels.items()))
            for (source, target), labels in sorted(merged.items(), key=lambda item: [_LIFE[end] for end in item[0]])
        )

    @cached_property
    def hash(self) -> str:
        """Sixteen hexadecimal digits that are equal for charts that behave alike, wording apart, guards included."""
        behaviour = {
            "initial": self.initial,
            "edges": [[edge.source, edge.event, edge.guard.__name__, edge.target] for edge in self.edges],
            "guards": {guard.__name__: truth_table(guard) for guard in self.guards},
            "waits": sorted(self.waits),
        }
        text = json.dumps(behaviour, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def _condition(self, edge: Edge) -> str:
        if edge.guard is not always:
            return edge.guard.__name__
        return ELSE if len(self.cells[edge.source, edge.event]) > 1 else ""


MODEL = Model(CHART, WAITS, INITIAL)
