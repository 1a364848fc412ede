"""The failure contract: every fault, and all that may be observed of it.

A fault has one row, or several (U23a, U23b) where its forms are told apart.  The tests of this folder inject each fault
over real sockets and take what they expect from its row; docs/failure-contract.md is made from it.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One fault.

    *states*: where it can strike.  *told*: status and code as long as no header has left; `answer` = the whole answer,
    `text` = what came of it is out already, `-` = nothing.  *framed*: once headers have left, the same error comes as
    one frame in the stream (for `text` rows: only so).  *again*: the same candidate is called again; *elsewhere*: the
    next candidate is; both only while nothing of the answer has left.  *breaker*: what the upstream's health hears:
    `counts`, `all` (for every model of the upstream), `aside` (its credential is not used for a while), `rests` (its
    credential is used only if there is no other), `success`, or nothing.  *ends*: the end reason once everything is
    spent.  *awaits*: the part of the gateway that the fault needs and that is not there yet.
    """

    id: str
    fault: str
    states: str
    told: str
    ends: str
    framed: bool = False
    again: bool = False
    elsewhere: bool = False
    breaker: str = ""
    note: str = ""
    awaits: str = ""

    @property
    def status(self) -> int:
        """The status that is told."""
        return int(self.told.split()[0])

    @property
    def code(self) -> str:
        """The code that is told."""
        return self.told.split()[1]


ANY = "any"
UP = "upstream read"

# fmt: off
CALLER = (
    Row("C1a", "the body is not JSON", "validate", "400 invalid_json", "invalid_request"),
    Row("C1b", "a field breaks a rule", "validate", "400 invalid_type", "invalid_request"),
    Row("C2a", "the declared length is too large", "validate", "413 request_too_large", "invalid_request",
        note="connection closed"),
    Row("C2b", "a chunked body grows too large", "validate", "413 request_too_large", "invalid_request",
        note="connection closed"),
    Row("C3a", "wrong content type", "validate", "415 unsupported_content_type", "invalid_request"),
    Row("C3b", "wrong content encoding", "validate", "415 unsupported_content_encoding", "invalid_request"),
    Row("C4", "the body is too slow: clock `body`", "validate", "408 request_timeout", "timeout",
        note="connection closed"),
    Row("C5", "the key is missing, malformed or unknown", "auth", "401 invalid_api_key", "unauthorized"),
    Row("C6", "the key may not use the model", "auth", "403 model_not_allowed", "unauthorized"),
    Row("C7", "unknown model", "auth", "404 model_not_found", "invalid_request"),
    Row("C8a", "the key is over its requests per minute", "auth", "429 rate_limit_exceeded", "rate_limited"),
    Row("C8b", "the key is over its parallel requests", "auth", "429 concurrency_limit_exceeded", "rate_limited"),
    Row("C9", "the input is above the budget of every candidate", "session", "400 context_length_exceeded",
        "invalid_request"),
    Row("C10", "the caller is gone: FIN, half-close, RST", ANY, "-", "client_abort",
        note="the upstream is let go of within 250 ms"),
    Row("C11", "slow reader: clock `client_write`", "stream render", "-", "client_abort",
        note="socket reset; detail `slow_reader`"),
    Row("C12", "the caller is gone after the last byte was accepted by the socket", "done", "answer", "done"),
)

GATEWAY = (
    Row("G1", "in flight and queue full", "validate", "503 overloaded", "overloaded",
        note="the body is not read; Retry-After 1 to 5 s"),
    Row("G2a", "clock `queue` of the worker", "auth", "503 overloaded", "overloaded", note="Retry-After 1 to 5 s"),
    Row("G2b", "clock `queue` of the upstream's `max_parallel`", "upstream", "503 overloaded", "overloaded",
        framed=True, elsewhere=True, note="Retry-After 1 to 5 s"),
    Row("G3", "clock `total`", ANY, "504 total_timeout", "timeout", framed=True),
    Row("G4", "an exception in a handler", ANY, "500 internal_error", "internal_error", framed=True),
    Row("G5", "the parser of a dialect raises", "stream tool_parse", "answer", "done", note="the text, as plain text"),
    Row("G6", "a request after the listener was closed", "validate", "503 shutting_down", "shutdown",
        note="connection closed"),
    Row("G7", "the drain budget is spent", ANY, "503 shutting_down", "shutdown", framed=True),
    Row("G8", "the worker is killed", ANY, "-", "",
        note="the connection breaks off; the record stays, the lease runs out; another worker is started"),
)

