"""`python -m tests.contract`: the failure contract as Markdown; `--update FILE` brings a page up to date.

Exit codes: 0 all is well; 1 the page can't be brought up to date, and one line says why.
"""

import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from types import FunctionType

import pytest

from tests.contract.table import SECTIONS, Row

HERE = Path(__file__).parent
BEGIN = "<!-- The rest is made by `python -m tests.contract --update docs/failure-contract.md`. -->\n"
HEAD = """\
| # | Fault | In | Told | Framed | Same again | Elsewhere | Health hears | Ends as | Besides |
|---|---|---|---|:-:|:-:|:-:|---|---|---|"""


def reference() -> str:
    """A table for each section with the tests that prove its rows, then the rows that nothing proves yet."""
    proofs = proofs_by_test()
    blocks: list[str] = []
    for heading, rows in SECTIONS.items():
        blocks += [f"## {heading}", "\n".join([HEAD, *map(table_row, rows)])]
        told = list(proof_lines(rows, proofs))
        if told:
            blocks += ["Proven by:", "\n".join(told)]
    waiting = [
        f"- {row.id}, {row.fault}: needs {row.awaits}." for rows in SECTIONS.values() for row in rows if row.awaits
    ]
    if waiting:
        blocks += ["## Not proven yet", "\n".join(waiting)]
    return "\n\n".join(blocks) + "\n"


def proofs_by_test() -> dict[tuple[str, str], list[str]]:
    """For every test (its file and name) the rows that it proves, as its own parameters say."""
    found: dict[tuple[str, str], list[str]] = {}
    for file in sorted(HERE.glob("test_*.py")):
        for name, value in vars(import_module(f"tests.contract.{file.stem}")).items():
            if isinstance(value, FunctionType) and name.startswith("test_"):
                ids = [row_id for mark in getattr(value, "pytestmark", ()) for row_id in rows_in(mark)]
                if ids:
                    found[file.name, name] = list(dict.fromkeys(ids))
    return found


def rows_in(mark: pytest.Mark) -> Iterator[str]:
    """The rows that a mark gives to its test, as the parameter `row`, alone or with the fault itself."""
    if mark.name != "parametrize":
        return
    match mark.args[0]:
        case "row":
            yield from (row.id for row in mark.args[1])
        case ("row", "fault"):
            yield from (each.values[0].id for each in mark.args[1])


def table_row(row: Row) -> str:
    """One row."""
    marks = ("yes" if each else "" for each in (row.framed, row.again, row.elsewhere))
    ends = f"`{row.ends}`" if row.ends else ""
    states = ", ".join(row.states.split())
    return f"| {' | '.join((row.id, row.fault, states, told(row), *marks, row.breaker, ends, row.note))} |"


def told(row: Row) -> str:
    """What the caller gets."""
    match row.told.split():
        case ["-"]:
            return "nothing"
        case ["answer"]:
            return "the answer"
        case ["text", status, code]:
            return f"what came, then the frame; collected: {status} `{code}`"
        case [status, code]:
            return f"{status} `{code}`"
    raise ValueError(row.told)


def proof_lines(rows: Sequence[Row], proofs: dict[tuple[str, str], list[str]]) -> Iterator[str]:
    """A line for each test that proves some of *rows*."""
    here = [row.id for row in rows]
    for (file, name), ids in proofs.items():
        proven = [row_id for row_id in here if row_id in ids]
        if proven:
            words = name.removeprefix("test_").replace("_", " ")
            yield f"- {words} ([{file}](../tests/contract/{file})): {', '.join(proven)}"


def updated(document: str) -> str:
    """*document* with the reference after its mark brought up to date.  Raises ValueError when the mark is missing."""
    before, mark, _ = document.partition(BEGIN)
    if not mark:
        raise ValueError(f"the line {BEGIN.strip()!r} is missing")
    return f"{before}{mark}\n{reference()}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the reference, or bring a page up to date; *arguments* are by default those of the process."""
    parser = ArgumentParser(prog="python -m tests.contract", description="The failure contract as Markdown.")
    parser.add_argument("--update", metavar="FILE", type=Path, help="bring the reference in a page up to date instead")
    page: Path | None = parser.parse_args(arguments).update
    if page is None:
        sys.stdout.write(reference())
        return 0
    try:
        page.write_text(updated(page.read_text(encoding="utf-8")), encoding="utf-8")
    except (OSError, ValueError) as error:
        sys.stderr.write(f"cannot update {page}: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
