"""Replaying a recorded walk."""

import json

import pytest

from statechart.model import MODEL
from statechart.replay import Step, TraceUnreadable, path, read_trace, replay
from statechart.vocabulary import Event, State

LAWFUL = [
    {"t_ns": 10, "from": "validate", "event": "validated", "to": "auth"},
    {"t_ns": 20, "from": "auth", "event": "authorized", "to": "session"},
    {"t_ns": 20, "from": "session", "event": "client_gone", "to": "client_abort"},
]


def steps(*changes: tuple[int, str, object]) -> list[Step]:
    """The lawful walk, with step *n*'s *key* set to another value."""
    trace = [dict(step) for step in LAWFUL]
    for place, key, value in changes:
        trace[place][key] = value
    return read_trace(json.dumps(trace))


def test_a_lawful_walk_is_without_findings() -> None:
    assert list(replay(MODEL, steps())) == []
    assert steps()[0] == Step(10, State.VALIDATE, Event.VALIDATED, State.AUTH)
    assert path(steps()) == "validate>auth>session>client_abort"


@pytest.mark.parametrize(
    ("walk", "finding"),
    [
        ([], "no steps"),
        (steps()[1:], "step 0 begins in auth, not in validate"),
        (steps()[:2], "the walk stops in session, which is no ending"),
        (steps()[::2], "step 1 begins in session, but step 0 led to auth"),
        (steps((2, "t_ns", 19)), "step 2 is earlier than step 1"),
        (steps((2, "to", "done")), "step 2: no row leads from session on client_gone to done"),
        (steps((1, "event", "opened")), "step 1: no row leads from auth on opened to session"),
        ([*steps(), steps()[2]], "step 3 begins in session, but step 2 led to client_abort"),
    ],
)
def test_an_unlawful_walk_is_told_step_by_step(walk: list[Step], finding: str) -> None:
    assert list(replay(MODEL, walk)) == [finding]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[", "not JSON: "),
        ("{}", "not a JSON list of steps"),
        ("[1]", "step 0: 'int' object is not subscriptable"),
        ('[{"t_ns": 1}]', "step 0 lacks 'from'"),
        ('[{"t_ns": 1, "from": "limbo", "event": "opened", "to": "done"}]', "step 0: 'limbo' is not a valid State"),
        ('[{"t_ns": "x", "from": "auth", "event": "opened", "to": "done"}]', "step 0: invalid literal"),
    ],
)
def test_what_is_no_trace_is_said_to_be_none(text: str, complaint: str) -> None:
    with pytest.raises(TraceUnreadable) as refused:
        read_trace(text)

    assert str(refused.value).startswith(complaint)
