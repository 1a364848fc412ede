"""How two charts differ in what they do, by their JSON exports; wording and the order of cells do not count."""

import json
from collections.abc import Iterator
from typing import Any

Chart = dict[str, Any]
Cells = dict[tuple[str, str], list[tuple[str, str]]]


class ChartUnreadable(ValueError):
    """This is not a chart as `export --format json` writes it."""


def read_chart(text: str) -> Chart:
    """The chart of a JSON export.  Raises ChartUnreadable."""
    try:
        chart: Chart = json.loads(text)
    except ValueError as error:
        raise ChartUnreadable(f"not JSON: {error}") from error
    try:
        list(diff(chart, chart))
    except (KeyError, TypeError) as error:
        raise ChartUnreadable(f"not a chart's JSON export: {type(error).__name__} {error}") from error
    return chart


def diff(old: Chart, new: Chart) -> Iterator[str]:
    """One line for each difference: `-` is gone, `+` is new, `~` has changed."""
    if old["initial"] != new["initial"]:
        yield f"~ begins in {new['initial']}, not in {old['initial']}"
    yield from _changes(_states(old), _states(new))
    yield from _changes(_edges(old), _edges(new))
    yield from _reordered(_cells(old), _cells(new))
    yield from _changed_guards(old, new)
    yield from _changes(_waits(old), _waits(new))


def _changes(old: list[str], new: list[str]) -> Iterator[str]:
    yield from (f"- {line}" for line in old if line not in new)
    yield from (f"+ {line}" for line in new if line not in old)


def _states(chart: Chart) -> list[str]:
    return [f"{'terminal' if state['terminal'] else 'working'} state {state['name']}" for state in chart["states"]]


def _edges(chart: Chart) -> list[str]:
    return [f"{edge['from']} on {edge['event']} if {edge['guard']} -> {edge['to']}" for edge in chart["edges"]]


def _waits(chart: Chart) -> list[str]:
    return [
        f"{wait['state']} waits on {wait['on']} under {wait['clock']}, running out is {wait['event']}"
        for wait in chart["waits"]
    ]


def _cells(chart: Chart) -> Cells:
    cells: Cells = {}
    for edge in sorted(chart["edges"], key=lambda edge: edge["order"]):
        cells.setdefault((edge["from"], edge["event"]), []).append((edge["guard"], edge["to"]))
    return cells


def _reordered(old: Cells, new: Cells) -> Iterator[str]:
    for (source, event), before in old.items():
        after = new.get((source, event), [])
        if before != after and sorted(before) == sorted(after):
            yield f"~ {source} on {event} is tried in another order: {', '.join(guard for guard, _ in after)}"


def _changed_guards(old: Chart, new: Chart) -> Iterator[str]:
    before = {guard["name"]: (guard["reads"], guard["truth"]) for guard in old["guards"]}
    after = {guard["name"]: (guard["reads"], guard["truth"]) for guard in new["guards"]}
    for name, (reads, truth) in after.items():
        if before.get(name, (reads, truth)) != (reads, truth):
            yield f"~ guard {name} holds in other cases; it reads {', '.join(reads) or 'nothing'}"
