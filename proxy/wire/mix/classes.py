"""What the site's words for an error mean: by a status that they carry, else by phrases, the first class that fits."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from proxy.errors import (
    ConversationLost,
    CredentialStale,
    InsufficientQuota,
    PassThroughDenied,
    TurnstileError,
    UpstreamAuthFailed,
    UpstreamBusy,
    UpstreamContentFiltered,
    UpstreamContextLength,
    UpstreamFailed,
    UpstreamRateLimited,
)
from proxy.wire.upstream import CredentialMode, fault_in_band, fault_of
from proxy.wire.upstream.json_text import decode_object
from proxy.wire.upstream.redact import redact

MAX_DETAIL_CHARS = 300
ERROR_TEXTS = ("message", "error_text", "errorText", "msg", "detail")
_STATUS = re.compile(r"[45]\d\d")
_LOST = re.compile(
    r"(?:session|conversation|chat|exchange)\b.*\b(?:not found|not exist|expired|invalid|closed)"
    r"|(?:invalid|expired|closed)\b.*\b(?:session|conversation|chat|exchange)",
    re.IGNORECASE | re.DOTALL,
)
DEFAULT_PHRASES: Mapping[str, tuple[str, ...]] = {
    "token": (
        "token expired",
        "token invalid",
        "invalid token",
        "jwt expired",
        "authentication failed",
        "unauthorized",
        "forbidden",
    ),
    "session": (),
    "context": ("context length", "context window", "too long", "token limit"),
    "quota": ("quota", "insufficient balance"),
    "rate": ("rate limit", "too many requests"),
    "busy": ("overloaded", "busy", "try again later"),
    "policy": ("content policy", "sensitive", "moderation"),
}
"""The classes in the order in which they are tried; `session` has a pattern, unless phrases are given."""


@dataclass(frozen=True, slots=True)
class Phrases:
    """The phrases of each class; a class that is *given* replaces its list."""

    given: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def class_of(self, text: str, *, continued: bool) -> str | None:
        """The class of an error's text; *continued*: a session's id was sent."""
        lower = text.lower()
        for name, phrases in DEFAULT_PHRASES.items():
            listed = self.given.get(name, phrases)
            found = any(phrase in lower for phrase in listed)
            if name == "session":
                found = continued and (found or (name not in self.given and _LOST.search(text) is not None))
            if found:
                return name
        return None


@dataclass(frozen=True, slots=True)
class Told:
    """How errors are to be understood: the phrases, whose credential was sent, and whether a session's id was."""

    phrases: Phrases = Phrases()
    credential: CredentialMode = "static"
    continued: bool = False


def fault_of_text(text: str, status: object, told: Told) -> TurnstileError:
    """The typed error of a text, and of the status that came with it, if one did."""
    error = _by_status(status, text, told) or _by_class(text, told) or UpstreamFailed()
    error.detail = redact(text)[:MAX_DETAIL_CHARS] or "no message"
    return error


def http_fault(
    status: int, content_type: str | None, body: bytes, headers: Mapping[str, str], *, now_s: float, told: Told
) -> TurnstileError:
    """The typed error of an answer that is none."""
    error = fault_of(status, content_type, body, headers, now_s=now_s, credential=told.credential)
    if status >= 400:
        text = text_of_body(body)
        classed = _by_class(text, told) if status not in (401, 403) else None
        if classed is None and status in (404, 410) and told.continued:
            classed = ConversationLost()
        if classed is not None:
            classed.retry_after_s = error.retry_after_s
            classed.detail = f"status {status}: {redact(text)[:MAX_DETAIL_CHARS]}"
            error = classed
    error.upstream_status = status
    return error


def text_of_body(body: bytes) -> str:
    """The words of an error's body: of its JSON, else the text that it is, unless it is a page."""
    value = decode_object(body)
    if value is None:
        return "" if body.lstrip().startswith(b"<") else body.decode("utf-8", "replace")
    return error_text(value.get("error")) or error_text(value)


def error_text(told: Any) -> str:
    """The words of an error: the text that it is, or that it holds."""
    if type(told) is str:
        return told
    if type(told) is not dict:
        return ""
    return next((told[name] for name in ERROR_TEXTS if type(told.get(name)) is str and told[name]), "")


def status_in(told: Any) -> object:
    """The status that an error carries."""
    if type(told) is not dict:
        return None
    values = (told.get(name) for name in ("status", "http_status", "code"))
    return next((value for value in values if type(value) in (int, str) and _STATUS.fullmatch(str(value))), None)


def _by_status(status: object, text: str, told: Told) -> TurnstileError | None:
    if status is None:
        return None
    number = int(str(status))
    if number in (404, 410) and told.continued:
        return ConversationLost()
    return fault_in_band({"error": {"message": text, "status": number}}, credential=told.credential)


def _by_class(text: str, told: Told) -> TurnstileError | None:
    match told.phrases.class_of(text, continued=told.continued):
        case "token":
            return denied(told.credential)
        case "session":
            return ConversationLost()
        case "context":
            return UpstreamContextLength(param="messages")
        case "quota":
            return InsufficientQuota()
        case "rate":
            return UpstreamRateLimited()
        case "busy":
            return UpstreamBusy()
        case "policy":
            return UpstreamContentFiltered()
        case _:
            return None


def denied(credential: CredentialMode) -> TurnstileError:
    """What a refused credential is, by whose it was."""
    if credential == "managed":
        return CredentialStale()
    return PassThroughDenied() if credential == "pass_through" else UpstreamAuthFailed()
