"""fire(): every cell of the table, and what it promises to those who call it."""

import gc
import logging
import tracemalloc
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from statechart.guards import always
from statechart.machine import IllegalTransition, fire
from statechart.model import MODEL, Model
from statechart.truth import VALUATIONS
from statechart.vocabulary import TERMINAL_STATES, Event, Facts, State

Table = Callable[[Model, State, Event, Facts], State | None]

GUARDED = [cell for cell, edges in MODEL.cells.items() if edges[0].guard is not always]
NOWHERE = [(state, event) for state in State for event in Event if (state, event) not in MODEL.cells]
WHOLE_LIFE = (Event.VALIDATED, Event.AUTHORIZED, Event.PLANNED, Event.OPENED, Event.ENDED, Event.PARSED, Event.RENDERED)


@pytest.mark.parametrize("state", State)
def test_every_cell_does_what_the_table_says(state: State, walker: Any, table: Table) -> None:
    """All facts in all combinations where a guard looks at them; none and all of them elsewhere."""
    for event in Event:
        for facts in VALUATIONS if (state, event) in GUARDED else (VALUATIONS[0], VALUATIONS[-1]):
            x = walker(state, facts)
            expected = table(MODEL, state, event, facts)
            if expected is None:
                with pytest.raises(IllegalTransition):
                    fire(x, event)
                assert (x.state, x.told) == (state, [])
            else:
                assert fire(x, event) is x.state is expected
                assert x.told == [(state, event, expected)]


def test_what_no_row_says_is_refused_by_name(walker: Any) -> None:
    x = walker(State.BACKOFF)

    with pytest.raises(IllegalTransition, match=r"^no row for event 'opened' in state 'backoff'$") as refused:
        fire(x, Event.OPENED)

    assert (refused.value.state, refused.value.event) == (State.BACKOFF, Event.OPENED)
    assert refused.value.__context__ is None, "the library's own error would say no more"


@pytest.mark.parametrize("ending", sorted(TERMINAL_STATES))
def test_an_ending_accepts_nothing(ending: State, walker: Any) -> None:
    """Exactly one ending: late chunks, timers and disconnects can't move a request that is over."""
    x = walker(ending, VALUATIONS[-1])

    for event in Event:
        with pytest.raises(IllegalTransition):
            fire(x, event)

    assert (x.state, x.told) == (ending, [])


def test_facts_are_not_asked_for_where_no_guard_needs_them(walker: Any) -> None:
    """Computing them costs more than the firing, and early states can't know them yet."""
    x = walker(known=Facts(live_stream=True))

    for event in WHOLE_LIFE:
        fire(x, event)

    assert x.asked == 1, "for `opened` alone"


def test_facts_are_asked_for_once_however_many_guards_look_at_them(walker: Any) -> None:
    """All guards of a firing judge the same moment."""
    x = walker(State.UPSTREAM)

    assert fire(x, Event.CONVERSATION_LOST) is State.UPSTREAM_ERROR

    assert x.asked == 1


def test_facts_that_can_not_be_told_move_nothing(walker: Any) -> None:
    class Forgetful(walker):
        def facts(self) -> Facts:
            raise LookupError("no idea")

    x = Forgetful(State.UPSTREAM)

    with pytest.raises(LookupError, match="no idea"):
        fire(x, Event.OPENED)

    assert (x.state, x.told) == (State.UPSTREAM, [])


def test_the_hook_runs_after_the_move_and_may_fail_on_its_own_account(walker: Any) -> None:
    class Clumsy(walker):
        def entered(self, source: State, event: Event, target: State) -> None:
            assert self.state is target
            raise OSError(f"{source} {event} {target}")

    x = Clumsy()

    with pytest.raises(OSError, match="validate validated auth"):
        fire(x, Event.VALIDATED)

    assert x.state is State.AUTH


def test_a_request_is_freed_at_once_and_leaves_nothing_behind(walker: Any) -> None:
    """No registration, no reference cycle: the collector has nothing to do, whatever the daemon's age."""
    x = walker()
    gone = weakref.ref(x)
    gc.disable()
    try:
        for event in WHOLE_LIFE:
            fire(x, event)
        del x
        assert gone() is None
    finally:
        gc.enable()


def test_a_thousand_requests_cost_no_memory(walker: Any) -> None:
    def walk_all(times: int) -> None:
        for _ in range(times):
            x = walker()
            for event in WHOLE_LIFE:
                fire(x, event)
            with pytest.raises(IllegalTransition):
                fire(x, Event.CLIENT_GONE)

    walk_all(10)
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        walk_all(1000)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert after - before < 4096, "bytes for a thousand requests: what the interpreter itself caches"


def test_a_firing_logs_nothing(walker: Any, caplog: pytest.LogCaptureFixture) -> None:
    """The library would format several records a firing for nobody."""
    with caplog.at_level(logging.DEBUG):
        x = walker()
        for event in WHOLE_LIFE:
            fire(x, event)
        with pytest.raises(IllegalTransition):
            fire(x, Event.CRASHED)
        assert not logging.getLogger("transitions.core").isEnabledFor(logging.INFO)

    assert not caplog.records