SESSIONS = (
    Row("S1", "the conversation is busy for longer than is waited", "session", "409 conversation_busy", "conflict",
        note="Retry-After 1 s"),
    Row("S2", "the store is slow or down at the look-up", "session", "answer", "done",
        note="logged as degraded; the whole history is told"),
    Row("S3", "the same where the store is required", "session", "503 session_store_unavailable", "upstream_error"),
    Row("S4", "a record is unreadable, foreign or of another version", "session", "answer", "done",
        note="the whole history is told"),
    Row("S5", "the lease is lost while the turn runs", "stream read", "answer", "done",
        note="the record's write is fenced off"),
    Row("S6", "the record can't be written at the end", "render", "answer", "done",
        note="late by at most one store command; the next turn tells the whole history"),
    Row("S7a", "the upstream has lost the chat, once", "upstream", "answer", "done", again=True,
        note="replayed into a fresh chat, outside the budget"),
    Row("S7b", "the upstream has lost the chat, again", "upstream", "502 upstream_chat_lost", "upstream_error",
        framed=True, elsewhere=True),
    Row("S8", "the same, and the request lacks the history", "upstream", "409 session_lost", "conflict", framed=True),
)

KEYS = (
    Row("K1a", "a token can't be fetched", "upstream", "502 upstream_auth_failed", "upstream_error", framed=True,
        elsewhere=True, note="nor is the endpoint asked for 5 s"),
    Row("K1b", "clock `token`", "upstream", "504 upstream_timeout", "timeout", framed=True, elsewhere=True),
    Row("K2", "the first 401 or 403 of a managed token", "upstream", "answer", "done", again=True,
        note="renewed and sent again at once, outside the budget"),
    Row("K3a", "401 or 403 again", "upstream", "502 upstream_auth_failed", "upstream_error", framed=True,
        elsewhere=True, breaker="aside"),
    Row("K3b", "401 or 403 of a static credential", "upstream", "502 upstream_auth_failed", "upstream_error",
        framed=True, elsewhere=True, breaker="aside"),
    Row("K4a", "401 where the caller's key is passed through", "upstream", "401 invalid_api_key", "unauthorized",
        framed=True, breaker="success"),
    Row("K4b", "403 where the caller's key is passed through", "upstream", "403 model_not_allowed", "unauthorized",
        framed=True, breaker="success"),
    Row("K5", "a late 401 for a token already replaced", "upstream", "answer", "done", again=True,
        note="never clears the new token"),
)

