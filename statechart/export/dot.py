"""The chart as a Graphviz digraph: the way through as arrows; what ends the request in a state, inside its box."""

from collections.abc import Iterable
from html import escape

from statechart.model import ELSE, Arrow, Label, Model
from statechart.vocabulary import TERMINAL_STATES, WORKING_STATES, State

_BLUE, _GREEN, _RED, _GREY = "#2f5488", "#2f7a3a", "#a03030", "#555555"

_HEAD = f"""\
rankdir=TB; nodesep=0.4; ranksep=0.4; bgcolor=white;
node [fontname="Helvetica", fontsize=9, shape=box, style="rounded,filled", fillcolor="#eef3fb", color="{_BLUE}"];
edge [fontname="Helvetica", fontsize=9, fontcolor="{_GREY}", color="{_BLUE}", arrowsize=0.7];
begin [shape=point, width=0.12, color=black, fillcolor=black, tooltip=" "];"""


def render(model: Model) -> str:
    """Nodes and arrows carry ids (`state-auth`, `arrow-auth-session`) for pages that bring the drawing to life."""
    lines = [
        *_HEAD.splitlines(),
        *(_node(state, _ways_to_end(model, state)) for state in WORKING_STATES),
        _node(State.DONE, (), f'peripheries=2, color="{_GREEN}", fillcolor=white'),
        f"begin -> {model.initial};",
        *(_arrow(arrow) for arrow in model.arrows if not _is_failure(arrow)),
        f'anywhere [style="rounded,dashed", label={_box("any working state", model.everywhere.items())}];',
        f'endings [shape=plain, style="", label={_legend()}];',
        f"{{rank=same; endings -> {State.AUTH} -> anywhere [style=invis]}}",
    ]
    return "\n".join(["digraph statechart {", *(f"    {line}" for line in lines), "}", ""])


def _is_failure(arrow: Arrow) -> bool:
    return arrow.target in TERMINAL_STATES and arrow.target is not State.DONE


def _ways_to_end(model: Model, state: State) -> list[tuple[str, State]]:
    """What ends a request in *state*, in the order of the endings; ELSE goes without saying."""
    return [
        (str(Label((event,), "" if label.condition == ELSE else label.condition)), arrow.target)
        for arrow in model.arrows
        if arrow.source is state and _is_failure(arrow)
        for label in arrow.labels
        for event in label.events
    ]


def _node(state: State, ways: Iterable[tuple[str, State]], *attributes: str) -> str:
    described = [f'id="state-{state}"', f'tooltip="{state.meaning}"', f"label={_box(state, ways)}", *attributes]
    return f"{state} [{', '.join(described)}];"


def _arrow(arrow: Arrow) -> str:
    """Its label has one event a line, then the guard, left-aligned and a little off the line."""
    words = [
        word
        for label in arrow.labels
        for word in (*label.events, *([f"[{label.condition}]"] if label.condition else []))
    ]
    text = "".join(f"  {word}\\l" for word in words)
    return f'{arrow.source} -> {arrow.target} [id="arrow-{arrow.source}-{arrow.target}", label="{text}"];'


def _box(title: str, ways: Iterable[tuple[str, State]]) -> str:
    rows = [
        f'<TR><TD ALIGN="LEFT">{way}</TD><TD ALIGN="LEFT">{_colored(_RED, f"&#8594; {target}")}</TD></TR>'
        for way, target in ways
    ]
    return _table(f'<TR><TD COLSPAN="2"><FONT POINT-SIZE="13"><B>{title}</B></FONT></TD></TR>', *rows)


def _legend() -> str:
    rows = [
        f'<TR><TD ALIGN="RIGHT">{_colored(_GREEN if state is State.DONE else _RED, state)}</TD>'
        f'<TD ALIGN="LEFT">{_colored(_GREY, " " + escape(state.meaning))}</TD></TR>'
        for state in State
        if state in TERMINAL_STATES
    ]
    return _table(f'<TR><TD></TD><TD ALIGN="LEFT"><B>{_colored(_GREY, "how a request can end")}</B></TD></TR>', *rows)


def _colored(color: str, text: str) -> str:
    return f'<FONT COLOR="{color}">{text}</FONT>'


def _table(*rows: str) -> str:
    return f'<<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="1">{"".join(rows)}</TABLE>>'
