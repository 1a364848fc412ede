"""What an upstream may find fault with: the request itself, the caller's own key, or how much is asked of it."""

from proxy.errors.base import CREDENTIAL_ASIDE_S, INVALID_REQUEST_TYPE, RATE_LIMIT_TYPE, TurnstileError
from statechart.vocabulary import EndReason, Event


class UpstreamRateLimited(TurnstileError):
    """The upstream asks for fewer requests."""

    code = "upstream_rate_limited"
    status = 429
    type = RATE_LIMIT_TYPE
    event = Event.UPSTREAM_LIMITED
    end_reason = EndReason.RATE_LIMITED
    retryable = True
    falls_back = True
    cools_credential = True
    turn_refused = True
    text = "The upstream's rate limit is reached."


class InsufficientQuota(UpstreamRateLimited):
    """The upstream account is out of quota."""

    code = "insufficient_quota"
    type = "insufficient_quota"
    retryable = False
    cools_credential = False
    credential_aside_s = CREDENTIAL_ASIDE_S
    forbids_client_retry = True
    text = "The upstream account is out of quota."


class UpstreamRefused(TurnstileError):
    """The upstream finds fault with the request itself; its status, code and redacted text are told."""

    code = "invalid_value"
    status = 400
    type = INVALID_REQUEST_TYPE
    event = Event.UPSTREAM_REFUSED
    end_reason = EndReason.INVALID_REQUEST
    turn_refused = True
    text = "The upstream finds the request invalid."

    def __init__(
        self,
        message: str | None = None,
        *,
        code: str | None = None,
        status: int | None = None,
        param: str | None = None,
    ) -> None:
        super().__init__(message, param=param)
        self._code = code or self.code
        self._status = status or self.status

    @property
    def told_code(self) -> str:
        return self._code

    @property
    def told_status(self) -> int:
        return self._status


class UpstreamContextLength(UpstreamRefused):
    """The input is larger than the upstream's model takes; a candidate with a larger window may do better."""

    code = "context_length_exceeded"
    falls_back = True
    text = "The input is longer than the model's context window."


class UpstreamContentFiltered(UpstreamRefused):
    """The upstream's content policy refuses the request."""

    code = "content_filter"
    text = "The upstream's content policy refuses the request."


class UpstreamModelNotFound(UpstreamRefused):
    """The upstream does not know the model that the entry names."""

    code = "model_not_found"
    status = 404
    falls_back = True
    text = "The upstream does not know this model."


class PassThroughDenied(TurnstileError):
    """The upstream refuses the caller's own key, which was passed through."""

    code = "invalid_api_key"
    status = 401
    type = INVALID_REQUEST_TYPE
    event = Event.UPSTREAM_DENIED
    end_reason = EndReason.UNAUTHORIZED
    turn_refused = True
    text = "The upstream refuses the API key."


class PassThroughForbidden(PassThroughDenied):
    """The upstream refuses the model to the caller's own key, which was passed through."""

    code = "model_not_allowed"
    status = 403
    text = "The upstream refuses the model to this API key."
