"""CHART: the life of a request, as one table.

Read a row as: *while* in a state, *on* an event, *if* the guard holds, *go to* a state.  Rows of one cell are tried in
the order written; a guarded cell ends in a row that `always` holds.  What is not written can't happen: the machine
raises and moves nothing.

    validate ─▶ auth ─▶ session ─▶ upstream ─┬▶ stream ─┬▶ tool_parse ─▶ render ─▶ done
                           ▲        │  ▲     │   ⇅      │
                           │        ▼  │     │ resume   │
                conversation lost  backoff   └▶ read ───┘

A delivered byte is never repeated, by the shape of the table: from `stream` no path leads to `upstream` or `backoff`.
"""

from typing import NamedTuple

from statechart.guards import (
    Guard,
    always,
    history_missing,
    live_stream,
    may_reauth,
    may_replay,
    may_resume,
    may_retry,
)
from statechart.vocabulary import WORKING_STATES, Clock, Event, State

S = State
E = Event
C = Clock


class Row(NamedTuple):
    """One line of the chart; *sources* and *events* share guard and target."""

    sources: tuple[State, ...]
    events: tuple[Event, ...]
    guard: Guard
    target: State


class Wait(NamedTuple):
    """What a state may wait on, the clock that bounds the wait, and the event that its running out becomes."""

    state: State
    on: str
    clock: Clock
    event: Event


INITIAL = S.VALIDATE

# fmt: off
CHART: tuple[Row, ...] = (
    #   while                              on                                       if               go to
    Row((S.VALIDATE,),                    (E.VALIDATED,),                          always,          S.AUTH),
    Row((S.VALIDATE,),                    (E.BODY_REJECTED,),                      always,          S.INVALID_REQUEST),
    Row((S.VALIDATE,),                    (E.CLOCK_EXPIRED,),                      always,          S.TIMEOUT),

    Row((S.AUTH,),                        (E.AUTHORIZED,),                         always,          S.SESSION),
    Row((S.AUTH,),                        (E.DENIED,),                             always,          S.UNAUTHORIZED),
    Row((S.AUTH,),                        (E.BODY_REJECTED,),                      always,          S.INVALID_REQUEST),
    Row((S.AUTH,),                        (E.LIMIT_HIT,),                          always,          S.RATE_LIMITED),

    Row((S.SESSION,),                     (E.PLANNED,),                            always,          S.UPSTREAM),
    Row((S.SESSION,),                     (E.BODY_REJECTED,),                      always,          S.INVALID_REQUEST),
    Row((S.SESSION,),                     (E.CONVERSATION_BUSY,),                  always,          S.CONFLICT),
    Row((S.SESSION,),                     (E.UPSTREAM_FAILED,),                    always,          S.UPSTREAM_ERROR),

    Row((S.UPSTREAM,),                    (E.OPENED,),                             live_stream,     S.STREAM),
    Row((S.UPSTREAM,),                    (E.OPENED,),                             always,          S.READ),
    Row((S.UPSTREAM,),                    (E.CREDENTIAL_STALE,),                   may_reauth,      S.UPSTREAM),
    Row((S.UPSTREAM,),                    (E.CREDENTIAL_STALE,),                   may_retry,       S.BACKOFF),
    Row((S.UPSTREAM,),                    (E.CREDENTIAL_STALE,),                   always,          S.UPSTREAM_ERROR),
    Row((S.UPSTREAM,),                    (E.CONVERSATION_LOST,),                  may_replay,      S.SESSION),
    Row((S.UPSTREAM,),                    (E.CONVERSATION_LOST,),                  history_missing, S.CONFLICT),
    Row((S.UPSTREAM,),                    (E.CONVERSATION_LOST,),                  may_retry,       S.BACKOFF),
    Row((S.UPSTREAM,),                    (E.CONVERSATION_LOST,),                  always,          S.UPSTREAM_ERROR),
    Row((S.UPSTREAM,),                    (E.UPSTREAM_DENIED,),                    always,          S.UNAUTHORIZED),
    Row((S.UPSTREAM,),                    (E.NO_CAPACITY,),                        may_retry,       S.BACKOFF),
    Row((S.VALIDATE, S.AUTH, S.UPSTREAM), (E.NO_CAPACITY,),                        always,          S.OVERLOADED),

    Row((S.UPSTREAM, S.READ),             (E.UPSTREAM_FAILED,),                    may_retry,       S.BACKOFF),
    Row((S.UPSTREAM, S.READ),             (E.UPSTREAM_FAILED,),                    always,          S.UPSTREAM_ERROR),
    Row((S.UPSTREAM, S.READ),             (E.UPSTREAM_LIMITED,),                   may_retry,       S.BACKOFF),
    Row((S.UPSTREAM, S.READ),             (E.UPSTREAM_LIMITED,),                   always,          S.RATE_LIMITED),
    Row((S.UPSTREAM, S.READ),             (E.UPSTREAM_REFUSED,),                   may_retry,       S.BACKOFF),
    Row((S.UPSTREAM, S.READ),             (E.UPSTREAM_REFUSED,),                   always,          S.INVALID_REQUEST),
    Row((S.UPSTREAM, S.READ),             (E.CLOCK_EXPIRED,),                      may_retry,       S.BACKOFF),
    Row((S.UPSTREAM, S.READ),             (E.CLOCK_EXPIRED,),                      always,          S.TIMEOUT),
    Row((S.BACKOFF,),                     (E.RETRY_DUE,),                          always,          S.UPSTREAM),

    Row((S.RESUME,),                      (E.OPENED,),                             always,          S.STREAM),
    Row((S.STREAM, S.RESUME),             (E.UPSTREAM_FAILED,),                    may_resume,      S.RESUME),
    Row((S.STREAM, S.RESUME),             (E.UPSTREAM_FAILED,),                    always,          S.UPSTREAM_ERROR),
    Row((S.STREAM, S.RESUME),             (E.UPSTREAM_LIMITED,),                   may_resume,      S.RESUME),
    Row((S.STREAM, S.RESUME),             (E.UPSTREAM_LIMITED,),                   always,          S.RATE_LIMITED),
    Row((S.STREAM, S.RESUME),             (E.UPSTREAM_REFUSED,),                   may_resume,      S.RESUME),
    Row((S.STREAM, S.RESUME),             (E.UPSTREAM_REFUSED,),                   always,          S.INVALID_REQUEST),
    Row((S.STREAM, S.RESUME),             (E.CLOCK_EXPIRED,),                      may_resume,      S.RESUME),
    Row((S.STREAM, S.RESUME),             (E.CLOCK_EXPIRED,),                      always,          S.TIMEOUT),
    Row((S.RESUME,),                      (E.NO_CAPACITY,),                        may_resume,      S.RESUME),
    Row((S.RESUME,),                      (E.NO_CAPACITY,),                        always,          S.OVERLOADED),

    Row((S.STREAM, S.READ),               (E.ENDED,),                              always,          S.TOOL_PARSE),
    Row((S.TOOL_PARSE,),                  (E.PARSED,),                             always,          S.RENDER),
    Row((S.RENDER,),                      (E.RENDERED,),                           always,          S.DONE),

    Row(WORKING_STATES,                   (E.CLIENT_GONE,),                        always,          S.CLIENT_ABORT),
    Row(WORKING_STATES,                   (E.DEADLINE_PASSED,),                    always,          S.TIMEOUT),
    Row(WORKING_STATES,                   (E.SHUTTING_DOWN,),                      always,          S.SHUTDOWN),
    Row(WORKING_STATES,                   (E.CRASHED,),                            always,          S.INTERNAL_ERROR),
)

