"""What must hold of any chart that the daemon runs.

The library takes a misspelt target or a contradictory row without a word, so the chart is asked about itself here: in
CI, and by `python -m statechart check`.  A check is a function from a model to sentences; none means that all is well.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from statechart.guards import GUARDS, always
from statechart.model import Edge, Model
from statechart.truth import holds, reads, spends
from statechart.vocabulary import TERMINAL_STATES, WORKING_STATES, Clock, Event, Facts, State

Check = Callable[[Model], Iterator[str]]

EVERYWHERE: Mapping[Event, State] = {
    Event.CLIENT_GONE: State.CLIENT_ABORT,
    Event.DEADLINE_PASSED: State.TIMEOUT,
    Event.SHUTTING_DOWN: State.SHUTDOWN,
    Event.CRASHED: State.INTERNAL_ERROR,
}
"""What ends a request wherever it is, and how."""

NEVER_WAITS: frozenset[State] = frozenset({State.TOOL_PARSE})
"""Working states that only compute."""

NO_WAY_BACK: Mapping[State, tuple[State, ...]] = {State.STREAM: (State.SESSION, State.UPSTREAM, State.BACKOFF)}
"""Once bytes of an answer have left, no fresh attempt may follow: it would repeat them."""

NO_WAY_AROUND: Mapping[State, tuple[State, ...]] = {
    State.UPSTREAM: (State.VALIDATE, State.AUTH, State.SESSION),
    State.DONE: (State.TOOL_PARSE, State.RENDER),
}
"""Nobody unknown reaches an upstream, and no answer is called whole that was not ended, checked and rendered."""


class Finding(NamedTuple):
    """What a check has found: its name, and one sentence."""

    check: str
    text: str

    def __str__(self) -> str:
        return f"{self.check}: {self.text}"


def check(model: Model) -> list[Finding]:
    """Everything that is wrong with *model*; words are looked at first, and alone if any of them is unknown."""
    found = [Finding(words.__name__, text) for text in words(model)]
    return found or [Finding(each.__name__, text) for each in CHECKS for text in each(model)]


# --- the table as a table


def words(model: Model) -> Iterator[str]:
    """Rows and waits are made of words of the vocabulary and of guards, and of at least one of each."""
    for place, row in enumerate(model.rows):
        unknown = [
            *(repr(word) for word in (*row.sources, row.target) if not isinstance(word, State)),
            *(repr(word) for word in row.events if not isinstance(word, Event)),
            *([] if row.guard in GUARDS else [repr(row.guard)]),
        ]
        if unknown:
            yield f"row {place} has unknown words: {', '.join(unknown)}"
        if not row.sources or not row.events:
            yield f"row {place} has no state or no event"
    for wait in model.waits:
        if not (isinstance(wait.state, State) and isinstance(wait.clock, Clock) and isinstance(wait.event, Event)):
            yield f"wait has unknown words: {wait!r}"
    if not isinstance(model.initial, State):
        yield f"the initial state is unknown: {model.initial!r}"


def duplicates(model: Model) -> Iterator[str]:
    """No row says again what another says, and no two say different things of one case."""
    for (source, event), cell in model.cells.items():
        for guard, count in Counter(edge.guard for edge in cell).items():
            if count > 1:
                targets = {edge.target for edge in cell if edge.guard is guard}
                verdict = "contradictory" if len(targets) > 1 else "repeated"
                yield f"{source} on {event} if {guard.__name__} is {verdict}"


def closed_cells(model: Model) -> Iterator[str]:
    """A (state, event) that is answered at all is answered whatever the facts: `always` stands last, and only there."""
    for (source, event), cell in model.cells.items():
        if [edge.guard is always for edge in cell] != [False] * (len(cell) - 1) + [True]:
            yield f"{source} on {event} does not end in its only `always`"


def dead_rows(model: Model) -> Iterator[str]:
    """No edge hides behind earlier ones of its cell that hold whenever it does."""
    for cell in model.cells.values():
        taken: frozenset[Facts] = frozenset()
        for edge in cell:
            if holds(edge.guard) <= taken:
                yield f"{_told(edge)} can never be taken"
            taken |= holds(edge.guard)


def unused_words(model: Model) -> Iterator[str]:
    """Every event, guard, fact and clock is used; states are another check's matter."""
    events = {edge.event for edge in model.edges}
    facts = {fact for guard in model.guards for fact in reads(guard)}
    clocks = {wait.clock for wait in model.waits}
    yield from (f"event {event} is in no row" for event in Event if event not in events)
    yield from (f"guard {guard.__name__} is in no row" for guard in GUARDS if guard not in model.guards)
    yield from (f"fact {fact} is read by no guard" for fact in Facts._fields if fact not in facts)
    yield from (f"clock {clock} bounds no wait" for clock in Clock if clock not in clocks)


