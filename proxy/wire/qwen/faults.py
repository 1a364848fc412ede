"""What goes wrong at the site: by texts, then codes, then the HTTP status.

Shapes: `{"success": false, "data": {"code", "details", "num"}}` at any status, `{"error": {"code", "details"}}` in a
stream, `{"code", "message"}`, and `{"ret": ["FAIL_SYS_…"], "data": {"url"}}` of the guard in front of it.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

from proxy.errors import (
    ConversationLost,
    InsufficientQuota,
    TurnstileError,
    UpstreamAuthFailed,
    UpstreamBusy,
    UpstreamChallenge,
    UpstreamContentFiltered,
    UpstreamDisconnected,
    UpstreamFailed,
    UpstreamProtocolError,
    UpstreamRateLimited,
    UpstreamRedirected,
    UpstreamRejected,
)
from proxy.wire.upstream.json_text import decode_object
from proxy.wire.upstream.redact import redact
from proxy.wire.upstream.retry_after import retry_after_s
from proxy.wire.upstream.sniff import is_page

Clean: TypeAlias = Callable[[str], str]
"""Takes out of a text what must not reach a log."""

BUSY_WAIT_S = 2.0  # a turn that is still running there is not over sooner

_BUSY_TEXT = re.compile(r"\bchat is in progress\b", re.IGNORECASE)
_LOST_TEXT = re.compile(r"\b(?:parent_id|chat(?:_id)?)\b.{0,200}\bnot exist", re.IGNORECASE | re.DOTALL)
_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")

_GUARD_WORD = "FAIL_SYS_USER_VALIDATE"
_GUARD_PATH = "_____tmd_____"
_MAX_WAIT_HOURS = 24 * 31  # a longer wait than a month is no number of hours


class _Report(NamedTuple):
    """What the site says; *hours* to wait, if it says so."""

    code: str = ""
    text: str = ""
    hours: float | None = None
    guarded: bool = False


def tells_fault(told: Mapping[str, Any]) -> bool:
    """Whether a decoded body, or an event of a stream, tells that something went wrong."""
    if told.get("error") or told.get("success") is False or "response.stopped" in told:
        return True
    return "choices" not in told and _is_guard(told)


def fault_told(told: Mapping[str, Any], *, clean: Clean = redact) -> TurnstileError:
    """The error that an event of a stream tells, or a body with status 200."""
    return _fault(200, _report(told), None, clean)


def fault_of(
    status: int, content_type: str | None, body: bytes, headers: Mapping[str, str], *, now_s: float, clean: Clean
) -> TurnstileError:
    """The error of an answer that is none.

    *headers* finds lower-case names; *now_s* is the time of day in Unix seconds, which a date in `Retry-After` needs.
    """
    if is_page(content_type, body):
        fault: TurnstileError = UpstreamChallenge(detail=f"HTTP {status} with a web page")
    elif 300 <= status < 400:
        fault = UpstreamRedirected(detail=f"HTTP {status}")
    else:
        told = decode_object(body)
        if status < 300 and (told is None or not tells_fault(told)):
            fault = _no_answer(content_type, body)
        else:
            fault = _fault(status, _report(told or {}), retry_after_s(headers, now_s), clean)
    fault.upstream_status = status
    return fault


def _no_answer(content_type: str | None, body: bytes) -> TurnstileError:
    if not body.strip():
        return UpstreamDisconnected(detail="an answer without a body")
    media = _IDENTIFIER.match((content_type or "none").replace("/", "."))
    return UpstreamProtocolError(detail=f"no answer, but something of type {media[0] if media else 'unknown'}")


def _fault(status: int, report: _Report, wait_s: float | None, clean: Clean) -> TurnstileError:
    fault = _by_text(report) or _by_code(report, wait_s) or _by_status(status, wait_s)
    code = report.code if _IDENTIFIER.fullmatch(report.code) else "none"
    fault.detail = f"status {status}, code {code}: {clean(report.text) or 'no text'}"
    return fault


def _by_text(report: _Report) -> TurnstileError | None:
    if report.guarded:
        return UpstreamChallenge()
    if _BUSY_TEXT.search(report.text):
        return UpstreamBusy(retry_after_s=BUSY_WAIT_S)
    if _LOST_TEXT.search(report.text):
        return ConversationLost()
    return None


def _by_code(report: _Report, wait_s: float | None) -> TurnstileError | None:
    match report.code.lower():
        case "unauthorized" | "invalid_token":
            return UpstreamAuthFailed()
        case "ratelimited" if report.hours is None:
            return UpstreamRateLimited(retry_after_s=wait_s)
        case "ratelimited" | "quota_limit":
            return InsufficientQuota(retry_after_s=wait_s if report.hours is None else report.hours * 3600)
        case "not_found":
            return ConversationLost()
        case "data_inspection_failed":
            return UpstreamContentFiltered()
    return None


def _by_status(status: int, wait_s: float | None) -> TurnstileError:
    if status in (401, 403):
        return UpstreamAuthFailed()
    if status == 404:
        return ConversationLost()
    if status == 429:
        return UpstreamRateLimited(retry_after_s=wait_s)
    if status >= 500:
        return UpstreamFailed(retry_after_s=wait_s)
    return UpstreamRejected()


def _report(told: Mapping[str, Any]) -> _Report:
    data, error = _object(told.get("data")), _object(told.get("error"))
    codes = (data.get("code"), error.get("code"), told.get("code"))
    texts = (
        data.get("details"),
        error.get("details"),
        error.get("message"),
        told.get("error"),
        told.get("message"),
    )
    return _Report(
        next(_strings(codes), ""), next(_strings(texts), ""), _hours(data.get("num", error.get("num"))), _is_guard(told)
    )


def _is_guard(told: Mapping[str, Any]) -> bool:
    """Whether it is the word of the guard that wants to see a browser, and not that of the site."""
    ret = told.get("ret")
    if type(ret) is list and any(type(each) is str and each.startswith(_GUARD_WORD) for each in ret):
        return True
    urls = (told.get("url"), _object(told.get("data")).get("url"))
    return any(_GUARD_PATH in url for url in _strings(urls))


def _strings(values: tuple[Any, ...]) -> Iterator[str]:
    return (value for value in values if type(value) is str and value)


def _object(value: Any) -> Mapping[str, Any]:
    return value if type(value) is dict else {}


def _hours(value: Any) -> float | None:
    try:
        hours = float(value) if type(value) in (int, float, str) else -1.0
    except ValueError:
        return None
    return hours if 0 <= hours <= _MAX_WAIT_HOURS else None
