"""The words of the chart: every state, event, ending, clock and fact, each with one line of meaning.

A state is a condition that a request is in.  An event is something that has happened.  A clock bounds a wait.  A fact
is what the guards may look at.  Nothing here knows how any of it comes about.
"""

from enum import StrEnum
from typing import Annotated, NamedTuple, Self, get_type_hints


class Word(StrEnum):
    """A word and its `meaning`, one line for people; to programs it is the plain string."""

    _value_: str
    meaning: str

    def __new__(cls, word: str, meaning: str = "") -> Self:
        """Make the member; the default lets type checkers see that `State("done")` looks one up."""
        member = str.__new__(cls, word)
        member._value_ = word
        member.meaning = meaning
        return member


class State(Word):
    """Where a request is: first the working states in order of life, then the terminal ones."""

    VALIDATE = "validate", "reading, decoding and checking the body; picking the model entry"
    AUTH = "auth", "who is calling, may they, is there room for them"
    SESSION = "session", "finding the conversation, taking its lease, planning what is sent"
    UPSTREAM = "upstream", "one attempt at one candidate, until its first delta"
    BACKOFF = "backoff", "waiting before the next attempt or the next candidate"
    STREAM = "stream", "upstream events leave as frames, as they come"
    RESUME = "resume", "another candidate goes on from the text already sent"
    READ = "read", "upstream events are collected into one answer"
    TOOL_PARSE = "tool_parse", "ending the decoder, checking the calls, settling the finish reason"
    RENDER = "render", "recording the conversation, writing the body or the closing frames"

    DONE = "done", "the last byte of a whole answer was accepted by the socket"
    INVALID_REQUEST = "invalid_request", "the caller's request can't be served as it is"
    UNAUTHORIZED = "unauthorized", "the caller may not, or the upstream says so of a passed-through key"
    RATE_LIMITED = "rate_limited", "the caller's or an upstream's rate is used up"
    CONFLICT = "conflict", "another turn holds the conversation, or its history is gone"
    OVERLOADED = "overloaded", "this gateway has no room"
    TIMEOUT = "timeout", "a named clock ran out"
    UPSTREAM_ERROR = "upstream_error", "the upstream failed, and so did what was tried instead"
    CLIENT_ABORT = "client_abort", "the caller left, or stopped reading"
    SHUTDOWN = "shutdown", "the daemon is going down"
    INTERNAL_ERROR = "internal_error", "a bug of ours"


class EndReason(StrEnum):
    """How a request ended: the name of its terminal state, in the log, the metrics, the trace and the error."""

    DONE = State.DONE.value
    INVALID_REQUEST = State.INVALID_REQUEST.value
    UNAUTHORIZED = State.UNAUTHORIZED.value
    RATE_LIMITED = State.RATE_LIMITED.value
    CONFLICT = State.CONFLICT.value
    OVERLOADED = State.OVERLOADED.value
    TIMEOUT = State.TIMEOUT.value
    UPSTREAM_ERROR = State.UPSTREAM_ERROR.value
    CLIENT_ABORT = State.CLIENT_ABORT.value
    SHUTDOWN = State.SHUTDOWN.value
    INTERNAL_ERROR = State.INTERNAL_ERROR.value


class Event(Word):
    """What can happen to a request."""

    VALIDATED = "validated", "the body is whole and every field is in order"
    BODY_REJECTED = "body_rejected", "the request can't be served as it is"
    AUTHORIZED = "authorized", "the caller is known, allowed and admitted"
    DENIED = "denied", "the caller is unknown, or not allowed"
    LIMIT_HIT = "limit_hit", "the caller's own rate or parallelism is used up"
    PLANNED = "planned", "it is settled what is sent, and to which candidates"
    CONVERSATION_BUSY = "conversation_busy", "another turn held the conversation for too long"
    OPENED = "opened", "the first delta of an answer has come"
    CREDENTIAL_STALE = "credential_stale", "the upstream refuses a credential that can be renewed"
    CONVERSATION_LOST = "conversation_lost", "the upstream no longer knows the conversation"
    UPSTREAM_FAILED = "upstream_failed", "the upstream broke, or said something unusable"
    UPSTREAM_LIMITED = "upstream_limited", "the upstream asks for fewer requests, or is out of quota"
    UPSTREAM_REFUSED = "upstream_refused", "the upstream finds fault with the request itself"
    UPSTREAM_DENIED = "upstream_denied", "the upstream refuses the caller's own, passed-through key"
    CLOCK_EXPIRED = "clock_expired", "a named clock ran out"
    NO_CAPACITY = "no_capacity", "no room here, or at the upstream, within the queue clock"
    RETRY_DUE = "retry_due", "the wait before the next attempt is over"
    ENDED = "ended", "the upstream's answer is complete"
    PARSED = "parsed", "calls and finish reason are settled"
    RENDERED = "rendered", "the last byte was accepted by the socket"
    CLIENT_GONE = "client_gone", "the caller left, or stopped reading"
    DEADLINE_PASSED = "deadline_passed", "the clock `total` ran out"
    SHUTTING_DOWN = "shutting_down", "the daemon's patience with live requests is over"
    CRASHED = "crashed", "a handler raised what no handler may raise"


class Clock(Word):
    """What bounds a wait; the settings give each its seconds."""

    BODY = "body", "from the request's head to the end of its body"
    QUEUE = "queue", "a place in a queue, for this worker or for an upstream"
    LEASE = "lease", "another turn's hold on the conversation"
    TOKEN = "token", "fetching or renewing a credential"
    CONNECT = "connect", "name look-up, connection and handshake of one attempt"
    FAILOVER = "failover", "the first delta, while another candidate is left"
    FIRST_EVENT = "first_event", "the first delta; ids, roles and pings are none"
    RPC = "rpc", "the reply of a child process to one call"
    IDLE = "idle", "silence of the upstream: any byte starts it anew"
    PROGRESS = "progress", "no delta from the upstream: only a delta starts it anew"
    CLIENT_WRITE = "client_write", "a write that the caller does not read"
    TOTAL = "total", "the whole request"


class Facts(NamedTuple):
    """What the guards may look at: all that is known of a request beyond its state, as yes or no.

    A fact named `…_left` is a budget: whoever passes a guard that needs it spends some, and what there is is finite.
    """

    live_stream: Annotated[bool, "the caller wants frames as they come, not a collected answer"] = False
    reauth_left: Annotated[bool, "the credential can be renewed, and has not been for this request"] = False
    replay_left: Annotated[bool, "the whole history is here, and has not been replayed for this request"] = False
    history_missing: Annotated[bool, "the request lacks the history that a replay would need"] = False
    retryable: Annotated[bool, "the failure says: the same candidate may do better"] = False
    attempt_left: Annotated[bool, "the budget allows the same candidate another attempt, in time"] = False
    falls_back: Annotated[bool, "the failure says: another candidate may do better"] = False
    candidate_left: Annotated[bool, "there is another candidate, and the budget allows it, in time"] = False
    emitted: Annotated[bool, "a delta of the answer has left for the caller"] = False
    resume_enabled: Annotated[bool, "the model entry has `resume` switched on"] = False
    text_only_sent: Annotated[bool, "nothing but text has been sent: no tool call is open, or told"] = False


FACT_MEANINGS: dict[str, str] = {
    fact: annotated.__metadata__[0] for fact, annotated in get_type_hints(Facts, include_extras=True).items()
}
TERMINAL_STATES: frozenset[State] = frozenset(State(reason.value) for reason in EndReason)
WORKING_STATES: tuple[State, ...] = tuple(state for state in State if state not in TERMINAL_STATES)
