"""Errors by the caller's fault: mostly 4xx."""

from proxy.errors.base import CONFLICT_TYPE, INVALID_REQUEST_TYPE, RATE_LIMIT_TYPE, TurnstileError
from statechart.vocabulary import EndReason, Event

REQUEST_CODES: frozenset[str] = frozenset(
    {
        "invalid_json",
        "invalid_type",
        "invalid_value",
        "missing_required_parameter",
        "empty_array",
        "array_above_max_length",
        "string_above_max_length",
        "integer_below_min_value",
        "integer_above_max_value",
        "decimal_below_min_value",
        "decimal_above_max_value",
        "unknown_tool",
        "unsupported_parameter",
        "unsupported_value",
        "unsupported_content_part",
        "unsupported_tool_type",
        "duplicate_tool_call_id",
        "duplicate_tool_name",
        "missing_assistant_tool_calls",
        "missing_tool_call_id",
        "missing_tool_result",
        "tool_call_id_mismatch",
        "tool_name_mismatch",
    }
)
"""The codes that checking a body can give, all 400."""


class RequestRejected(TurnstileError):
    """A field of the request breaks a rule; the code says which kind of rule, `param` says which field."""

    code = "invalid_value"
    status = 400
    type = INVALID_REQUEST_TYPE
    event = Event.BODY_REJECTED
    end_reason = EndReason.INVALID_REQUEST

    def __init__(self, message: str | None = None, *, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message, param=param)
        self._code = code or self.code

    @property
    def told_code(self) -> str:
        return self._code


class MalformedHttp(RequestRejected):
    """The bytes are no HTTP request, or the framing of its body is broken: where the next begins is not known."""

    code = "invalid_json"
    text = "The request is not valid HTTP."
    closes_connection = True


class ContextLengthExceeded(RequestRejected):
    """The input is larger than every candidate takes."""

    code = "context_length_exceeded"


class ModelNotFound(RequestRejected):
    """No model entry serves the id that was asked for."""

    code = "model_not_found"
    status = 404


class UnknownUrl(RequestRejected):
    """No endpoint lives at this path."""

    code = "unknown_url"
    status = 404


class SessionNotFound(RequestRejected):
    """The caller has no conversation of this id."""

    code = "session_not_found"
    status = 404


class MethodNotSupported(RequestRejected):
    """The path exists, the method does not."""

    code = "method_not_supported"
    status = 405


class RequestTooLarge(RequestRejected):
    """The body is over `server.max_body_bytes`; reading stopped there."""

    code = "request_too_large"
    status = 413
    closes_connection = True


class UnsupportedContentType(RequestRejected):
    """The body is not declared as JSON in UTF-8."""

    code = "unsupported_content_type"
    status = 415


class UnsupportedContentEncoding(RequestRejected):
    """The body is compressed."""

    code = "unsupported_content_encoding"
    status = 415


class HeadersTooLarge(RequestRejected):
    """The request's header fields are larger than the HTTP parser takes."""

    code = "headers_too_large"
    status = 431
    closes_connection = True


class BodyTooSlow(TurnstileError):
    """The body was not complete within the clock `body`."""

    code = "request_timeout"
    status = 408
    type = INVALID_REQUEST_TYPE
    event = Event.CLOCK_EXPIRED
    end_reason = EndReason.TIMEOUT
    closes_connection = True

    def __init__(self, seconds: float) -> None:
        super().__init__(f"The request body did not arrive within {seconds:g} seconds (clock 'body').")

    @property
    def clock(self) -> str | None:
        return "body"


class InvalidApiKey(TurnstileError):
    """The key is missing, malformed or unknown."""

    code = "invalid_api_key"
    status = 401
    type = INVALID_REQUEST_TYPE
    event = Event.DENIED
    end_reason = EndReason.UNAUTHORIZED
    text = "Incorrect API key provided."


class ModelNotAllowed(TurnstileError):
    """The key may not use the model."""

    code = "model_not_allowed"
    status = 403
    type = INVALID_REQUEST_TYPE
    event = Event.DENIED
    end_reason = EndReason.UNAUTHORIZED
    text = "This API key may not use the requested model."


class RateLimitExceeded(TurnstileError):
    """The key has used up its requests per minute."""

    code = "rate_limit_exceeded"
    status = 429
    type = RATE_LIMIT_TYPE
    event = Event.LIMIT_HIT
    end_reason = EndReason.RATE_LIMITED
    text = "Too many requests per minute for this API key."


class ConcurrencyLimitExceeded(TurnstileError):
    """The key has as many requests in flight as it may."""

    code = "concurrency_limit_exceeded"
    status = 429
    type = RATE_LIMIT_TYPE
    event = Event.LIMIT_HIT
    end_reason = EndReason.RATE_LIMITED
    text = "Too many parallel requests for this API key."


class ConversationBusy(TurnstileError):
    """Another turn held the conversation beyond the clock `lease`."""

    code = "conversation_busy"
    status = 409
    type = CONFLICT_TYPE
    event = Event.CONVERSATION_BUSY
    end_reason = EndReason.CONFLICT
    text = "Another request holds this conversation."

    def __init__(self, message: str | None = None, *, clock: str | None = None) -> None:
        super().__init__(message, retry_after_s=1.0)
        self._clock = clock

    @property
    def clock(self) -> str | None:
        return self._clock


class ClientGone(TurnstileError):
    """The caller left before the answer was whole; nothing is sent."""

    code = "client_abort"
    status = 499
    type = INVALID_REQUEST_TYPE
    event = Event.CLIENT_GONE
    end_reason = EndReason.CLIENT_ABORT
    text = "The client closed the connection."


class SlowReader(ClientGone):
    """The caller did not read within the clock `client_write`; its socket is reset."""

    text = "The client stopped reading."

    def __init__(self, seconds: float) -> None:
        super().__init__(detail=f"slow_reader: nothing was read for {seconds:g} seconds")

    @property
    def clock(self) -> str | None:
        return "client_write"
