"""docs/errors.md is the tree of errors, and says of each what it does."""

import re
from pathlib import Path

import pytest

from proxy.errors import REQUEST_CODES, TurnstileError, error_classes
from proxy.errors.__main__ import BEGIN, main, reference, updated
from tests.docs.pages import DOCS, text

PAGE = DOCS / "errors.md"
ROWS = [
    [cell.strip(" `") for cell in row.split("|")[1:-1]] for row in re.findall(r"^\| `.*$", reference(), re.MULTILINE)
]


def test_the_page_has_the_reference_that_the_code_makes() -> None:
    """Remedy: `make docs`."""
    assert text(PAGE) == updated(text(PAGE))


@pytest.mark.parametrize("cls", error_classes(), ids=lambda cls: cls.__name__)
def test_every_error_has_a_row_with_its_consequences(cls: type[TurnstileError]) -> None:
    meaning = " ".join((cls.__doc__ or "").split())
    (row,) = [row for row in ROWS if row[-1] == meaning]

    assert row[:4] == [cls.code, str(cls.status), cls.type, cls.end_reason]
    assert [cell == "yes" for cell in row[4:7]] == [cls.retryable, cls.falls_back, cls.trips_breaker]


def test_there_are_no_other_rows() -> None:
    assert len(ROWS) == len(error_classes())


def test_every_code_of_checking_a_body_is_there() -> None:
    assert re.findall(r"^- `(\w+)`$", reference(), re.MULTILINE) == sorted(REQUEST_CODES)


def test_a_code_has_one_ending() -> None:
    """The page says so, and who reads a code in a metric relies on it."""
    endings = {(row[0], row[3]) for row in ROWS}

    assert len(endings) == len({code for code, _ in endings})


def test_no_meaning_ends_its_cell() -> None:
    assert all(len(row) == 8 for row in ROWS)


def test_a_page_without_its_mark_is_not_touched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Errors\n")

    assert main(["--update", str(page)]) == 1
    assert page.read_text() == "# Errors\n"
    assert "is missing" in capsys.readouterr().err


def test_a_page_is_brought_up_to_date_after_its_mark(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Errors\n\n{BEGIN}old")

    assert main(["--update", str(page)]) == 0
    assert page.read_text() == f"# Errors\n\n{BEGIN}\n{reference()}"
    assert main([]) == 0
    assert capsys.readouterr().out == reference()
