"""A chart edited without its docs, its stories and its handler turns CI red: three such edits, tried in a copy.

The chart's own checks find nothing wrong with any of them: each is what a careful author might leave half done.
"""

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.architecture.checkout import Checkout

DRAWING = "test_the_page_of_the_documentation_is_the_chart"
STORY = "test_story"
STORIES = "test_the_stories_take_every_edge_and_end_in_every_ending"
HANDLER = "test_every_working_state_has_a_module_and_a_handler_of_its_name"
GUARDS = {
    DRAWING: "tests/statechart/test_export.py",
    STORY: "tests/statechart/test_stories.py",
    STORIES: "tests/statechart/test_stories.py",
    HANDLER: "tests/architecture/test_tables.py",
}
"""What stands guard over the chart: tests, and where they are."""

NEEDED = ("proxy", "statechart", "docs", "tests/statechart", *GUARDS.values(), "pyproject.toml")
"""What the guards look at, and no more: so they start fast."""

VOCABULARY = "statechart/vocabulary.py"
CHART = "statechart/chart.py"


class Edit(NamedTuple):
    """What is done, as (file, passage, what takes its place), and which tests refuse it, each for itself."""

    changes: tuple[tuple[str, str, str], ...]
    refused_by: frozenset[str]


EDITS = {
    "a new row": Edit(
        changes=((CHART, "S.DONE),\n", "S.DONE),\n    Row((S.READ,), (E.NO_CAPACITY,), always, S.OVERLOADED),\n"),),
        refused_by=frozenset({DRAWING, STORIES}),
    ),
    "a new state": Edit(
        changes=(
            (VOCABULARY, '    DONE = "done",', '    PAUSE = "pause", "waiting for applause"\n\n    DONE = "done",'),
            (CHART, "S.DONE),\n", "S.PAUSE),\n    Row((S.PAUSE,), (E.ENDED,), always, S.DONE),\n"),
            (CHART, "WAITS: tuple[Wait, ...] = (\n", "WAITS: tuple[Wait, ...] = (\n    Wait(S.PAUSE, *APPLAUSE),\n"),
            (CHART, "\nINITIAL = ", '\nAPPLAUSE = ("client", C.TOTAL, E.DEADLINE_PASSED)\nINITIAL = '),
        ),
        refused_by=frozenset({DRAWING, STORY, STORIES, HANDLER}),
    ),
    "another target": Edit(
        changes=(
            (
                CHART,
                "(E.CONVERSATION_BUSY,),                  always,          S.CONFLICT),",
                "(E.CONVERSATION_BUSY,),                  always,          S.RATE_LIMITED),",
            ),
        ),
        refused_by=frozenset({DRAWING, STORY, STORIES}),
    ),
}


def refusals(checkout: Checkout) -> frozenset[str]:
    """The guards that fail in *checkout*; all those of a file that can't be loaded."""
    done = checkout.pytest(
        "-rfE", "--tb=no", "--continue-on-collection-errors", "-k", " or ".join(GUARDS), *sorted(set(GUARDS.values()))
    )
    told = re.findall(r"^(?:FAILED|ERROR) ([\w./]+)(?:::(\w+))?", done.stdout, re.MULTILINE)
    found = frozenset(test for test, file in GUARDS.items() if {(file, test), (file, "")} & set(told))
    assert (done.returncode == 0) is not bool(found), done.stdout
    return found


def test_the_guards_let_the_chart_as_it_is_pass(tmp_path: Path) -> None:
    """So what they refuse below is what was done to it."""
    assert refusals(Checkout(tmp_path, NEEDED)) == frozenset()


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_of_the_chart_alone_is_refused(name: str, tmp_path: Path) -> None:
    edit = EDITS[name]
    checkout = Checkout(tmp_path, NEEDED)
    for path, old, new in edit.changes:
        checkout.replace(path, old, new)

    sound = checkout.python("-m", "statechart", "check")

    assert sound.returncode == 0, sound.stdout
    assert refusals(checkout) == edit.refused_by
