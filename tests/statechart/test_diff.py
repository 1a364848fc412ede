"""The difference of two charts, as far as they do different things."""

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from statechart.diff import ChartUnreadable, diff, read_chart
from statechart.export.json import data
from statechart.model import MODEL

CHART = data(MODEL)


def changed(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    chart = deepcopy(CHART)
    change(chart)
    return chart


def edge(chart: dict[str, Any], source: str, event: str, order: int = 0) -> dict[str, Any]:
    wanted = (source, event, order)
    return next(edge for edge in chart["edges"] if (edge["from"], edge["event"], edge["order"]) == wanted)


def swap(chart: dict[str, Any]) -> None:
    one, other = edge(chart, "upstream", "credential_stale", 0), edge(chart, "upstream", "credential_stale", 1)
    one["order"], other["order"] = 1, 0


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda chart: chart.update(initial="auth"), ["~ begins in auth, not in validate"]),
        (
            lambda chart: edge(chart, "auth", "denied").update(to="conflict"),
            ["- auth on denied if always -> unauthorized", "+ auth on denied if always -> conflict"],
        ),
        (
            lambda chart: chart["edges"].remove(edge(chart, "auth", "denied")),
            ["- auth on denied if always -> unauthorized"],
        ),
        (swap, ["~ upstream on credential_stale is tried in another order: may_retry, may_reauth, always"]),
        (
            lambda chart: chart["guards"][1].update(truth="10"),
            ["~ guard live_stream holds in other cases; it reads live_stream"],
        ),
        (
            lambda chart: chart["guards"][1].update(reads=[], truth="1"),
            ["~ guard live_stream holds in other cases; it reads nothing"],
        ),
        (
            lambda chart: chart["states"].append({"name": "limbo", "meaning": "", "terminal": False}),
            ["+ working state limbo"],
        ),
        (
            lambda chart: chart["states"][0].update(terminal=True),
            ["- working state validate", "+ terminal state validate"],
        ),
        (
            lambda chart: chart["waits"].pop(0),
            ["- validate waits on client under body, running out is clock_expired"],
        ),
    ],
)
def test_a_change_of_what_it_does_is_told(change: Callable[[dict[str, Any]], object], told: list[str]) -> None:
    assert list(diff(CHART, changed(change))) == told


@pytest.mark.parametrize(
    "change",
    [
        lambda chart: chart["states"][0].update(meaning="other words"),
        lambda chart: chart["edges"].reverse(),
        lambda chart: chart["waits"].reverse(),
        lambda chart: chart["rows"].clear(),
    ],
)
def test_wording_and_order_of_cells_are_no_difference(change: Callable[[dict[str, Any]], object]) -> None:
    assert list(diff(CHART, changed(change))) == []


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "not JSON: "),
        ("[]", "not a chart's JSON export: "),
        ("{}", "not a chart's JSON export: KeyError 'initial'"),
        (json.dumps({**CHART, "edges": [{}]}), "not a chart's JSON export: KeyError 'from'"),
    ],
)
def test_what_is_no_chart_is_said_to_be_none(text: str, complaint: str) -> None:
    with pytest.raises(ChartUnreadable) as refused:
        read_chart(text)

    assert str(refused.value).startswith(complaint)


def test_an_export_can_be_read_back() -> None:
    assert read_chart(json.dumps(CHART)) == CHART
