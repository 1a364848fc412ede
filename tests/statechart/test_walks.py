"""Walks: whatever happens, in whatever order, a request keeps the promises of the chart.

The world here is as hostile as the guards allow: any failure, at any time, retryable or not, with real budgets that are
spent and never refilled.
"""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from statechart.chart import INITIAL
from statechart.machine import IllegalTransition, fire
from statechart.model import MODEL
from statechart.vocabulary import TERMINAL_STATES, Event, Facts, State

CALLS, CANDIDATES = 6, 3
TRUTH = st.booleans()

ACCEPTED = {state: [event for source, event in MODEL.cells if source is state] for state in State}
USUAL = {state: [event for event in events if event not in MODEL.everywhere] for state, events in ACCEPTED.items()}
"""Without what ends every walk at once; that comes last of all, in `teardown`."""


class Walk(RuleBasedStateMachine):
    """One request, and its budgets."""

    def __init__(self) -> None:
        super().__init__()
        self.state = INITIAL
        self.trace: list[tuple[State, Event, State]] = []
        self.calls = self.resumed = 0
        self.reauthed = self.replayed = self.emitted = False
        self.failure = Facts()

    # --- the side that the machine sees

    def facts(self) -> Facts:
        return self.failure._replace(
            reauth_left=not self.reauthed,
            replay_left=not self.replayed,
            attempt_left=self.calls < CALLS,
            candidate_left=self.calls + self.resumed < CALLS + CANDIDATES,
            emitted=self.emitted,
        )

    def entered(self, source: State, event: Event, target: State) -> None:
        self.trace.append((source, event, target))
        self.calls += (event, target) == (Event.PLANNED, State.UPSTREAM) or target is State.BACKOFF
        self.resumed += target is State.RESUME
        self.reauthed |= (source, event, target) == (State.UPSTREAM, Event.CREDENTIAL_STALE, State.UPSTREAM)
        self.replayed |= target is State.SESSION and event is Event.CONVERSATION_LOST
        self.emitted |= target is State.STREAM

    # --- the world

    @precondition(lambda self: self.state not in TERMINAL_STATES)
    @rule(data=st.data(), live=TRUTH, again=TRUTH, elsewhere=TRUTH, missing=TRUTH, resume=TRUTH, text=TRUTH)
    def something_happens(
        self, data: st.DataObject, *, live: bool, again: bool, elsewhere: bool, missing: bool, resume: bool, text: bool
    ) -> None:
        self.failure = Facts(
            live_stream=live,
            retryable=again,
            falls_back=elsewhere,
            history_missing=missing,
            resume_enabled=resume,
            text_only_sent=text,
        )
        event = data.draw(st.sampled_from(USUAL[self.state]))
        source, steps = self.state, len(self.trace)

        target = fire(self, event)

        assert self.trace[steps:] == [(source, event, target)]

    @rule(event=st.sampled_from(Event))
    def something_impossible_happens(self, event: Event) -> None:
        """Late chunks, double answers, timers that outlived their state."""
        if event in ACCEPTED[self.state]:
            return
        state, steps = self.state, len(self.trace)
        try:
            fire(self, event)
        except IllegalTransition:
            assert (self.state, len(self.trace)) == (state, steps)
        else:
            raise AssertionError(f"{event} was accepted in {state}")

    # --- the promises

    @invariant()
    def the_trace_is_one_unbroken_walk(self) -> None:
        states = [INITIAL, *(target for _, _, target in self.trace)]
        assert [source for source, _, _ in self.trace] == states[:-1]
        assert states[-1] is self.state

    @invariant()
    def only_the_last_state_is_an_ending(self) -> None:
        assert not {source for source, _, _ in self.trace} & TERMINAL_STATES

    @invariant()
    def no_attempt_follows_a_delivered_byte(self) -> None:
        states = [target for _, _, target in self.trace]
        if State.STREAM in states:
            assert not {State.SESSION, State.UPSTREAM, State.BACKOFF} & set(states[states.index(State.STREAM) :])

    @invariant()
    def nobody_walks_in_circles(self) -> None:
        assert self.calls <= CALLS + CANDIDATES + 2, "plus one renewal and one replay"
        assert len(self.trace) < 3 * (CALLS + CANDIDATES) + 12

    @invariant()
    def done_means_ended_parsed_and_rendered(self) -> None:
        if self.state is State.DONE:
            assert [event for _, event, _ in self.trace[-3:]] == [Event.ENDED, Event.PARSED, Event.RENDERED]

    def teardown(self) -> None:
        """Every walk can be cut off where it is."""
        if self.state not in TERMINAL_STATES:
            assert fire(self, Event.SHUTTING_DOWN) is State.SHUTDOWN


TestWalk = Walk.TestCase
TestWalk.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
