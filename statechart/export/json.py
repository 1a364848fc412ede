"""The chart as JSON, whole: every word with its meaning, every row, edge and wait.  `diff` compares two of these."""

import json
from typing import Any

from statechart.model import Model
from statechart.truth import BUDGETS, meaning, reads, truth_table
from statechart.vocabulary import FACT_MEANINGS, TERMINAL_STATES, Clock, Event, State, Word


def render(model: Model) -> str:
    """The data, indented, in the order of the vocabulary and of the table."""
    return json.dumps(data(model), indent=2, ensure_ascii=False) + "\n"


def data(model: Model) -> dict[str, Any]:
    """The chart in plain types.

    `rows` are the table as written; `edges` are what it amounts to, one for each state and event, `order` counting the
    trials within a cell from 0.  A guard's `truth` has one digit for each valuation of the facts that it `reads`,
    counting up in binary, the first fact foremost.
    """
    return {
        "hash": model.hash,
        "initial": model.initial.value,
        "states": [{**_word(state), "terminal": state in TERMINAL_STATES} for state in State],
        "events": [_word(event) for event in Event],
        "guards": [
            {
                "name": guard.__name__,
                "meaning": meaning(guard),
                "reads": list(reads(guard)),
                "truth": truth_table(guard),
            }
            for guard in model.guards
        ],
        "facts": [{"name": fact, "meaning": text, "budget": fact in BUDGETS} for fact, text in FACT_MEANINGS.items()],
        "clocks": [_word(clock) for clock in Clock],
        "rows": [
            {
                "while": [state.value for state in row.sources],
                "on": [event.value for event in row.events],
                "if": row.guard.__name__,
                "go_to": row.target.value,
            }
            for row in model.rows
        ],
        "edges": [
            {
                "from": edge.source.value,
                "event": edge.event.value,
                "order": order,
                "guard": edge.guard.__name__,
                "to": edge.target.value,
                "row": edge.row,
            }
            for cell in model.cells.values()
            for order, edge in enumerate(cell)
        ],
        "waits": [
            {"state": wait.state.value, "on": wait.on, "clock": wait.clock.value, "event": wait.event.value}
            for wait in model.waits
        ],
    }


def _word(word: Word) -> dict[str, Any]:
    return {"name": word.value, "meaning": word.meaning}
