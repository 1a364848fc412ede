"""The checks: the chart passes them all, and each of them sees what it is there to see."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from statechart.chart import CHART, INITIAL, WAITS, Row, Wait
from statechart.checks import CHECKS, check, words
from statechart.guards import Guard, always, live_stream, may_retry
from statechart.model import MODEL, Model
from statechart.vocabulary import WORKING_STATES, Clock, Event, State

S, E = State, Event


def with_rows(*rows: Row) -> Model:
    """The chart, and *rows* before all others."""
    return Model((*rows, *CHART), WAITS, INITIAL)


def with_last_rows(*rows: Row) -> Model:
    return Model((*CHART, *rows), WAITS, INITIAL)


def without(unwanted: Callable[[Row], bool], *instead: Row) -> Model:
    return Model((*(row for row in CHART if not unwanted(row)), *instead), WAITS, INITIAL)


def with_waits(*waits: Wait) -> Model:
    return Model(CHART, waits, INITIAL)


def row(source: State, event: Event, target: State, guard: Guard = always) -> Row:
    return Row((source,), (event,), guard, target)


def is_on(event: Event) -> Callable[[Row], bool]:
    return lambda row: event in row.events


class Broken(NamedTuple):
    """A chart with one fault, and the finding that must be among those it gets."""

    check: str
    text: str
    model: Model


ALL_BUT_BACKOFF = tuple(state for state in WORKING_STATES if state is not S.BACKOFF)
NOT_A_WORD: Any = "donne"


def unnamed(_facts: object) -> bool:
    return True


BROKEN = (
    Broken("words", "'donne'", with_rows(row(S.VALIDATE, E.VALIDATED, NOT_A_WORD))),
    Broken("words", "'donne'", with_rows(row(S.VALIDATE, NOT_A_WORD, S.AUTH))),
    Broken("words", "unnamed", with_rows(row(S.VALIDATE, E.VALIDATED, S.AUTH, unnamed))),
    Broken("words", "row 0 has no state or no event", with_rows(Row((), (E.VALIDATED,), always, S.AUTH))),
    Broken("words", "row 0 has no state or no event", with_rows(Row((S.AUTH,), (), always, S.AUTH))),
    Broken(
        "words", "wait has unknown words", with_waits(*WAITS, Wait(S.READ, "upstream", NOT_A_WORD, E.CLOCK_EXPIRED))
    ),
    Broken("words", "the initial state is unknown: 'donne'", Model(CHART, WAITS, NOT_A_WORD)),
    Broken(
        "duplicates",
        "validate on validated if always is repeated",
        with_rows(row(S.VALIDATE, E.VALIDATED, S.AUTH)),
    ),
    Broken(
        "duplicates",
        "validate on validated if always is contradictory",
        with_rows(row(S.VALIDATE, E.VALIDATED, S.SESSION)),
    ),
    Broken(
        "closed_cells",
        "backoff on opened does not end in its only `always`",
        with_rows(row(S.BACKOFF, E.OPENED, S.READ, live_stream)),
    ),
    Broken(
        "closed_cells",
        "backoff on retry_due does not end in its only `always`",
        with_last_rows(row(S.BACKOFF, E.RETRY_DUE, S.READ, live_stream)),
    ),
    Broken(
        "dead_rows",
        "read on upstream_failed if may_retry -> upstream can never be taken",
        with_last_rows(row(S.READ, E.UPSTREAM_FAILED, S.UPSTREAM, may_retry)),
    ),
    Broken("unused_words", "event limit_hit is in no row", without(is_on(E.LIMIT_HIT))),
    Broken("unused_words", "guard live_stream is in no row", without(lambda row: row.guard is live_stream)),
    Broken("unused_words", "fact live_stream is read by no guard", without(lambda row: row.guard is live_stream)),
    Broken("unused_words", "clock body bounds no wait", with_waits(*WAITS[1:])),
    Broken("initial_state", "done is not a working state", Model(CHART, WAITS, S.DONE)),
    Broken("reachable", "done can't be reached", without(is_on(E.RENDERED))),
    Broken(
        "ends",
        "terminal state done on crashed if always -> internal_error",
        with_rows(row(S.DONE, E.CRASHED, S.INTERNAL_ERROR)),
    ),
    Broken(
        "ends",
        "backoff can't end",
        Model(
            (
                *(row._replace(sources=ALL_BUT_BACKOFF) if S.BACKOFF in row.sources else row for row in CHART),
                row(S.BACKOFF, E.DEADLINE_PASSED, S.BACKOFF),
            ),
            WAITS,
            INITIAL,
        ),
    ),
    Broken(
        "ends_everywhere", "render on client_gone does not simply go to client_abort", without(is_on(E.CLIENT_GONE))
    ),
    Broken(
        "ends_everywhere",
        "stream on shutting_down does not simply go to shutdown",
        with_rows(row(S.STREAM, E.SHUTTING_DOWN, S.STREAM, live_stream)),
    ),
    Broken(
        "no_way_back",
        "backoff can be reached from stream",
        with_rows(row(S.STREAM, E.UPSTREAM_FAILED, S.BACKOFF, may_retry)),
    ),
    Broken(
        "no_way_back",
        "upstream can be reached from stream",
        with_rows(row(S.RESUME, E.UPSTREAM_FAILED, S.UPSTREAM, may_retry)),
    ),
    Broken("no_way_around", "upstream can be reached without auth", with_rows(row(S.VALIDATE, E.ENDED, S.SESSION))),
    Broken("no_way_around", "done can be reached without tool_parse", with_rows(row(S.STREAM, E.RENDERED, S.RENDER))),
    Broken("loops_spend", "read can come back to itself", with_rows(row(S.READ, E.RETRY_DUE, S.BACKOFF))),
    Broken("loops_spend", "render can come back to itself", with_rows(row(S.RENDER, E.PARSED, S.RENDER))),
    Broken("waits_end", "the wait of validate on client under body is repeated", with_waits(*WAITS, WAITS[0])),
    Broken(
        "waits_end",
        "auth waits on client under idle, and has no row for clock_expired",
        with_waits(*WAITS, Wait(S.AUTH, "client", Clock.IDLE, E.CLOCK_EXPIRED)),
    ),
    Broken("clocks_tick", "session has no clock", with_waits(*(wait for wait in WAITS if wait.state is not S.SESSION))),
    Broken(
        "clocks_tick",
        "tool_parse only computes, and yet waits",
        with_waits(*WAITS, Wait(S.TOOL_PARSE, "nothing", Clock.TOTAL, E.DEADLINE_PASSED)),
    ),
    Broken(
        "clocks_tick",
        "render answers clock_expired, and has no such clock",
        with_rows(row(S.RENDER, E.CLOCK_EXPIRED, S.TIMEOUT)),
    ),
)


def test_the_chart_is_sound() -> None:
    assert check(MODEL) == []


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: f"{broken.check}: {broken.text}")
def test_a_broken_chart_is_found_out(broken: Broken) -> None:
    found = [
        finding for finding in check(broken.model) if finding.check == broken.check and broken.text in finding.text
    ]

    assert len(found) == 1


def test_every_check_has_a_chart_that_it_refuses() -> None:
    """A check that nothing can fail checks nothing."""
    assert {broken.check for broken in BROKEN} == {each.__name__ for each in (words, *CHECKS)}


def test_unknown_words_are_told_alone() -> None:
    """What else would be found follows from them."""
    found = check(Model((row(S.VALIDATE, NOT_A_WORD, NOT_A_WORD),), (), INITIAL))

    assert [str(finding) for finding in found] == ["words: row 0 has unknown words: 'donne', 'donne'"]
