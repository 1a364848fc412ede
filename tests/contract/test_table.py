"""The table of the contract: every row is proven, or says what it waits for; and its page is up to date."""

from pathlib import Path

import pytest

from proxy.errors import error_classes
from statechart.vocabulary import EndReason, State
from tests.contract.__main__ import BEGIN, main, proofs_by_test, reference, updated
from tests.contract.table import ANY, ROWS, SECTIONS, Row
from tests.docs.pages import DOCS, text

PAGE = DOCS / "failure-contract.md"
CODES = {cls.code: cls for cls in error_classes()}
PROVEN = {row_id for ids in proofs_by_test().values() for row_id in ids}
EVERY_ROW = pytest.mark.parametrize("listed", ROWS.values(), ids=ROWS)


@EVERY_ROW
def test_every_row_is_proven_or_says_what_it_waits_for(listed: Row) -> None:
    assert (listed.id in PROVEN) != bool(listed.awaits)


@EVERY_ROW
def test_a_row_uses_the_words_of_the_chart_and_of_the_errors(listed: Row) -> None:
    """Beside `made_up`, which stands for an upstream's own code."""
    assert listed.states == ANY or {*listed.states.split()} <= {*State}
    assert listed.ends in {"", *EndReason}
    *_, code = listed.told.split()
    if code not in ("-", "answer", "made_up", "invalid_type", "invalid_json"):
        assert CODES[code].end_reason == listed.ends


def test_no_row_is_listed_twice() -> None:
    assert len(ROWS) == sum(map(len, SECTIONS.values()))


def test_the_page_is_what_the_table_makes() -> None:
    """Remedy: `make docs`."""
    assert text(PAGE) == updated(text(PAGE))


def test_a_page_without_its_mark_is_not_touched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Failures\n")

    assert main(["--update", str(page)]) == 1
    assert page.read_text() == "# Failures\n"
    assert "is missing" in capsys.readouterr().err


def test_a_page_is_brought_up_to_date_after_its_mark(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Failures\n\n{BEGIN}old")

    assert main(["--update", str(page)]) == 0
    assert page.read_text() == f"# Failures\n\n{BEGIN}\n{reference()}"
    assert main([]) == 0
    assert capsys.readouterr().out == reference()
