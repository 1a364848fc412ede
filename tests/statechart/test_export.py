"""The exports: each read back, edge by edge, and held against the chart."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from transitions.extensions import GraphMachine

from statechart.chart import CHART, WAITS
from statechart.export import FORMATS, svg
from statechart.export.markdown import table
from statechart.export.mermaid import ANYWHERE
from statechart.guards import always
from statechart.machine import library_config
from statechart.model import MODEL
from statechart.vocabulary import FACT_MEANINGS, TERMINAL_STATES, WORKING_STATES, Clock, Event, Facts, State

EDGES = {(edge.source, edge.event, edge.target) for edge in MODEL.edges}
GUARDED_EDGES = {
    (edge.source, edge.event, "" if edge.guard is always else edge.guard.__name__, edge.target) for edge in MODEL.edges
}
DOCS = Path(__file__).parents[2] / "docs"

needs_svg = pytest.mark.skipif(svg._program() is None, reason="the extra `svg` is not installed")


def events_at(label: str) -> list[tuple[str, str]]:
    """The (event, guard) pairs of one label, `a, b [guard]`; `else` is no guard."""
    match = re.fullmatch(r"([\w, ]+?)(?: \[(\w+)\])?", label)
    assert match is not None, label
    events, guard = match.groups()
    return [(event, "" if guard in {None, "else"} else guard) for event in events.split(", ")]


def edges_of_arrows(text: str, everywhere: str, line_break: str) -> set[tuple[str, str, str, str]]:
    """What lines like `a --> b : label` say, those of *everywhere* said of every working state."""
    return {
        (source, event, guard, target)
        for name, target, labels in re.findall(r"^ *(\w+) --> (\w+) ?: (.+)$", text, re.MULTILINE)
        for source in (WORKING_STATES if name == everywhere else [name])
        for label in labels.split(line_break)
        for event, guard in events_at(label)
    }


def test_mermaid_has_every_edge() -> None:
    text = FORMATS["mermaid"](MODEL)

    assert text.startswith("stateDiagram-v2\n")
    assert "[*] --> validate\n" in text
    assert edges_of_arrows(text, ANYWHERE, "<br/>") == GUARDED_EDGES


def test_plantuml_has_every_edge_and_meaning() -> None:
    text = FORMATS["plantuml"](MODEL)

    assert text.startswith("@startuml statechart\n")
    assert text.endswith("@enduml\n")
    assert edges_of_arrows(text, "working", "\\n") == GUARDED_EDGES
    assert all(f"state {state} : {state.meaning}\n" in text for state in State)


def test_scxml_has_every_edge_in_the_order_of_trial() -> None:
    """Document order is priority there (W3C SCXML §3.13)."""
    space = {"": "http://www.w3.org/2005/07/scxml"}
    root = ET.fromstring(FORMATS["scxml"](MODEL))  # noqa: S314 - our own text
    parent = root.find("state", space)
    assert parent is not None

    def transitions(of: ET.Element) -> list[tuple[str, str, str]]:
        return [(t.get("event", ""), t.get("cond", ""), t.get("target", "")) for t in of.findall("transition", space)]

    shared = transitions(parent)
    found = [
        (state.get("id"), *each) for state in parent.findall("state", space) for each in transitions(state) + shared
    ]
    assert set(found) == GUARDED_EDGES
    assert len(found) == len(GUARDED_EDGES)
    for source, event in MODEL.cells:
        guards = [edge.guard.__name__ for edge in MODEL.cells[source, event]]
        assert [guard or "always" for state, name, guard, _ in found if (state, name) == (source, event)] == guards
    assert {final.get("id") for final in root.findall("final", space)} == TERMINAL_STATES
    assert (root.get("initial"), parent.get("initial")) == (parent.get("id"), "validate")
    assert {data.get("id") for data in root.iterfind("datamodel/data", space)} == {
        name for _, _, name, _ in GUARDED_EDGES if name
    }


def test_json_has_every_row_wait_and_meaning() -> None:
    chart = json.loads(FORMATS["json"](MODEL))

    assert (chart["initial"], chart["hash"]) == ("validate", MODEL.hash)
    assert [(row["while"], row["on"], row["if"], row["go_to"]) for row in chart["rows"]] == [
        (list(row.sources), list(row.events), row.guard.__name__, row.target) for row in CHART
    ]
    assert [(edge["from"], edge["event"], edge["guard"], edge["to"], edge["row"]) for edge in chart["edges"]] == [
        (edge.source, edge.event, edge.guard.__name__, edge.target, edge.row) for edge in MODEL.edges
    ]
    assert [
        edge["guard"]
        for edge in chart["edges"]
        if (edge["from"], edge["event"], edge["order"]) == ("upstream", "opened", 0)
    ] == ["live_stream"]
    assert [tuple(wait.values()) for wait in chart["waits"]] == [tuple(wait) for wait in WAITS]
    for words, kind in ((State, "states"), (Event, "events"), (Clock, "clocks")):
        assert {word["name"]: word["meaning"] for word in chart[kind]} == {word: word.meaning for word in words}
    assert {fact["name"]: fact["meaning"] for fact in chart["facts"]} == FACT_MEANINGS
    assert {state["name"] for state in chart["states"] if state["terminal"]} == TERMINAL_STATES
    assert {fact["name"] for fact in chart["facts"] if fact["budget"]} == {
        f for f in Facts._fields if f.endswith("_left")
    }
    assert all(guard["meaning"] and len(guard["truth"]) == 2 ** len(guard["reads"]) for guard in chart["guards"])


def test_markdown_has_every_row() -> None:
    lines = FORMATS["markdown"](MODEL).splitlines()

    assert [cell.strip() for cell in lines[0].strip("|").split("|")] == ["while", "on", "if", "go to"]
    assert [tuple(cell.strip(" *") for cell in line.strip("|").split("|")) for line in lines[2:]] == [
        (
            "every working state" if row.sources == WORKING_STATES else ", ".join(row.sources),
            ", ".join(row.events),
            row.guard.__name__,
            row.target,
        )
        for row in CHART
    ]


def test_a_markdown_table_stands_in_line_in_its_source() -> None:
    assert table(("a", "long head"), [("longer cell", "b")]) == (
        "| a           | long head |\n| ----------- | --------- |\n| longer cell | b         |\n"
    )


def test_dot_has_every_edge_as_an_arrow_or_in_a_box() -> None:
    text = FORMATS["dot"](MODEL)
    arrows = {
        (source, event, target)
        for source, target, label in re.findall(r'(\w+) -> (\w+) \[id="arrow-\1-\2", label="(.+?)"\]', text)
        for event in re.findall(r"  (\w+)\\l", label)
    }
    boxes = {
        (source, event.split(" ")[0], target)
        for name, box in re.findall(r"^ *(\w+) \[(.*<TABLE.*)\];$", text, re.MULTILINE)
        for source in (WORKING_STATES if name == "anywhere" else [name])
        for event, target in re.findall(
            r'<TD ALIGN="LEFT">([\w \[\]]+)</TD><TD ALIGN="LEFT"><FONT[^>]*>&#8594; (\w+)<', box
        )
    }

    assert arrows | boxes == EDGES
    assert not arrows & boxes


@needs_svg
def test_the_drawing_shows_every_state_and_arrow() -> None:
    """By id, so that a page can bring them to life."""
    drawing = ET.fromstring(FORMATS["svg"](MODEL))  # noqa: S314 - our own text
    ids = {element.get("id") for element in drawing.iter()}
    words = " ".join("".join(text.itertext()) for text in drawing.iter("{http://www.w3.org/2000/svg}text"))

    assert {f"state-{state}" for state in (*WORKING_STATES, State.DONE)} <= ids
    assert {f"arrow-{a.source}-{a.target}" for a in MODEL.arrows if a.target in {*WORKING_STATES, State.DONE}} <= ids
    assert all(re.search(rf"\b{word}\b", words) for word in (*State, *Event))


def test_without_its_program_there_is_one_sentence_instead_of_a_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(svg, "PROGRAM", "no-such-program")

    with pytest.raises(
        svg.SvgUnavailable, match=r"^no drawing without 'no-such-program': pip install 'turnstile-gateway\[svg\]'$"
    ):
        svg.render(MODEL)


def test_a_program_that_fails_is_quoted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "drawer"
    program.write_text("#!/bin/sh\necho 'no ink' >&2\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setattr(svg, "PROGRAM", "drawer")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    with pytest.raises(svg.SvgUnavailable, match=r"^'drawer' failed: no ink$"):
        svg.render(MODEL)


def test_the_library_draws_the_same_edges() -> None:
    """A second, independent drawing: what `transitions` itself says that it was given."""

    class Drawn:
        get_graph: Any

    drawn = Drawn()
    machine = GraphMachine(graph_engine="mermaid", show_conditions=True, **{**library_config(MODEL), "model": drawn})
    text = drawn.get_graph().source

    names = {state.name: state.value for state in State}
    found = {
        (names[source], event, guard, names[target])
        for source, target, labels in re.findall(r"^ *(\w+) --> (\w+): (.+)$", text, re.MULTILINE)
        for label in labels.split(" | ")
        for event, guard in events_at(label)
    }
    assert found == GUARDED_EDGES
    assert machine.models == [drawn]


def test_exports_are_the_same_bytes_in_every_process() -> None:
    """Reviewers read diffs of them: the order of a hash table must not show."""
    program = """
from statechart.export import FORMATS
from statechart.model import MODEL
print([render(MODEL) for name, render in FORMATS.items() if name != "svg"])
"""

    def run(seed: str) -> str:
        command, environment = [sys.executable, "-c", program], {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)  # noqa: S603 - ours
        return done.stdout

    assert run("1") == run("2") == f"{[render(MODEL) for name, render in FORMATS.items() if name != 'svg']}\n"


@needs_svg
def test_the_drawing_is_the_same_every_time() -> None:
    assert FORMATS["svg"](MODEL) == FORMATS["svg"](MODEL)


def test_the_page_of_the_documentation_is_the_chart() -> None:
    """Run `python -m statechart export --format document --out docs/statechart.md` when it is not."""
    assert (DOCS / "statechart.md").read_text(encoding="utf-8") == FORMATS["document"](MODEL)


@needs_svg
def test_the_drawing_of_the_documentation_is_the_chart() -> None:
    """Run `python -m statechart export --format svg --out docs/statechart.svg` when it is not."""
    assert (DOCS / "statechart.svg").read_text(encoding="utf-8") == FORMATS["svg"](MODEL)
