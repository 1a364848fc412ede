"""Stories: what happens to requests, told by hand, with the way that each must take.

They are the table's second opinion: nothing here is derived from it.  Together they take every edge, and a mutation run
shows that no row can be changed without a story or a check taking notice.
"""

import re
from collections.abc import Callable, Iterator
from itertools import pairwise
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
    """Once in *state*, *events*, each with the facts that hold then in brackets, take a request along *path*."""

    name: str
    state: State
    events: str
    path: str


AGAIN = "(retryable,attempt_left)"
NEXT = "(falls_back,candidate_left)"
MEND = "(falls_back,candidate_left,resume_enabled,text_only_sent,emitted)"

VALIDATE, AUTH, SESSION, UPSTREAM, BACKOFF, STREAM, RESUME, READ, TOOL_PARSE, RENDER = WORKING_STATES

WAY_TO = {
    VALIDATE: ("", "validate"),
    AUTH: ("validated", "validate auth"),
    SESSION: ("validated authorized", "validate auth session"),
    UPSTREAM: ("validated authorized planned", "validate auth session upstream"),
    BACKOFF: (f"validated authorized planned upstream_failed{AGAIN}", "validate auth session upstream backoff"),
    STREAM: ("validated authorized planned opened(live_stream)", "validate auth session upstream stream"),
    RESUME: (
        f"validated authorized planned opened(live_stream) upstream_failed{MEND}",
        "validate auth session upstream stream resume",
    ),
    READ: ("validated authorized planned opened", "validate auth session upstream read"),
    TOOL_PARSE: ("validated authorized planned opened ended", "validate auth session upstream read tool_parse"),
    RENDER: (
        "validated authorized planned opened ended parsed",
        "validate auth session upstream read tool_parse render",
    ),
}
"""How a request comes into each working state."""

