"""The chart as a Mermaid state diagram (https://mermaid.js.org/syntax/stateDiagram.html): forges show it inline."""

from statechart.model import Model
from statechart.vocabulary import TERMINAL_STATES, WORKING_STATES, State

ANYWHERE = "any_working_state"
"""Stands for every working state, so that what ends a request anywhere is drawn once."""


def render(model: Model) -> str:
    """Every edge as `a --> b: event [guard]`; parallel edges share an arrow, one line for each guard."""
    arrows = [
        f"{arrow.source} --> {arrow.target}: {'<br/>'.join(str(label) for label in arrow.labels)}"
        for arrow in model.arrows
    ]
    lines = [
        "direction TB",
        *(f"state {state}" for state in WORKING_STATES),
        f'state "any working state" as {ANYWHERE}',
        f"[*] --> {model.initial}",
        *arrows,
        *(f"{ANYWHERE} --> {target}: {event}" for event, target in model.everywhere.items()),
        "classDef ending stroke:#a03030,stroke-width:2px",
        "classDef whole stroke:#2f7a3a,stroke-width:3px",
        "classDef anywhere stroke-dasharray:4 3",
        f"class {','.join(state for state in State if state in TERMINAL_STATES - {State.DONE})} ending",
        f"class {State.DONE} whole",
        f"class {ANYWHERE} anywhere",
    ]
    return "\n".join(["stateDiagram-v2", *(f"    {line}" for line in lines), ""])
