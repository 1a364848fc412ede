"""A recorded walk against the chart.

A trace is a JSON list with one object for each firing: `{"t_ns": 12, "from": "auth", "event": "authorized", "to":
"session"}`, the time in nanoseconds of a clock that never goes back.
"""

import json
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from statechart.model import Model
from statechart.vocabulary import TERMINAL_STATES, Event, State


class Step(NamedTuple):
    """One firing: at *t_ns*, *event* led from *source* to *target*."""

    t_ns: int
    source: State
    event: Event
    target: State


class TraceUnreadable(ValueError):
    """This is not a trace: not JSON, not of its shape, or of words that the chart does not know."""


def read_trace(text: str) -> list[Step]:
    """The steps of a trace.  Raises TraceUnreadable, naming the step at fault, counted from 0."""
    try:
        recorded = json.loads(text)
    except ValueError as error:
        raise TraceUnreadable(f"not JSON: {error}") from error
    if not isinstance(recorded, list):
        raise TraceUnreadable("not a JSON list of steps")
    steps = []
    for place, step in enumerate(recorded):
        try:
            steps.append(Step(int(step["t_ns"]), State(step["from"]), Event(step["event"]), State(step["to"])))
        except KeyError as error:
            raise TraceUnreadable(f"step {place} lacks {error}") from error
        except (TypeError, ValueError) as error:
            raise TraceUnreadable(f"step {place}: {error}") from error
    return steps


def replay(model: Model, steps: Sequence[Step]) -> Iterator[str]:
    """What *steps* do that the chart does not allow, one sentence each; a walk that is whole and lawful yields nothing.

    Which guard let a step pass can't be known from a trace: a step is lawful if some row allows it.
    """
    if not steps:
        yield "no steps"
        return
    lawful = {(edge.source, edge.event, edge.target) for edge in model.edges}
    if steps[0].source is not model.initial:
        yield f"step 0 begins in {steps[0].source}, not in {model.initial}"
    for place, step in enumerate(steps):
        if (step.source, step.event, step.target) not in lawful:
            yield f"step {place}: no row leads from {step.source} on {step.event} to {step.target}"
    for place, (before, after) in enumerate(pairwise(steps), start=1):
        if after.source is not before.target:
            yield f"step {place} begins in {after.source}, but step {place - 1} led to {before.target}"
        if after.t_ns < before.t_ns:
            yield f"step {place} is earlier than step {place - 1}"
    if steps[-1].target not in TERMINAL_STATES:
        yield f"the walk stops in {steps[-1].target}, which is no ending"


def path(steps: Sequence[Step]) -> str:
    """The states that were walked through, like `validate>auth>…>done`."""
    return ">".join([*(step.source for step in steps[:1]), *(step.target for step in steps)])
