"""What went wrong, as codex tells it, to typed errors: each is what the answer of an HTTP upstream would be."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from proxy.errors import (
    ConversationLost,
    InsufficientQuota,
    InternalError,
    TurnstileError,
    UpstreamAuthFailed,
    UpstreamContentFiltered,
    UpstreamContextLength,
    UpstreamDisconnected,
    UpstreamFailed,
    UpstreamModelNotFound,
    UpstreamRateLimited,
    UpstreamRefused,
    UpstreamRejected,
    UpstreamUnreachable,
)
from proxy.upstreams.child import RpcRefused
from proxy.wire.request import JsonObject
from proxy.wire.upstream import fault_of
from proxy.wire.upstream.redact import redact

NO_HISTORY = ("no rollout found", "thread not found", "thread not loaded")
IN_USE = "already has an active writer"
OUR_MISTAKES = ("Not initialized", "Already initialized", "Invalid request: unknown variant", "unknown variant")
NEEDS_EXPERIMENTAL = "requires experimentalApi capability"
INCOMPLETE = {
    "Incomplete response returned, reason: max_output_tokens": "length",
    "Incomplete response returned, reason: content_filter": "content_filter",
}
"""How messages of a failed turn end that mean an answer which the provider ended early."""

_NO_CONNECTION = ("responseStreamDisconnected", "httpConnectionFailed", "responseStreamConnectionFailed")

_NAMED: Mapping[str, Callable[[str], TurnstileError]] = {
    "unauthorized": lambda _text: UpstreamAuthFailed(),
    "usageLimitExceeded": lambda _text: InsufficientQuota(),
    "sessionBudgetExceeded": lambda _text: InsufficientQuota(),
    "rateLimitExceeded": lambda _text: UpstreamRateLimited(),
    "serverOverloaded": lambda _text: with_status(503, ""),
    "flexUnavailable": lambda _text: with_status(503, ""),
    "policyCapacityUnavailable": lambda _text: with_status(503, ""),
    "internalServerError": lambda _text: with_status(500, ""),
    "contextWindowExceeded": lambda _text: UpstreamContextLength(param="messages"),
    "modelNotFound": lambda _text: UpstreamModelNotFound(param="model"),
    "cyberPolicy": lambda text: UpstreamContentFiltered(redact(text)),
    "misalignmentPolicyViolation": lambda text: UpstreamContentFiltered(redact(text)),
    "inferenceHookDenied": lambda text: UpstreamContentFiltered(redact(text)),
    "badRequest": lambda text: with_status(400, inner_body(text) or text),
    "activeTurnNotSteerable": lambda _text: InternalError(detail="codex: activeTurnNotSteerable"),
}
"""What `codexErrorInfo` names, where no HTTP status says more."""


def fault_of_turn(error: Any) -> TurnstileError:
    """The error of a turn that failed: `{message, codexErrorInfo, additionalDetails}`, or nothing at all."""
    told: JsonObject = error if isinstance(error, dict) else {}
    message = text_in(told, "message")
    name, status = info_of(told.get("codexErrorInfo"))
    fault = _fault(name, status, message, text_in(told, "additionalDetails"))
    if fault.detail is None:
        fault.detail = f"codex: {name or 'no name'}, status {status or 'not given'}: {redact(message) or 'no message'}"
    if fault.upstream_status is None:
        fault.upstream_status = status
    return fault


def _fault(name: str, status: int | None, message: str, details: str) -> TurnstileError:
    if name in _NAMED:
        return _NAMED[name](message)
    if status is not None:
        return with_status(status, inner_body(message) or details or message)
    if name in _NO_CONNECTION:
        no_connection = details.startswith("Connection failed") or message.startswith("Connection failed")
        return UpstreamUnreachable() if no_connection else UpstreamDisconnected()
    if name in ("other", ""):
        if message.startswith("stream disconnected"):
            return UpstreamDisconnected()
        body = inner_body(message)
        if body is not None:
            return with_status(400, body)
    return UpstreamRejected()


def finish_of(error: Any) -> str | None:
    """The finish reason, where a turn has failed only because the provider ended its answer early."""
    message = text_in(error, "message") if isinstance(error, dict) else ""
    return next((finish for words, finish in INCOMPLETE.items() if message.endswith(words)), None)


def info_of(info: Any) -> tuple[str, int | None]:
    """The name, and the HTTP status if there is one, of a string or of an object with one key."""
    if isinstance(info, str):
        return info, None
    if not isinstance(info, dict) or not info:
        return "", None
    name, content = next(iter(info.items()))
    status = content.get("httpStatusCode") if isinstance(content, dict) else None
    return name, status if isinstance(status, int) and 400 <= status < 600 else None


def inner_body(message: str) -> str | None:
    """The body of a provider's 400, which codex puts into the message as it is."""
    try:
        body = json.loads(message)
    except ValueError:
        return None
    error = body.get("error") if isinstance(body, dict) else None
    invalid = isinstance(error, dict) and error.get("type") == "invalid_request_error"
    return message if invalid else None


def with_status(status: int, body: str) -> TurnstileError:
    """What the answer of an HTTP upstream would be."""
    return fault_of(status, None, body.encode("utf-8", "replace"), {}, now_s=0.0)


def fault_of_call(refused: RpcRefused) -> TurnstileError:
    """The error of a call that was refused: nearly all have one code, and are told apart by their words."""
    message = refused.message
    detail = f"codex: {refused.method}: {refused.code} {redact(message)}"
    if message.startswith(NO_HISTORY) or IN_USE in message:
        return ConversationLost(detail=detail)
    if message.startswith(OUR_MISTAKES) or NEEDS_EXPERIMENTAL in message:
        return InternalError(detail=detail)
    if "input_too_large" in message:
        return UpstreamRefused(param="messages")
    return UpstreamFailed(detail=detail)


def text_in(told: JsonObject, name: str) -> str:
    """A member that should be a text."""
    value = told.get(name)
    return value if isinstance(value, str) else ""
