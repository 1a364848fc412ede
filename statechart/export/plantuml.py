"""The chart as a PlantUML state diagram (https://plantuml.com/state-diagram).

The working states stand inside one composite state, so that what ends a request anywhere is one arrow from their frame.
"""

from statechart.model import Arrow, Model
from statechart.vocabulary import TERMINAL_STATES, WORKING_STATES, State


def render(model: Model) -> str:
    """Working states with their meanings, endings below, one arrow for each pair of states."""
    inside = [arrow for arrow in model.arrows if arrow.target not in TERMINAL_STATES]
    outward = [arrow for arrow in model.arrows if arrow.target in TERMINAL_STATES]
    lines = [
        "hide empty description",
        'state "any working state" as working {',
        *(f"  state {state} : {state.meaning}" for state in WORKING_STATES),
        f"  [*] --> {model.initial}",
        *(f"  {_arrow(arrow)}" for arrow in inside),
        "}",
        *(f"state {state} : {state.meaning}" for state in State if state in TERMINAL_STATES),
        *(_arrow(arrow) for arrow in outward),
        *(f"working --> {target} : {event}" for event, target in model.everywhere.items()),
        *(f"{state} --> [*]" for state in State if state in TERMINAL_STATES),
    ]
    return "\n".join(["@startuml statechart", *lines, "@enduml", ""])


def _arrow(arrow: Arrow) -> str:
    labels = "\\n".join(str(label) for label in arrow.labels)
    return f"{arrow.source} --> {arrow.target} : {labels}"
