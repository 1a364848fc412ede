"""The compiled event against the library's stock event: whatever is fired, nobody can tell which of them did it."""

from typing import Any

import pytest
import transitions
from hypothesis import given, settings
from hypothesis import strategies as st

from statechart.chart import Row
from statechart.guards import GUARDS, always
from statechart.machine import CompiledEvent, CompiledMachine, IllegalTransition, StateMachine
from statechart.model import MODEL, Model
from statechart.vocabulary import Event, Facts, State


def raises(facts: Facts) -> bool:
    """A guard with a bug."""
    raise ZeroDivisionError(str(facts))


EVERY_EVENT_SOMEWHERE = Row((State.INTERNAL_ERROR,), tuple(Event), always, State.DONE)
"""Keeps the random charts buildable: the machine knows the events of its rows."""

FACTS = st.builds(Facts, **dict.fromkeys(Facts._fields, st.booleans()))
FIRINGS = st.lists(st.tuples(st.sampled_from(Event), FACTS), min_size=1, max_size=12)
FEW_STATES = st.sampled_from([State.VALIDATE, State.AUTH, State.SESSION, State.DONE])
FEW_EVENTS = st.sampled_from([Event.VALIDATED, Event.OPENED, Event.CRASHED])
ROWS = st.builds(
    Row,
    st.lists(FEW_STATES, min_size=1, max_size=2, unique=True).map(tuple),
    st.lists(FEW_EVENTS, min_size=1, max_size=2, unique=True).map(tuple),
    st.sampled_from([*GUARDS, raises]),
    FEW_STATES,
)

COMPILED, STOCK = StateMachine(MODEL), StateMachine(MODEL, transitions.Machine)


def outcome(machine: StateMachine, x: Any, event: Event) -> tuple[object, ...]:
    """All that can be seen of a firing."""
    try:
        result: object = machine.fire(x, event)
    except (IllegalTransition, ZeroDivisionError) as error:
        result = (type(error), str(error))
    return result, x.state, x.asked, list(x.told)


def test_the_machine_that_runs_is_the_compiled_one() -> None:
    """Otherwise the tests below compare the stock class with itself."""
    assert CompiledMachine.event_cls is CompiledEvent
    assert transitions.Machine.event_cls is transitions.Event


@given(firings=FIRINGS, begin=st.sampled_from(State))
@settings(max_examples=100, deadline=None)
def test_both_walk_the_chart_alike(firings: list[tuple[Event, Facts]], begin: State, walker: Any) -> None:
    one, other = walker(begin), walker(begin)
    for event, facts in firings:
        one.known = other.known = facts
        assert outcome(COMPILED, one, event) == outcome(STOCK, other, event)


@given(
    rows=st.lists(ROWS, min_size=1, max_size=8),
    firings=st.lists(st.tuples(FEW_EVENTS, FACTS), min_size=1, max_size=12),
)
@settings(max_examples=100, deadline=None)
def test_both_walk_any_chart_alike(rows: list[Row], firings: list[tuple[Event, Facts]], walker: Any) -> None:
    """Open cells, contradictions, dead rows and guards that raise included."""
    model = Model((*rows, EVERY_EVENT_SOMEWHERE), (), State.VALIDATE)
    compiled, stock = StateMachine(model), StateMachine(model, transitions.Machine)
    one, other = walker(), walker()
    for event, facts in firings:
        one.known = other.known = facts
        assert outcome(compiled, one, event) == outcome(stock, other, event)


def test_both_let_a_guards_exception_through_and_stay(walker: Any) -> None:
    model = Model(
        (Row((State.VALIDATE,), (Event.OPENED,), raises, State.AUTH), EVERY_EVENT_SOMEWHERE), (), State.VALIDATE
    )

    for machine in (StateMachine(model), StateMachine(model, transitions.Machine)):
        x = walker()
        with pytest.raises(ZeroDivisionError):
            machine.fire(x, Event.OPENED)
        assert (x.state, x.told) == (State.VALIDATE, [])


def test_both_refuse_a_cell_whose_guards_all_refuse(walker: Any) -> None:
    """The library answers False and moves nothing; a refusal that is not heard would hang the request."""
    model = Model(
        (Row((State.VALIDATE,), (Event.OPENED,), GUARDS[1], State.AUTH), EVERY_EVENT_SOMEWHERE), (), State.VALIDATE
    )

    for machine in (StateMachine(model), StateMachine(model, transitions.Machine)):
        x = walker()
        with pytest.raises(IllegalTransition):
            machine.fire(x, Event.OPENED)
        assert (x.state, x.told) == (State.VALIDATE, [])