# --- the table as a graph


def initial_state(model: Model) -> Iterator[str]:
    """A request begins in a working state."""
    if model.initial not in WORKING_STATES:
        yield f"{model.initial} is not a working state"


def reachable(model: Model) -> Iterator[str]:
    """Every state can be reached."""
    found = _reach(model.edges, model.initial)
    yield from (f"{state} can't be reached" for state in State if state not in found)


def ends(model: Model) -> Iterator[str]:
    """From every working state a terminal one can be reached, and nothing leads out of those."""
    for state in State:
        if state in TERMINAL_STATES:
            yield from (f"terminal state {_told(edge)}" for edge in model.edges if edge.source is state)
        elif not _reach(model.edges, state) & TERMINAL_STATES:
            yield f"{state} can't end"


def ends_everywhere(model: Model) -> Iterator[str]:
    """Caller, deadline, operator and our own bugs end a request in every working state, each in its own way."""
    for state in WORKING_STATES:
        for event, target in EVERYWHERE.items():
            edges = [(edge.guard, edge.target) for edge in model.cells.get((state, event), ())]
            if edges != [(always, target)]:
                yield f"{state} on {event} does not simply go to {target}"


def no_way_back(model: Model) -> Iterator[str]:
    """A delivered byte is never followed by a fresh attempt."""
    for state, forbidden in NO_WAY_BACK.items():
        found = _reach(model.edges, state)
        yield from (f"{target} can be reached from {state}" for target in forbidden if target in found)


def no_way_around(model: Model) -> Iterator[str]:
    """The states that stand guard before others can't be gone around."""
    for target, gates in NO_WAY_AROUND.items():
        for gate in gates:
            if target in _reach([edge for edge in model.edges if edge.source is not gate], model.initial):
                yield f"{target} can be reached without {gate}"


def loops_spend(model: Model) -> Iterator[str]:
    """Nobody walks in circles: every loop passes a guard that spends a budget."""
    free = [edge for edge in model.edges if not spends(edge.guard)]
    for state in State:
        if any(state in _reach(free, edge.target) for edge in free if edge.source is state):
            yield f"{state} can come back to itself without spending a budget"


# --- the waits


def waits_end(model: Model) -> Iterator[str]:
    """Every wait is under a clock whose running out is an event that its state answers; each is told once."""
    for (state, on, clock), count in Counter((wait.state, wait.on, wait.clock) for wait in model.waits).items():
        if count > 1:
            yield f"the wait of {state} on {on} under {clock} is repeated"
    for wait in model.waits:
        if (wait.state, wait.event) not in model.cells:
            yield f"{wait.state} waits on {wait.on} under {wait.clock}, and has no row for {wait.event}"


def clocks_tick(model: Model) -> Iterator[str]:
    """Every working state waits under some clock, but for those that only compute; no clock expires that nobody set."""
    waiting = {wait.state for wait in model.waits}
    expiring = {wait.state for wait in model.waits if wait.event is Event.CLOCK_EXPIRED}
    yield from (f"{state} has no clock" for state in WORKING_STATES if state not in waiting | NEVER_WAITS)
    yield from (f"{state} only computes, and yet waits" for state in State if state in waiting & NEVER_WAITS)
    for state, event in model.cells:
        if event is Event.CLOCK_EXPIRED and state not in expiring:
            yield f"{state} answers {event}, and has no such clock"


CHECKS: tuple[Check, ...] = (
    duplicates,
    closed_cells,
    dead_rows,
    unused_words,
    initial_state,
    reachable,
    ends,
    ends_everywhere,
    no_way_back,
    no_way_around,
    loops_spend,
    waits_end,
    clocks_tick,
)


def _reach(edges: Iterable[Edge], start: State) -> set[State]:
    """The states that can be reached from *start*, which is among them."""
    steps = [(edge.source, edge.target) for edge in edges]
    found, front = {start}, {start}
    while front:
        front = {target for source, target in steps if source in front} - found
        found |= front
    return found


def _told(edge: Edge) -> str:
    return f"{edge.source} on {edge.event} if {edge.guard.__name__} -> {edge.target}"
