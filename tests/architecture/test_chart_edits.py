"""An edit of the chart without its docs, stories and handler turns CI red: three such edits, each tried in a copy.

Each is one that the chart's own checks find nothing wrong with, as a careful author might leave it half done.
"""

from pathlib import Path
from typing import NamedTuple

import pytest

from tests.architecture.checkout import Checkout

DRAWN = "tests/statechart/test_export.py::test_the_page_of_the_documentation_is_the_chart"
TOLD = "tests/statechart/test_stories.py::test_the_stories_take_every_edge_and_end_in_every_ending"
STORY = "tests/statechart/test_stories.py::test_story"
HANDLED = (
    "tests/architecture/test_tables.py::test_every_working_state_has_a_module_and_a_handler_of_its_name"
)
GUARDS = (DRAWN, TOLD, STORY, HANDLED)

CHART = "statechart/chart.py"
NEW_ROW = "Row((S.RENDER,),                      (E.RENDERED,),                           always,          S.DONE),"


class Edit(NamedTuple):
    """Passages to be changed (file, old, new), and the tests that must refuse it, alone or with others."""

    changes: tuple[tuple[str, str, str], ...]
    refused_by: tuple[str, ...]


EDITS = {
    "a new row": Edit(
        ((CHART, NEW_ROW, f"{NEW_ROW}\n    Row((S.READ,), (E.NO_CAPACITY,), always, S.OVERLOADED),"),),
        (DRAWN, TOLD),
    ),
    "a new state without a handler": Edit(
        (
            ("statechart/vocabulary.py", '    READ = "read",', '    PEEK = "peek", "looking before reading"\n    READ = "read",'),
            (CHART, NEW_ROW, f"{NEW_ROW}\n    Row((S.PEEK,), (E.ENDED,), always, S.READ),"),
            (CHART, "Row((S.RESUME,),                      (E.OPENED,),", "Row((S.RESUME,), (E.RETRY_DUE,), always, S.PEEK),\n    Row((S.RESUME,),                      (E.OPENED,),"),
            (CHART, '    Wait(S.READ,     "upstream",       C.IDLE, ', '    Wait(S.PEEK,     "upstream",       C.TOTAL,        E.DEADLINE_PASSED),\n    Wait(S.READ,     "upstream",       C.IDLE, '),
        ),
        (DRAWN, HANDLED),
    ),
    "another target": Edit(
        (
            (
                CHART,
                "(E.CONVERSATION_BUSY,),                  always,          S.CONFLICT),",
                "(E.CONVERSATION_BUSY,),                  always,          S.RATE_LIMITED),",
            ),
        ),
        (DRAWN, TOLD, STORY),
    ),
}
