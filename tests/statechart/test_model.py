"""The flat model: what rows amount to, and the hash that tells charts apart."""

from itertools import pairwise

import pytest

from statechart.chart import CHART, INITIAL, WAITS, Row, Wait
from statechart.guards import always, may_resume, may_retry
from statechart.model import MODEL, Label, Model
from statechart.vocabulary import WORKING_STATES, Clock, Event, State


def test_edges_are_the_rows_laid_out() -> None:
    for edge in MODEL.edges:
        row = CHART[edge.row]
        assert edge.source in row.sources
        assert edge.event in row.events
        assert (edge.guard, edge.target) == (row.guard, row.target)
    assert len(MODEL.edges) == sum(len(row.sources) * len(row.events) for row in CHART)


def test_edges_stand_in_order_of_life_and_of_trial() -> None:
    states, events = list(State), list(Event)
    places = [(states.index(edge.source), events.index(edge.event), edge.row) for edge in MODEL.edges]

    assert all(before < after for before, after in pairwise(places))


def test_what_ends_a_request_anywhere_is_found_in_the_rows() -> None:
    assert MODEL.everywhere == {
        Event.CLIENT_GONE: State.CLIENT_ABORT,
        Event.DEADLINE_PASSED: State.TIMEOUT,
        Event.SHUTTING_DOWN: State.SHUTDOWN,
        Event.CRASHED: State.INTERNAL_ERROR,
    }
    but_one = tuple(row._replace(sources=WORKING_STATES[1:]) if Event.CRASHED in row.events else row for row in CHART)
    assert Event.CRASHED not in Model(but_one, WAITS, INITIAL).everywhere


def test_an_arrow_bears_all_that_takes_it() -> None:
    arrows = {(arrow.source, arrow.target): [str(label) for label in arrow.labels] for arrow in MODEL.arrows}

    assert arrows[State.VALIDATE, State.AUTH] == ["validated"]
    assert arrows[State.READ, State.BACKOFF] == [
        "upstream_failed, upstream_limited, upstream_refused, clock_expired [may_retry]"
    ]
    assert arrows[State.UPSTREAM, State.READ] == ["opened [else]"]
    assert arrows[State.UPSTREAM, State.CONFLICT] == ["conversation_lost [history_missing]"]
    assert (State.VALIDATE, State.CLIENT_ABORT) not in arrows, "drawn once, for all states"


def test_an_arrow_taken_under_several_guards_has_a_label_for_each() -> None:
    rows = (
        Row((State.READ,), (Event.ENDED,), may_retry, State.DONE),
        Row((State.READ,), (Event.ENDED,), always, State.DONE),
        Row((State.READ,), (Event.OPENED, Event.PARSED), always, State.DONE),
    )

    (arrow,) = Model(rows, (), State.READ).arrows

    assert arrow.labels == (
        Label((Event.OPENED, Event.PARSED), ""),
        Label((Event.ENDED,), "may_retry"),
        Label((Event.ENDED,), "else"),
    )


SPLIT = (Row((State.AUTH,), (Event.DENIED,), always, State.UNAUTHORIZED), *CHART[:4], *CHART[5:])


@pytest.mark.parametrize(
    "same", [Model(CHART, WAITS, INITIAL), Model(SPLIT, WAITS, INITIAL), Model(CHART, WAITS[::-1], INITIAL)]
)
def test_charts_that_do_the_same_have_the_same_hash(same: Model) -> None:
    """However their rows are written."""
    assert same.hash == MODEL.hash
    assert len(same.hash) == 16
    assert int(same.hash, 16) >= 0


@pytest.mark.parametrize(
    "other",
    [
        Model(CHART[1:], WAITS, INITIAL),
        Model((CHART[0]._replace(target=State.SESSION), *CHART[1:]), WAITS, INITIAL),
        Model(
            tuple(row._replace(guard=may_resume) if row.guard is may_retry else row for row in CHART), WAITS, INITIAL
        ),
        Model(CHART, WAITS[1:], INITIAL),
        Model(CHART, (*WAITS[1:], Wait(State.VALIDATE, "client", Clock.IDLE, Event.CLOCK_EXPIRED)), INITIAL),
        Model(CHART, WAITS, State.AUTH),
    ],
)
def test_charts_that_differ_have_another_hash(other: Model) -> None:
    assert other.hash != MODEL.hash


def test_a_guard_that_judges_otherwise_is_another_chart() -> None:
    """The table alone would not show it."""

    def stricter(facts: object) -> bool:
        return False

    stricter.__name__ = may_retry.__name__
    rows = tuple(row._replace(guard=stricter) if row.guard is may_retry else row for row in CHART)

    assert Model(rows, WAITS, INITIAL).hash != MODEL.hash
