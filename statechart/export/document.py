"""The chart as a page of documentation: `docs/statechart.md`, compared with the chart by a test."""

from collections.abc import Iterable

from statechart.export import markdown, mermaid
from statechart.model import Model
from statechart.truth import BUDGETS, meaning, reads
from statechart.vocabulary import FACT_MEANINGS, TERMINAL_STATES, WORKING_STATES, Clock, Event, State, Word

COMMANDS = """\
python -m statechart export --format document --out docs/statechart.md
python -m statechart export --format svg --out docs/statechart.svg"""


_PAGE = """\
# The life of a request

Every request is one walk through this chart, and ends in exactly one of its endings: the name of that state is the
request's `end_reason` in the log line, the metrics, the trace and the error.  The daemon runs the very table that this
page shows; a test compares the two.  The chart's hash is `{hash}`; `/health` tells the one that a daemon runs.

![The chart: boxes are states, arrows are events, and what ends a request stands inside the box](statechart.svg)

This page and the drawing are written by

```sh
{commands}
```

and `python -m statechart` can also `check` the chart, `diff` two of its JSON exports, and `replay` a recorded trace.

## Every arrow

`else` is the last row of a cell whose guards have all refused.

```mermaid
{mermaid}```

## The table

While a request is in a state, and on an event, the first row whose guard holds says where it goes.  What no row says
can't happen: the machine raises, and the request ends as `internal_error`.

{table}
## States

### Working, in order of life

{working}
### Endings

{endings}
## Events

{events}
## Guards

A guard looks at the facts, and at nothing else.

{guards}
## Facts

A budget is finite, and every loop of the chart spends one: no request walks in circles.

{facts}
## Clocks

Every wait has a clock, and every clock that runs out becomes an event.  `total` and the caller's leaving bound all of
them besides.

{waits}
{clocks}"""


def render(model: Model) -> str:
    """Picture, table, words and clocks."""
    return _PAGE.format(
        commands=COMMANDS,
        hash=model.hash,
        mermaid=mermaid.render(model),
        table=markdown.render(model),
        working=_words(WORKING_STATES),
        endings=_words(state for state in State if state in TERMINAL_STATES),
        events=_words(Event),
        guards=markdown.table(
            ("guard", "meaning", "reads"),
            [(f"`{guard.__name__}`", meaning(guard), ", ".join(reads(guard)) or "nothing") for guard in model.guards],
        ),
        facts=markdown.table(
            ("fact", "meaning", "budget"),
            [(f"`{fact}`", text, "yes" if fact in BUDGETS else "") for fact, text in FACT_MEANINGS.items()],
        ),
        waits=markdown.table(
            ("while", "waits on", "clock", "running out is"),
            [(wait.state, wait.on, f"`{wait.clock}`", wait.event) for wait in model.waits],
        ),
        clocks=_words(Clock),
    )


def _words(words: Iterable[Word]) -> str:
    return markdown.table(("name", "meaning"), [(f"`{word}`", word.meaning) for word in words])