BEFORE_A_DELTA = (
    Row("U1a", "no connection: refused, unreachable, no such name, no TLS", "upstream", "502 upstream_unreachable",
        "upstream_error", framed=True, again=True, elsewhere=True, breaker="all"),
    Row("U1b", "no connection: the certificate does not hold", "upstream", "502 upstream_unreachable",
        "upstream_error", framed=True, elsewhere=True, breaker="all"),
    Row("U2", "clock `connect`", "upstream", "504 upstream_timeout", "timeout", framed=True, again=True,
        elsewhere=True, breaker="all", note="called again only as the last candidate"),
    Row("U3", "reset or EOF before any event", UP, "502 upstream_disconnected", "upstream_error", framed=True,
        again=True, elsewhere=True, breaker="counts", note="a pooled connection found dead costs no attempt"),
    Row("U4", "EOF or reset after events, of which none is a delta", UP, "502 upstream_truncated", "upstream_error",
        framed=True, again=True, elsewhere=True, breaker="counts"),
    Row("U5", "silence, or pings, ids and roles without end: clock `first_event`", UP, "504 upstream_timeout",
        "timeout", framed=True, elsewhere=True, breaker="counts"),
    Row("U6", "a slow first delta while a candidate is left: clock `failover`", UP, "answer", "done", elsewhere=True,
        breaker="counts", note="the next candidate's answer"),
    Row("U7", "a redirect, which is never followed", UP, "502 upstream_protocol", "upstream_error", framed=True,
        elsewhere=True),
    Row("U8", "400, 413 or 422 about the request", UP, "400 made_up", "invalid_request", framed=True,
        breaker="success", note="the upstream's own status, code and text, redacted"),
    Row("U9", "context length", UP, "400 context_length_exceeded", "invalid_request", framed=True, elsewhere=True,
        breaker="success", note="to candidates whose window fits"),
    Row("U10", "content policy", UP, "400 content_filter", "invalid_request", framed=True, breaker="success",
        note="the upstream's own code, if it has one"),
    Row("U11", "404 for the model", UP, "404 model_not_found", "invalid_request", framed=True, elsewhere=True,
        breaker="success"),
    Row("U12", "408, 409, 425", UP, "503 upstream_busy", "upstream_error", framed=True, again=True, elsewhere=True),
    Row("U13", "429, Retry-After in reach", UP, "429 upstream_rate_limited", "rate_limited", framed=True, again=True,
        elsewhere=True, breaker="rests", note="called again after it"),
    Row("U14", "429, Retry-After out of reach", UP, "429 upstream_rate_limited", "rate_limited", framed=True,
        elsewhere=True, breaker="rests", note="told at once"),
    Row("U15", "429 without Retry-After", UP, "429 upstream_rate_limited", "rate_limited", framed=True, again=True,
        elsewhere=True, breaker="rests", note="rests 1 s, doubling to 30 s"),
    Row("U16", "out of quota: 402, or 429 so coded", UP, "429 insufficient_quota", "rate_limited", framed=True,
        elsewhere=True, breaker="aside"),
    Row("U17", "500, 502, 503, 504, 520 to 529", UP, "502 upstream_error", "upstream_error", framed=True, again=True,
        elsewhere=True, breaker="counts"),
    Row("U18", "other 4xx; 501, 505", UP, "502 upstream_rejected", "upstream_error", framed=True, elsewhere=True),
    Row("U19", "200 with a web page", UP, "502 upstream_challenge", "upstream_error", framed=True, elsewhere=True,
        breaker="aside"),
    Row("U20a", "200 with a JSON error, or an error as the first event", UP, "502 upstream_error", "upstream_error",
        framed=True, again=True, elsewhere=True, breaker="counts"),
    Row("U20b", "the same with a status of its own", UP, "429 upstream_rate_limited", "rate_limited", framed=True,
        again=True, elsewhere=True, breaker="rests", note="as the row of that status"),
    Row("U21", "only empty `choices`, then the end", UP, "502 upstream_empty_answer", "upstream_error", framed=True,
        again=True, elsewhere=True, breaker="counts"),
    Row("U22", "a finish without text or calls", UP, "answer", "done", breaker="success",
        note="the empty answer, counted"),
    Row("U23a", "a chunk that can't be read", UP, "502 upstream_protocol", "upstream_error", framed=True, again=True,
        elsewhere=True, breaker="counts"),
    Row("U23b", "an oversize line or event", UP, "502 upstream_oversize", "upstream_error", framed=True,
        elsewhere=True),
    Row("U24", "all circuits open, credentials aside", "upstream", "503 upstream_unavailable", "upstream_error",
        note="Retry-After: the time left"),
)

