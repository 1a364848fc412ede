"""Stories: what happens to requests, told by hand, with the way that each must take.

They are the table's second opinion: nothing here is derived from it.  Together they take every edge, and a mutation run
shows that no row can be changed without a story or a check taking notice.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from statechart.chart import INITIAL, WAITS, Row
from statechart.checks import check
from statechart.guards import GUARDS
from statechart.machine import fire
from statechart.model import MODEL, Edge, Model
from statechart.truth import VALUATIONS
from statechart.vocabulary import TERMINAL_STATES, WORKING_STATES, Event, Facts, State

Table = Callable[[Model, State, Event, Facts], State | None]


class Story(NamedTuple):
    """*events*, each with the facts that hold then in brackets, take a request along *path*."""

    name: str
    events: str
    path: str


AGAIN = "(retryable,attempt_left)"
NEXT = "(falls_back,candidate_left)"
MEND = "(falls_back,candidate_left,resume_enabled,text_only_sent,emitted)"

ASKED, UP = "validated authorized planned", "validate auth session upstream"
LIVE, STREAM = f"{ASKED} opened(live_stream)", f"{UP} stream"
WHOLE, READ = f"{ASKED} opened", f"{UP} read"
CUT, RESUME = f"{LIVE} upstream_failed{MEND}", f"{STREAM} resume"
ENDED, ANSWERED = "ended parsed rendered", "tool_parse render done"

STORIES = (
    # a good day
    Story("a streamed answer", f"{LIVE} {ENDED}", f"{STREAM} {ANSWERED}"),
    Story("an answer in one piece", f"{WHOLE} {ENDED}", f"{READ} {ANSWERED}"),
    # the caller's request
    Story("bad JSON", "body_rejected", "validate invalid_request"),
    Story("a body that trickles", "clock_expired", "validate timeout"),
    Story("a full house, at the door", "no_capacity", "validate overloaded"),
    Story("an unknown key", "validated denied", "validate auth unauthorized"),
    Story("an unknown model", "validated body_rejected", "validate auth invalid_request"),
    Story("too many requests of one key", "validated limit_hit", "validate auth rate_limited"),
    Story("a full house, in the queue", "validated no_capacity", "validate auth overloaded"),
    Story("more tokens than anyone takes", "validated authorized body_rejected", "validate auth session invalid_request"),
    Story("a double click", "validated authorized conversation_busy", "validate auth session conflict"),
    Story("no store where one is required", "validated authorized upstream_failed", "validate auth session upstream_error"),
    # credentials
    Story("a stale token, renewed", f"{ASKED} credential_stale(reauth_left) opened {ENDED}", f"{UP} upstream read {ANSWERED}"),
    Story("a stale token is renewed before anyone else is asked", f"{ASKED} credential_stale(reauth_left,falls_back,candidate_left)", f"{UP} upstream"),
    Story("a token refused again, another candidate", f"{ASKED} credential_stale{NEXT} retry_due", f"{UP} backoff upstream"),
    Story("a token refused again", f"{ASKED} credential_stale(falls_back)", f"{UP} upstream_error"),
    Story("a passed-through key is refused", f"{ASKED} upstream_denied{NEXT}", f"{UP} unauthorized"),
    # conversations
    Story("a lost conversation, told anew", f"{ASKED} conversation_lost(replay_left) planned opened", f"{UP} session upstream read"),
    Story("a lost conversation is told anew before anyone else is asked", f"{ASKED} conversation_lost(replay_left,falls_back,candidate_left)", f"{UP} session"),
    Story("a lost conversation, its history too", f"{ASKED} conversation_lost(history_missing,replay_left,falls_back,candidate_left)", f"{UP} conflict"),
    Story("a conversation lost twice, another candidate", f"{ASKED} conversation_lost{NEXT}", f"{UP} backoff"),
    Story("a conversation lost twice", f"{ASKED} conversation_lost", f"{UP} upstream_error"),
    # attempts
    Story("a refused connection, tried again", f"{ASKED} upstream_failed{AGAIN} retry_due {WHOLE[len(ASKED) + 1 :]}", f"{UP} backoff upstream read"),
    Story("a refused connection, another candidate", f"{ASKED} upstream_failed{NEXT} retry_due", f"{UP} backoff upstream"),
    Story("a failure that no try will mend", f"{ASKED} upstream_failed(attempt_left,candidate_left)", f"{UP} upstream_error"),
    Story("every budget spent", f"{ASKED} upstream_failed(retryable,falls_back)", f"{UP} upstream_error"),
    Story("a rate limit, waited for", f"{ASKED} upstream_limited{AGAIN}", f"{UP} backoff"),
    Story("a rate limit out of reach", f"{ASKED} upstream_limited(retryable)", f"{UP} rate_limited"),
    Story("a window too small, a larger one elsewhere", f"{ASKED} upstream_refused{NEXT}", f"{UP} backoff"),
    Story("a policy refuses", f"{ASKED} upstream_refused", f"{UP} invalid_request"),
    Story("a slow first token, another candidate", f"{ASKED} clock_expired{NEXT}", f"{UP} backoff"),
    Story("no first token", f"{ASKED} clock_expired", f"{UP} timeout"),
    Story("no place at the upstream, another candidate", f"{ASKED} no_capacity{NEXT}", f"{UP} backoff"),
    Story("no place at any upstream", f"{ASKED} no_capacity", f"{UP} overloaded"),
    # an answer in one piece breaks: nobody has seen anything yet
    Story("broken while read, tried again", f"{WHOLE} upstream_failed{AGAIN} retry_due", f"{READ} backoff upstream"),
    Story("broken while read", f"{WHOLE} upstream_failed", f"{READ} upstream_error"),
    Story("limited while read, another candidate", f"{WHOLE} upstream_limited{NEXT}", f"{READ} backoff"),
    Story("limited while read", f"{WHOLE} upstream_limited", f"{READ} rate_limited"),
    Story("refused while read, another candidate", f"{WHOLE} upstream_refused{NEXT}", f"{READ} backoff"),
    Story("refused while read", f"{WHOLE} upstream_refused", f"{READ} invalid_request"),
    Story("silent while read, another candidate", f"{WHOLE} clock_expired{NEXT}", f"{READ} backoff"),
    Story("silent while read", f"{WHOLE} clock_expired", f"{READ} timeout"),
    # a stream breaks: bytes have left
    Story("a cut stream is not retried", f"{LIVE} upstream_failed(retryable,attempt_left,falls_back,candidate_left,emitted)", f"{STREAM} upstream_error"),
    Story("limited in mid-stream", f"{LIVE} upstream_limited(emitted)", f"{STREAM} rate_limited"),
    Story("refused in mid-stream", f"{LIVE} upstream_refused(emitted)", f"{STREAM} invalid_request"),
    Story("silent in mid-stream", f"{LIVE} clock_expired(emitted)", f"{STREAM} timeout"),
    # a stream breaks, and another candidate goes on
    Story("a cut stream, resumed", f"{CUT} opened {ENDED}", f"{RESUME} stream {ANSWERED}"),
    Story("limited in mid-stream, resumed", f"{LIVE} upstream_limited{MEND}", RESUME),
    Story("refused in mid-stream, resumed", f"{LIVE} upstream_refused{MEND}", RESUME),
    Story("silent in mid-stream, resumed", f"{LIVE} clock_expired{MEND}", RESUME),
    Story("resuming fails, a third goes on", f"{CUT} upstream_failed{MEND} opened", f"{RESUME} resume stream"),
    Story("resuming fails", f"{CUT} upstream_failed(emitted)", f"{RESUME} upstream_error"),
    Story("resuming is limited, a third goes on", f"{CUT} upstream_limited{MEND}", f"{RESUME} resume"),
    Story("resuming is limited", f"{CUT} upstream_limited(emitted)", f"{RESUME} rate_limited"),
    Story("resuming is refused, a third goes on", f"{CUT} upstream_refused{MEND}", f"{RESUME} resume"),
    Story("resuming is refused", f"{CUT} upstream_refused(emitted)", f"{RESUME} invalid_request"),
    Story("resuming is slow, a third goes on", f"{CUT} clock_expired{MEND}", f"{RESUME} resume"),
    Story("resuming is slow", f"{CUT} clock_expired(emitted)", f"{RESUME} timeout"),
    Story("resuming meets a stale token, a third goes on", f"{CUT} credential_stale{MEND}", f"{RESUME} resume"),
    Story("resuming meets a stale token", f"{CUT} credential_stale(reauth_left,emitted)", f"{RESUME} upstream_error"),
    Story("resuming with a key that is refused", f"{CUT} upstream_denied{MEND}", f"{RESUME} unauthorized"),
    Story("resuming finds no place, a third goes on", f"{CUT} no_capacity{MEND}", f"{RESUME} resume"),
    Story("resuming finds no place", f"{CUT} no_capacity(emitted)", f"{RESUME} overloaded"),
)

WAY_TO = {
    State.VALIDATE: ("", "validate"),
    State.AUTH: ("validated", "validate auth"),
    State.SESSION: ("validated authorized", "validate auth session"),
    State.UPSTREAM: (ASKED, UP),
    State.BACKOFF: (f"{ASKED} upstream_failed{AGAIN}", f"{UP} backoff"),
    State.STREAM: (LIVE, STREAM),
    State.RESUME: (CUT, RESUME),
    State.READ: (WHOLE, READ),
    State.TOOL_PARSE: (f"{LIVE} ended", f"{STREAM} tool_parse"),
    State.RENDER: (f"{WHOLE} ended parsed", f"{READ} tool_parse render"),
}
ENDS = {
    "the caller leaves": ("client_gone", "client_abort"),
    "the time is up": ("deadline_passed", "timeout"),
    "the daemon goes down": ("shutting_down", "shutdown"),
    "a bug": ("crashed", "internal_error"),
}
CUT_SHORT = tuple(
    Story(f"{happening}, while in {state}", f"{events} {event}", f"{path} {ending}")
    for state, (events, path) in WAY_TO.items()
    for happening, (event, ending) in ENDS.items()
)
EVERY_STORY = STORIES + CUT_SHORT


def happenings(story: Story) -> Iterator[tuple[Event, Facts]]:
    for event, facts in re.findall(r"(\w+)(?:\(([\w,]*)\))?", story.events):
        yield Event(event), Facts(**dict.fromkeys(filter(None, facts.split(",")), True))


TOLD = [(list(happenings(story)), [State(state) for state in story.path.split()]) for story in EVERY_STORY]


@pytest.mark.parametrize("story", EVERY_STORY, ids=lambda story: story.name)
def test_story(story: Story, walker: Any) -> None:
    x = walker()

    for event, facts in happenings(story):
        x.known = facts
        fire(x, event)

    assert " ".join([INITIAL, *(target for _, _, target in x.told)]) == story.path


def edges_of(events: list[tuple[Event, Facts]], path: list[State]) -> Iterator[tuple[State, Event, State]]:
    return ((source, event, target) for source, (event, _), target in zip(path, events, path[1:], strict=False))


def test_the_stories_take_every_edge_and_end_in_every_ending() -> None:
    taken = {edge for events, path in TOLD for edge in edges_of(events, path)}

    assert {(edge.source, edge.event, edge.target) for edge in MODEL.edges} == taken
    assert {path[-1] for _, path in TOLD} >= TERMINAL_STATES
    assert set(WAY_TO) == set(WORKING_STATES)


# --- the mutation run


def spread(edges: tuple[Edge, ...]) -> tuple[Row, ...]:
    """A chart with one row for each edge, so that a change of one touches no other."""
    return tuple(Row((edge.source,), (edge.event,), edge.guard, edge.target) for edge in edges)


def mutants() -> Iterator[tuple[str, Model]]:
    """Every change of one edge: no such row, every other target, every other guard; every swap within a cell."""
    rows = spread(MODEL.edges)
    for place, row in enumerate(rows):
        told = f"{row.sources[0]} on {row.events[0]} if {row.guard.__name__} -> {row.target}"
        before, after = rows[:place], rows[place + 1 :]
        yield f"{told}: dropped", Model(before + after, WAITS, INITIAL)
        for target in set(State) - {row.target}:
            yield f"{told}: to {target}", Model((*before, row._replace(target=target), *after), WAITS, INITIAL)
        for guard in set(GUARDS) - {row.guard}:
            yield f"{told}: if {guard.__name__}", Model((*before, row._replace(guard=guard), *after), WAITS, INITIAL)
        if after and (row.sources, row.events) == (after[0].sources, after[0].events):
            yield f"{told}: after the next", Model((*before, after[0], row, *after[1:]), WAITS, INITIAL)


def contradicted(model: Model, table: Table) -> bool:
    """Whether some story takes another way by *model*."""
    for events, path in TOLD:
        for (event, facts), source, target in zip(events, path, path[1:], strict=False):
            if table(model, source, event, facts) is not target:
                return True
    return False


def does_the_same(model: Model) -> bool:
    """Whether *model* leads where the chart does in every cell and for all facts: then nothing has been changed."""
    return model.cells.keys() == MODEL.cells.keys() and all(
        [next((edge.target for edge in cell if edge.guard(facts)), None) for facts in VALUATIONS]
        == [next((edge.target for edge in MODEL.cells[key] if edge.guard(facts)), None) for facts in VALUATIONS]
        for key, cell in model.cells.items()
        if [(edge.guard, edge.target) for edge in cell] != [(edge.guard, edge.target) for edge in MODEL.cells[key]]
    )


def test_the_spread_chart_is_the_chart(table: Table) -> None:
    """Otherwise every mutant would die of the spreading."""
    model = Model(spread(MODEL.edges), WAITS, INITIAL)

    assert not contradicted(model, table)
    assert check(model) == []
    assert model.hash == MODEL.hash


def test_no_row_can_be_changed_unnoticed(table: Table) -> None:
    survivors = [
        told
        for told, mutant in mutants()
        if not (contradicted(mutant, table) or check(mutant) or does_the_same(mutant))
    ]

    assert survivors == []
