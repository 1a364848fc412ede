"""fire(): the chart made to run.  The only module that knows of `transitions`.

One machine serves the whole process.  A request is never registered with it: whatever has a `state`, tells its
`facts()` and hears what it has `entered` can be fired.  Nothing runs inside the library's callbacks; nothing awaits.
"""

import logging
from typing import Any, Final, Protocol

import transitions

from statechart.guards import Guard, always
from statechart.model import MODEL, Model
from statechart.vocabulary import Event, Facts, State

logging.getLogger("transitions").setLevel(logging.WARNING)  # it formats several records per firing otherwise


class Subject(Protocol):
    """What can be fired: one request's walk through the chart."""

    state: State

    def facts(self) -> Facts:
        """What the guards may look at, as of now; asked at most once per firing, and only where a guard needs it."""

    def entered(self, source: State, event: Event, target: State) -> None:
        """Hear of a firing, after `state` has become *target*."""


class IllegalTransition(Exception):
    """The chart has no row for this event in this state; nothing has moved."""

    def __init__(self, state: State, event: Event) -> None:
        super().__init__(f"no row for event '{event}' in state '{state}'")
        self.state = state
        self.event = event


class CompiledEvent(transitions.Event):
    """The library's event, with its edges laid out as pairs at start-up.

    It only ever takes a step that the stock class would take too, and leaves every refusal to it.
    """

    def __init__(self, name: str, machine: transitions.Machine) -> None:
        super().__init__(name, machine)
        self._edges: dict[Any, list[tuple[Guard | None, Any]]] = {}

    def add_transition(self, transition: transitions.Transition) -> None:
        """Take in one edge; its states are those that the machine knows by these names."""
        super().add_transition(transition)
        source = self.machine.get_state(transition.source).value
        target = self.machine.get_state(transition.dest or transition.source).value
        guard: Any = transition.conditions[0].func if transition.conditions else None
        self._edges.setdefault(source, []).append((guard, target))

    def trigger(self, model: Any, *args: Any, **kwargs: Any) -> bool:
        """Move *model* along the first edge whose guard holds for *args*; see the stock class for refusals."""
        for guard, target in self._edges.get(model.state, ()):
            if guard is None or guard(*args):
                model.state = target
                return True
        return super().trigger(model, *args, **kwargs)


class CompiledMachine(transitions.Machine):
    """The library's machine, with compiled events."""

    event_cls = CompiledEvent


class StateMachine:
    """One chart, ready to fire; *machine_cls* is the class of the library's machine that does the firing."""

    __slots__ = ("_firing",)

    def __init__(self, model: Model, machine_cls: type[transitions.Machine] = CompiledMachine) -> None:
        machine = machine_cls(**library_config(model))
        self._firing = {event: (machine.events[event].trigger, guarded_sources(model, event)) for event in Event}

    def fire(self, subject: Subject, event: Event) -> State:
        """Move *subject* along the row for *event* in its state; return the state that it is in now.

        Raises IllegalTransition when there is no such row, and whatever `facts()` or a guard raises: then nothing has
        moved, and `entered` was not called.  What `entered` raises comes after the move.
        """
        source = subject.state
        trigger, guarded = self._firing[event]
        try:
            moved = trigger(subject, subject.facts()) if source in guarded else trigger(subject)
        except transitions.MachineError:
            moved = False
        if not moved:
            raise IllegalTransition(source, event)
        target = subject.state
        subject.entered(source, event, target)
        return target


def guarded_sources(model: Model, event: Event) -> frozenset[State]:
    """The states in which *event* needs the facts."""
    return frozenset(edge.source for edge in model.edges if edge.event is event and edge.guard is not always)


def library_config(model: Model) -> dict[str, Any]:
    """The chart as keyword arguments of the library's machines: no model, no string callbacks, no automatic edges."""
    return {
        "model": None,
        "states": list(State),
        "initial": model.initial,
        "transitions": [
            {
                "trigger": edge.event,
                "source": edge.source,
                "dest": edge.target,
                "conditions": None if edge.guard is always else edge.guard,
            }
            for edge in model.edges
        ],
        "auto_transitions": False,
        "send_event": False,
        "queued": False,
    }


fire: Final = StateMachine(MODEL).fire
