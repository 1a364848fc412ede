"""Errors by the upstream's fault: mostly 502, 503 and 504."""

from proxy.errors.base import CONFLICT_TYPE, CREDENTIAL_ASIDE_S, TurnstileError
from statechart.vocabulary import EndReason, Event


class UpstreamFailed(TurnstileError):
    """The upstream answered with a server error, or told one in its stream."""

    code = "upstream_error"
    status = 502
    event = Event.UPSTREAM_FAILED
    end_reason = EndReason.UPSTREAM_ERROR
    retryable = True
    falls_back = True
    trips_breaker = True
    forbids_client_retry = True
    text = "The upstream reported an error."


class UpstreamUnreachable(UpstreamFailed):
    """No connection: refused, no route, no such name."""

    code = "upstream_unreachable"
    fails_whole_upstream = True
    turn_refused = True
    text = "The upstream can't be reached."


class UpstreamUntrusted(UpstreamUnreachable):
    """No connection: the upstream's certificate does not hold."""

    retryable = False
    text = "The upstream's certificate can't be trusted."


class UpstreamDisconnected(UpstreamFailed):
    """The connection ended before anything of an answer had come."""

    code = "upstream_disconnected"
    text = "The upstream closed the connection without an answer."


class UpstreamTruncated(UpstreamFailed):
    """The answer ended before it was complete."""

    code = "upstream_truncated"
    text = "The upstream's answer broke off before it was complete."


class UpstreamRejected(UpstreamFailed):
    """The upstream refused in a way that is neither about the request nor worth another try."""

    code = "upstream_rejected"
    retryable = False
    trips_breaker = False
    turn_refused = True
    text = "The upstream rejected the request."


class UpstreamProtocolError(UpstreamFailed):
    """The upstream said something that can't be read; never skipped, since a lost chunk is lost text."""

    code = "upstream_protocol"
    text = "The upstream's answer can't be understood."


class UpstreamRedirected(UpstreamProtocolError):
    """The upstream answered with a redirect, which is never followed."""

    retryable = False
    trips_breaker = False
    turn_refused = True
    text = "The upstream answered with a redirect."


class UpstreamOversize(UpstreamFailed):
    """A line, an event or the whole answer was larger than allowed."""

    code = "upstream_oversize"
    retryable = False
    trips_breaker = False
    text = "The upstream's answer is too large."


class UpstreamChallenge(UpstreamFailed):
    """A login or challenge page came in place of an answer."""

    code = "upstream_challenge"
    retryable = False
    trips_breaker = False
    credential_aside_s = CREDENTIAL_ASIDE_S
    turn_refused = True
    text = "The upstream answered with a web page instead of an answer."


class UpstreamEmptyAnswer(UpstreamFailed):
    """The answer ended and nothing of an answer was in it."""

    code = "upstream_empty_answer"
    text = "The upstream's answer was empty."


class UpstreamAuthFailed(UpstreamFailed):
    """The upstream refuses the gateway's own credential: the operator's fault, not the caller's key."""

    code = "upstream_auth_failed"
    retryable = False
    trips_breaker = False
    credential_aside_s = CREDENTIAL_ASIDE_S
    turn_refused = True
    text = "The upstream refuses the gateway's credential."


class TokenNotIssued(UpstreamAuthFailed):
    """No token can be fetched for the upstream; none is asked for again for some seconds."""

    credential_aside_s = 0.0
    text = "No token for the upstream can be fetched."


class CredentialStale(UpstreamAuthFailed):
    """The upstream refuses a credential that can be renewed, *recoveries* times for one request."""

    event = Event.CREDENTIAL_STALE
    credential_aside_s = 0.0
    recoveries = 1

    def for_good(self) -> "CredentialRefused":
        """The same, once renewing it has not helped."""
        refused = CredentialRefused(self.message, detail=self.detail)
        refused.upstream_status = self.upstream_status
        return refused


class CredentialRefused(CredentialStale):
    """The upstream refuses a credential that was just renewed."""

    credential_aside_s = CREDENTIAL_ASIDE_S


class ConversationLost(UpstreamFailed):
    """The upstream no longer knows the conversation."""

    code = "upstream_chat_lost"
    event = Event.CONVERSATION_LOST
    retryable = False
    trips_breaker = False
    turn_refused = True
    text = "The upstream no longer knows the conversation."


class SessionLost(ConversationLost):
    """The upstream no longer knows the conversation, and the request lacks the history to tell it anew."""

    code = "session_lost"
    status = 409
    type = CONFLICT_TYPE
    end_reason = EndReason.CONFLICT
    falls_back = False
    text = "The conversation is gone, and the request does not carry its history."


class UpstreamUnavailable(UpstreamFailed):
    """No upstream can be asked now: circuits open, credentials aside, or children down."""

    code = "upstream_unavailable"
    status = 503
    retryable = False
    trips_breaker = False
    forbids_client_retry = False
    turn_refused = True
    text = "No upstream is available for this model."


class SessionStoreUnavailable(UpstreamUnavailable):
    """The store of conversations can't be asked, and the configuration forbids to answer without it."""

    code = "session_store_unavailable"
    falls_back = False
    text = "The store of conversations is not available."


class UpstreamBusy(UpstreamFailed):
    """The upstream says that it is busy."""

    code = "upstream_busy"
    status = 503
    trips_breaker = False
    forbids_client_retry = False
    turn_refused = True
    text = "The upstream is busy."


class UpstreamTimeout(TurnstileError):
    """A clock over the upstream ran out; the message names the clock and its seconds."""

    code = "upstream_timeout"
    status = 504
    event = Event.CLOCK_EXPIRED
    end_reason = EndReason.TIMEOUT
    falls_back = True
    trips_breaker = True
    forbids_client_retry = True

    def __init__(self, clock: str, seconds: float) -> None:
        super().__init__(f"The upstream did not answer in time: clock '{clock}' ran out after {seconds:g} seconds.")
        self._clock = clock
        self.seconds = seconds

    @property
    def clock(self) -> str | None:
        return self._clock


class ConnectTimeout(UpstreamTimeout):
    """The clock `connect` ran out: nothing was sent, so the same candidate may be tried again when it is the last."""

    retryable = True
    fails_whole_upstream = True

    turn_refused = True

    def __init__(self, seconds: float) -> None:
        super().__init__("connect", seconds)


class TokenTimeout(UpstreamTimeout):
    """The clock `token` ran out: no token came, so nothing was sent to the upstream itself."""

    trips_breaker = False
    turn_refused = True

    def __init__(self, seconds: float) -> None:
        super().__init__("token", seconds)
