"""What holds no call becomes none: false calls are worse than missed ones, since somebody runs them."""

import pytest

from tests.dialects import negatives
from tests.dialects.worlds import TEXT_DIALECTS, calls_of, run, text_of

ALL = list(dict.fromkeys(negatives.texts()))


HOLD_CALLS = {"xml_tags": "<now></now>"}
"""What is a call in a dialect, wherever on a line it stands: the whole element of a tool without parameters."""


def test_there_are_enough_texts_to_tell():
    assert len(ALL) >= 300


@pytest.mark.parametrize("dialect", TEXT_DIALECTS)
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_no_text_becomes_a_call_and_none_is_changed(dialect, size):
    wrong = []
    for text in ALL:
        if HOLD_CALLS.get(dialect, text + "\n") in text:
            continue
        events = run(dialect, negatives.TOOLS, [text[at : at + size] for at in range(0, len(text), size)])
        if calls_of(events) or text_of(events) != text:
            wrong.append(text)

    assert wrong == []