AFTER_A_DELTA = (
    Row("M1", "reset, or clean EOF without finish and `[DONE]`", "stream", "text 502 upstream_truncated",
        "upstream_error", framed=True, breaker="counts"),
    Row("M2", "no bytes: clock `idle`", "stream", "text 504 upstream_timeout", "timeout", framed=True,
        breaker="counts"),
    Row("M3", "heartbeats without end, no delta: clock `progress`", "stream", "text 504 upstream_timeout", "timeout",
        framed=True, breaker="counts"),
    Row("M4", "a chunk that can't be read", "stream", "text 502 upstream_protocol", "upstream_error", framed=True,
        breaker="counts", note="never skipped: a lost chunk is lost text"),
    Row("M5a", "an error in the stream", "stream", "text 502 upstream_error", "upstream_error", framed=True,
        breaker="counts"),
    Row("M5b", "the same with a status of its own", "stream", "text 429 upstream_rate_limited", "rate_limited",
        framed=True, breaker="rests", note="as the row of that status"),
    Row("M6", "an oversize line, event or answer", "stream", "text 502 upstream_oversize", "upstream_error",
        framed=True),
    Row("M7", "finish seen, then EOF without `[DONE]`", "stream read", "answer", "done", breaker="success"),
    Row("M8", "finish seen, connection held open: clock `tail`", "stream read", "answer", "done", breaker="success",
        note="the upstream is closed by us"),
    Row("M9", "`[DONE]` without a finish reason, no open call", "stream read", "answer", "done", breaker="success",
        note="`stop` or `tool_calls`"),
    Row("M10", "content after the finish; a second finish", "stream read", "answer", "done", breaker="success"),
    Row("M11", "cut inside a tool call", "stream", "text 502 upstream_truncated", "upstream_error", framed=True,
        breaker="counts", note="never told as finish `tool_calls`"),
    Row("M12", "finish `length` inside a tool call", "stream read", "answer", "done", breaker="success",
        note="what came, finish `length`"),
    Row("M13", "a finish reason that means failure", "stream", "text 502 upstream_error", "upstream_error",
        framed=True, breaker="counts"),
    Row("M14", "our own early end: a stop string", "stream", "answer", "done", breaker="success",
        note="the upstream is let go of"),
)

CHILDREN = (
    Row("P1a", "the process can't be started, or its handshake fails", "upstream", "502 upstream_unreachable",
        "upstream_error", framed=True, again=True, elsewhere=True, breaker="all",
        note="started again with growing waits, and no budget of restarts"),
    Row("P1b", "its handshake is slow: clock `connect`", "upstream", "504 upstream_timeout", "timeout", framed=True,
        again=True, elsewhere=True, breaker="all"),
    Row("P2a", "it exits, or its output ends", "upstream", "502 upstream_truncated", "upstream_error", framed=True,
        again=True, elsewhere=True, breaker="counts", note="every turn on it, at once; the next turn has another"),
    Row("P2b", "the same in mid-stream", "stream", "text 502 upstream_truncated", "upstream_error", framed=True,
        breaker="counts"),
    Row("P3a", "a line that can't be read", "upstream", "502 upstream_protocol", "upstream_error", framed=True,
        again=True, elsewhere=True, breaker="counts"),
    Row("P3b", "the same in mid-stream", "stream", "text 502 upstream_protocol", "upstream_error", framed=True,
        breaker="counts"),
    Row("P4a", "the turn fails", "upstream", "502 upstream_error", "upstream_error", framed=True, again=True,
        elsewhere=True, breaker="counts", note="as the row of the status that it carries"),
    Row("P4b", "the same in mid-stream", "stream", "text 502 upstream_error", "upstream_error", framed=True,
        breaker="counts"),
    Row("P5a", "a call gets no reply: clock `rpc`", "upstream", "504 upstream_timeout", "timeout", framed=True,
        elsewhere=True, breaker="counts"),
    Row("P5b", "the turn runs, and nothing comes: clock `first_event`", "upstream", "504 upstream_timeout", "timeout",
        framed=True, elsewhere=True, breaker="counts", note="the turn is interrupted"),
    Row("P6", "it asks for approval, or for something unknown", "upstream stream read", "answer", "done",
        note="declined, or answered that there is no such method, at once"),
    Row("P7", "an interrupt is not heeded", ANY, "-", "client_abort",
        note="the thread is given up, the process replaced once it is empty"),
)
# fmt: on

SECTIONS = {
    "The caller": CALLER,
    "The gateway": GATEWAY,
    "Conversations": SESSIONS,
    "Credentials": KEYS,
    "The upstream, before the first delta": BEFORE_A_DELTA,
    "The upstream, after the first delta": AFTER_A_DELTA,
    "Child processes": CHILDREN,
}
ROWS = {row.id: row for rows in SECTIONS.values() for row in rows}