STORIES = (
    # a good day
    Story("a streamed answer", STREAM, "ended parsed rendered", "tool_parse render done"),
    Story("an answer in one piece", READ, "ended parsed rendered", "tool_parse render done"),
    # the caller's request
    Story("bad JSON", VALIDATE, "body_rejected", "invalid_request"),
    Story("a body that trickles", VALIDATE, "clock_expired", "timeout"),
    Story("a full house, at the door", VALIDATE, "no_capacity", "overloaded"),
    Story("an unknown key", AUTH, "denied", "unauthorized"),
    Story("an unknown model", AUTH, "body_rejected", "invalid_request"),
    Story("too many requests of one key", AUTH, "limit_hit", "rate_limited"),
    Story("a full house, in the queue", AUTH, "no_capacity", "overloaded"),
    Story("more tokens than anyone takes", SESSION, "body_rejected", "invalid_request"),
    Story("a double click", SESSION, "conversation_busy", "conflict"),
    Story("no store where one is required", SESSION, "upstream_failed", "upstream_error"),
    # credentials
    Story("a stale token, renewed", UPSTREAM, "credential_stale(reauth_left) opened", "upstream read"),
    Story(
        "a stale token is renewed before anyone else is asked",
        UPSTREAM,
        "credential_stale(reauth_left,falls_back,candidate_left)",
        "upstream",
    ),
    Story(
        "a token refused again, another candidate", UPSTREAM, f"credential_stale{NEXT} retry_due", "backoff upstream"
    ),
    Story("a token refused again", UPSTREAM, "credential_stale(falls_back)", "upstream_error"),
    Story("a passed-through key is refused", UPSTREAM, f"upstream_denied{NEXT}", "unauthorized"),
    # conversations
    Story("a lost conversation, told anew", UPSTREAM, "conversation_lost(replay_left) planned", "session upstream"),
    Story(
        "a lost conversation is told anew before anyone else is asked",
        UPSTREAM,
        "conversation_lost(replay_left,falls_back,candidate_left)",
        "session",
    ),
    Story(
        "a lost conversation, its history too, ends whatever is left",
        UPSTREAM,
        "conversation_lost(history_missing,replay_left,falls_back,candidate_left)",
        "conflict",
    ),
    Story("a conversation lost twice, another candidate", UPSTREAM, f"conversation_lost{NEXT}", "backoff"),
    Story("a conversation lost twice", UPSTREAM, "conversation_lost", "upstream_error"),
    # attempts
    Story("a refused connection, tried again", UPSTREAM, f"upstream_failed{AGAIN} retry_due", "backoff upstream"),
    Story("a refused connection, another candidate", UPSTREAM, f"upstream_failed{NEXT}", "backoff"),
    Story("a failure no try will mend", UPSTREAM, "upstream_failed(attempt_left,candidate_left)", "upstream_error"),
    Story("every budget spent", UPSTREAM, "upstream_failed(retryable,falls_back)", "upstream_error"),
    Story("a rate limit, waited for", UPSTREAM, f"upstream_limited{AGAIN}", "backoff"),
    Story("a rate limit out of reach", UPSTREAM, "upstream_limited(retryable)", "rate_limited"),
    Story("a window too small, a larger one elsewhere", UPSTREAM, f"upstream_refused{NEXT}", "backoff"),
    Story("a policy refuses", UPSTREAM, "upstream_refused", "invalid_request"),
    Story("a slow first token, another candidate", UPSTREAM, f"clock_expired{NEXT}", "backoff"),
    Story("no first token", UPSTREAM, "clock_expired", "timeout"),
    Story("no place at the upstream, another candidate", UPSTREAM, f"no_capacity{NEXT}", "backoff"),
    Story("no place at any upstream", UPSTREAM, "no_capacity", "overloaded"),
    # an answer in one piece breaks: nobody has seen anything yet
    Story("broken while read, tried again", READ, f"upstream_failed{AGAIN} retry_due", "backoff upstream"),
    Story("broken while read", READ, "upstream_failed", "upstream_error"),
    Story("limited while read, another candidate", READ, f"upstream_limited{NEXT}", "backoff"),
    Story("limited while read", READ, "upstream_limited", "rate_limited"),
    Story("refused while read, another candidate", READ, f"upstream_refused{NEXT}", "backoff"),
    Story("refused while read", READ, "upstream_refused", "invalid_request"),
    Story("silent while read, another candidate", READ, f"clock_expired{NEXT}", "backoff"),
    Story("silent while read", READ, "clock_expired", "timeout"),
    # a stream breaks: bytes have left
    Story(
        "a cut stream is not tried again",
        STREAM,
        "upstream_failed(retryable,attempt_left,falls_back,candidate_left,emitted)",
        "upstream_error",
    ),
    Story("limited in mid-stream", STREAM, "upstream_limited(emitted)", "rate_limited"),
    Story("refused in mid-stream", STREAM, "upstream_refused(emitted)", "invalid_request"),
    Story("silent in mid-stream", STREAM, "clock_expired(emitted)", "timeout"),
    # a stream breaks, and another candidate goes on
    Story("a cut stream, resumed", RESUME, "opened ended", "stream tool_parse"),
    Story("limited in mid-stream, resumed", STREAM, f"upstream_limited{MEND}", "resume"),
    Story("refused in mid-stream, resumed", STREAM, f"upstream_refused{MEND}", "resume"),
    Story("silent in mid-stream, resumed", STREAM, f"clock_expired{MEND}", "resume"),
    Story("resuming fails, a third goes on", RESUME, f"upstream_failed{MEND} opened", "resume stream"),
    Story("resuming fails", RESUME, "upstream_failed(emitted)", "upstream_error"),
    Story("resuming is limited, a third goes on", RESUME, f"upstream_limited{MEND}", "resume"),
    Story("resuming is limited", RESUME, "upstream_limited(emitted)", "rate_limited"),
    Story("resuming is refused, a third goes on", RESUME, f"upstream_refused{MEND}", "resume"),
    Story("resuming is refused", RESUME, "upstream_refused(emitted)", "invalid_request"),
    Story("resuming is slow, a third goes on", RESUME, f"clock_expired{MEND}", "resume"),
    Story("resuming is slow", RESUME, "clock_expired(emitted)", "timeout"),
    Story("resuming finds no place, a third goes on", RESUME, f"no_capacity{MEND}", "resume"),
    Story("resuming finds no place", RESUME, "no_capacity(emitted)", "overloaded"),
    Story("a retry is answered live", BACKOFF, "retry_due opened(live_stream) ended", "upstream stream tool_parse"),
    # what can happen anywhere
    *(
        Story(f"{happening}, while in {state}", state, event, ending)
        for state in WORKING_STATES
        for happening, event, ending in (
            ("the caller leaves", "client_gone", "client_abort"),
            ("the time is up", "deadline_passed", "timeout"),
            ("the daemon goes down", "shutting_down", "shutdown"),
            ("a bug", "crashed", "internal_error"),
        )
    ),
)


def happenings(story: Story) -> Iterator[tuple[Event, Facts]]:
    """The events of the whole life, each with its facts."""
    for event, facts in re.findall(r"(\w+)(?:\(([\w,]+)\))?", f"{WAY_TO[story.state][0]} {story.events}"):
        yield Event(event), Facts(**dict.fromkeys(filter(None, facts.split(",")), True))


def whole_path(story: Story) -> str:
    return f"{WAY_TO[story.state][1]} {story.path}"


OBSERVED = {
    (State(source), event, facts, State(target))
    for story in STORIES
    for (event, facts), (source, target) in zip(happenings(story), pairwise(whole_path(story).split()), strict=True)
}
"""Every step of every story, each but once."""


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_story(story: Story, walker: Any) -> None:
    x = walker()

    for event, facts in happenings(story):
        x.known = facts
        fire(x, event)

    assert " ".join([INITIAL, *(target for _, _, target in x.told)]) == whole_path(story)


def test_the_stories_take_every_edge_and_end_in_every_ending() -> None:
    taken = {(source, event, target) for source, event, _, target in OBSERVED}

    assert taken == {(edge.source, edge.event, edge.target) for edge in MODEL.edges}
    assert {target for _, _, target in taken} >= TERMINAL_STATES


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
    """Whether some step of some story leads elsewhere by *model*."""
    return any(table(model, source, event, facts) is not target for source, event, facts, target in OBSERVED)


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
