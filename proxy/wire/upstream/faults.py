"""Error answers to typed errors: by what the upstream names, then by the HTTP status.

The tables know the words of OpenAI, Azure, vLLM, SGLang, llama.cpp, Ollama, Gemini, Groq, Mistral, DashScope and the
gateways that speak their dialect.  Codes and types are believed at any status; texts only where the status says that
the upstream finds fault with the request.
"""

import re
from collections.abc import Mapping
from typing import Any

from proxy.errors import (
    CredentialStale,
    InsufficientQuota,
    PassThroughDenied,
    PassThroughForbidden,
    TurnstileError,
    UpstreamAuthFailed,
    UpstreamBusy,
    UpstreamChallenge,
    UpstreamContentFiltered,
    UpstreamContextLength,
    UpstreamDisconnected,
    UpstreamFailed,
    UpstreamModelNotFound,
    UpstreamProtocolError,
    UpstreamRateLimited,
    UpstreamRedirected,
    UpstreamRefused,
    UpstreamRejected,
    error_classes,
)
from proxy.wire.upstream.json_text import decode_object
from proxy.wire.upstream.reading import CredentialMode
from proxy.wire.upstream.redact import redact
from proxy.wire.upstream.report import ErrorReport, read_report, report_of
from proxy.wire.upstream.retry_after import retry_after_s
from proxy.wire.upstream.sniff import is_page
from statechart.vocabulary import EndReason

_ABOUT_THE_REQUEST = (400, 413, 422)
_BUSY = (408, 409, 425)
_NOT_WORTH_ANOTHER_TRY = (501, 505)

_CONTEXT_WORDS = {"context_length_exceeded", "exceed_context_size_error", "context_window_exceeded"}
_CONTEXT_TEXT = re.compile(
    r"context (?:length|window|size)"
    r"|context_length_exceeded"
    r"|maximum (?:model|prompt|input) length"
    r"|(?:prompt|input|messages?) (?:is|are) too long"
    r"|input token count .* exceeds"
    r"|too many (?:input |prompt )?tokens"
    r"|exceeds? the (?:model's )?(?:maximum )?(?:number of tokens|token limit)"
    r"|range of input length should be"
    r"|exceed context limit",
    re.IGNORECASE,
)
_FILTER_WORDS = {
    "content_filter",
    "content_policy_violation",
    "responsibleaipolicyviolation",
    "moderation_blocked",
    "invalid_prompt",
    "data_inspection_failed",
    "datainspectionfailed",
}
_FILTER_TEXT = re.compile(
    r"content (?:management )?policy|content filter|usage polic(?:y|ies)|safety system|inappropriate content",
    re.IGNORECASE,
)
_QUOTA_WORDS = {
    "insufficient_quota",
    "billing_hard_limit_reached",
    "billing_not_active",
    "exceeded_current_quota_error",
    "insufficient_user_quota",
    "insufficient_balance",
}
_KEY_WORDS = {"invalid_api_key"}  # told with a 400 by some
_NO_PATH_TEXT = re.compile(r"page not found|unknown request url|invalid url|^not found$", re.IGNORECASE)
"""A 404 that says these is about the path: the operator's fault, and no word about the model."""

_CODES_OF_OTHER_ENDINGS = {cls.code for cls in error_classes() if cls.end_reason is not EndReason.INVALID_REQUEST}


def fault_of(
    status: int,
    content_type: str | None,
    body: bytes,
    headers: Mapping[str, str],
    *,
    now_s: float,
    credential: CredentialMode = "static",
) -> TurnstileError:
    """Give the error that an answer is: one that is not 2xx, or a 200 that is no completion.

    *headers* finds lower-case names; *now_s* is the time of day in Unix seconds, which a date in `Retry-After` needs;
    *credential* is whose key was sent.
    """
    if 300 <= status < 400:
        return UpstreamRedirected(detail=f"HTTP {status}")
    page = is_page(content_type, body)
    if 400 <= status < 600:
        if page and status == 404:
            return UpstreamRejected(detail="HTTP 404 with a web page")
        report = ErrorReport() if page else read_report(body)
        return _fault(status, report, credential, retry_after_s(headers, now_s))
    if page:
        return UpstreamChallenge(detail=f"HTTP {status} with a web page")
    told = decode_object(body)
    if told is not None and tells_error(told):
        return fault_in_band(told, credential=credential)
    if not body.strip():
        return UpstreamDisconnected(detail=f"HTTP {status} without a body")
    return UpstreamProtocolError(detail=f"HTTP {status} without an answer")


def tells_error(told: Mapping[str, Any]) -> bool:
    """Whether a decoded chunk, choice or body tells an error."""
    return bool(told.get("error")) or told.get("type") == "error" or told.get("object") == "error"


def fault_in_band(told: dict[str, Any], *, credential: CredentialMode = "static") -> TurnstileError:
    """Give the error that a chunk, a choice or a body with status 200 tells; one that names no status is a 502."""
    report = report_of(told)
    return _fault(report.status, report, credential, None)


def _fault(status: int | None, report: ErrorReport, credential: CredentialMode, wait_s: float | None) -> TurnstileError:
    acting = status or 502
    error = _named(acting, report, credential, wait_s) or _by_status(acting, report, credential, wait_s)
    error.detail = f"status {status or 'not given'}: {redact(report.message) or 'no message'}"
    error.upstream_status = status
    return error


def _named(status: int, report: ErrorReport, credential: CredentialMode, wait_s: float | None) -> TurnstileError | None:
    """Give the error that the upstream names, whatever its status says."""
    words = report.words
    about_the_request = status in _ABOUT_THE_REQUEST
    if words & _CONTEXT_WORDS or (about_the_request and _CONTEXT_TEXT.search(report.message)):
        return UpstreamContextLength(redact(report.message), param="messages")
    if words & _FILTER_WORDS or (about_the_request and _FILTER_TEXT.search(report.message)):
        return UpstreamContentFiltered(redact(report.message), code=_tellable(report.code), param=report.param)
    if words & _QUOTA_WORDS:
        return InsufficientQuota(retry_after_s=wait_s)
    if words & _KEY_WORDS:
        return _denied(401, credential)
    return None


def _by_status(status: int, report: ErrorReport, credential: CredentialMode, wait_s: float | None) -> TurnstileError:
    error: TurnstileError
    if status in _ABOUT_THE_REQUEST:
        message = redact(report.message)
        error = UpstreamRefused(message, code=_tellable(report.code), status=status, param=report.param)
    elif status in (401, 403):
        error = _denied(status, credential)
    elif status == 402:
        error = InsufficientQuota(retry_after_s=wait_s)
    elif status == 404 and not _NO_PATH_TEXT.search(report.message):
        error = UpstreamModelNotFound(param="model")
    elif status == 429:
        error = UpstreamRateLimited(retry_after_s=wait_s)
    elif status in _BUSY:
        error = UpstreamBusy(retry_after_s=wait_s)
    elif status < 500 or status in _NOT_WORTH_ANOTHER_TRY:
        error = UpstreamRejected()
    else:
        error = UpstreamFailed(retry_after_s=wait_s)
    return error


def _denied(status: int, credential: CredentialMode) -> TurnstileError:
    if credential == "managed":
        return CredentialStale()
    if credential == "pass_through":
        return PassThroughDenied() if status == 401 else PassThroughForbidden()
    return UpstreamAuthFailed()


def _tellable(code: str | None) -> str | None:
    """Give an upstream's code, unless it is one of ours that means another ending."""
    return None if code in _CODES_OF_OTHER_ENDINGS else code
