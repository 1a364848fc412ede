"""The table of the chart as a Markdown table."""

from collections.abc import Iterable, Sequence

from statechart.model import Model
from statechart.vocabulary import WORKING_STATES, State


def render(model: Model) -> str:
    """One line for each row of the chart, in its order: that is the order in which guards are tried."""
    rows = [
        (_sources(row.sources), ", ".join(row.events), row.guard.__name__, f"**{row.target}**") for row in model.rows
    ]
    return table(("while", "on", "if", "go to"), rows)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A pipe table whose columns stand in line in the source too."""
    lines = [tuple(head), *map(tuple, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = [" | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines]
    rule = " | ".join("-" * width for width in widths)
    return "".join(f"| {line} |\n" for line in (padded[0], rule, *padded[1:]))


def _sources(sources: tuple[State, ...]) -> str:
    return "every working state" if sources == WORKING_STATES else ", ".join(sources)