# Every wait of a state has a clock, and every clock becomes an event of the state.  `total` (DEADLINE_PASSED) and the
# caller's leaving (CLIENT_GONE) bound all of them besides.
WAITS: tuple[Wait, ...] = (
    Wait(S.VALIDATE, "client",         C.BODY,         E.CLOCK_EXPIRED),
    Wait(S.AUTH,     "queue",          C.QUEUE,        E.NO_CAPACITY),
    Wait(S.SESSION,  "lease",          C.LEASE,        E.CONVERSATION_BUSY),
    Wait(S.UPSTREAM, "queue",          C.QUEUE,        E.NO_CAPACITY),
    Wait(S.UPSTREAM, "token endpoint", C.TOKEN,        E.CLOCK_EXPIRED),
    Wait(S.UPSTREAM, "upstream",       C.CONNECT,      E.CLOCK_EXPIRED),
    Wait(S.UPSTREAM, "upstream",       C.FAILOVER,     E.CLOCK_EXPIRED),
    Wait(S.UPSTREAM, "upstream",       C.FIRST_EVENT,  E.CLOCK_EXPIRED),
    Wait(S.UPSTREAM, "child process",  C.RPC,          E.CLOCK_EXPIRED),
    Wait(S.BACKOFF,  "the delay",      C.TOTAL,        E.DEADLINE_PASSED),
    Wait(S.STREAM,   "upstream",       C.IDLE,         E.CLOCK_EXPIRED),
    Wait(S.STREAM,   "upstream",       C.PROGRESS,     E.CLOCK_EXPIRED),
    Wait(S.STREAM,   "client",         C.CLIENT_WRITE, E.CLIENT_GONE),
    Wait(S.RESUME,   "queue",          C.QUEUE,        E.NO_CAPACITY),
    Wait(S.RESUME,   "token endpoint", C.TOKEN,        E.CLOCK_EXPIRED),
    Wait(S.RESUME,   "upstream",       C.CONNECT,      E.CLOCK_EXPIRED),
    Wait(S.RESUME,   "upstream",       C.FAILOVER,     E.CLOCK_EXPIRED),
    Wait(S.RESUME,   "upstream",       C.FIRST_EVENT,  E.CLOCK_EXPIRED),
    Wait(S.RESUME,   "child process",  C.RPC,          E.CLOCK_EXPIRED),
    Wait(S.READ,     "upstream",       C.IDLE,         E.CLOCK_EXPIRED),
    Wait(S.READ,     "upstream",       C.PROGRESS,     E.CLOCK_EXPIRED),
    Wait(S.RENDER,   "client",         C.CLIENT_WRITE, E.CLIENT_GONE),
)
# fmt: on
