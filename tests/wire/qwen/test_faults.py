"""What goes wrong at the site: judged by content type, then texts, then codes, then the HTTP status."""

import json
from typing import Any

import pytest
from multidict import CIMultiDict

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
from proxy.wire.qwen import fault_of
from proxy.wire.upstream.redact import redact


def fault(
    status: int = 200, told: Any = None, content_type: str | None = "application/json", **headers: str
) -> TurnstileError:
    body = told if isinstance(told, bytes) else json.dumps(told).encode()
    named = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
    return fault_of(status, content_type, body, named, now_s=0.0, clean=redact)


def failed(code: str = "", details: str = "", **more: Any) -> dict[str, Any]:
    return {"success": False, "request_id": "9d1e", "data": {"code": code, "details": details, **more}}


@pytest.mark.parametrize(
    ("status", "told", "error"),
    [
        (401, {}, UpstreamAuthFailed),
        (403, {}, UpstreamAuthFailed),
        (200, failed("Unauthorized"), UpstreamAuthFailed),
        (400, failed("invalid_token"), UpstreamAuthFailed),
        (429, {}, UpstreamRateLimited),
        (200, failed("RateLimited"), UpstreamRateLimited),
        (200, failed("RateLimited", num=4), InsufficientQuota),
        (429, failed("RateLimited", num=4), InsufficientQuota),
        (200, failed("quota_limit"), InsufficientQuota),
        (200, failed("Bad_Request", "The chat is in progress!"), UpstreamBusy),
        (400, failed("RateLimited", "Chat is in progress, num 4", num=4), UpstreamBusy),
        (401, failed("Unauthorized", "The chat is in progress!"), UpstreamBusy),
        (200, failed("Bad_Request", "The parent_id 1f-2e is not exist."), ConversationLost),
        (500, failed("", "chat not exist"), ConversationLost),
        (200, failed("Not_Found"), ConversationLost),
        (404, {}, ConversationLost),
        (404, b"nothing here", ConversationLost),
        (200, failed("data_inspection_failed"), UpstreamContentFiltered),
        (400, {"code": "data_inspection_failed", "message": "no"}, UpstreamContentFiltered),
        (500, {}, UpstreamFailed),
        (501, {}, UpstreamFailed),
        (503, b"upstream connect error", UpstreamFailed),
        (200, failed("Other", "Something else."), UpstreamRejected),
        (200, {"error": "no"}, UpstreamRejected),
        (400, {}, UpstreamRejected),
        (418, b"", UpstreamRejected),
        (302, b"", UpstreamRedirected),
        (200, b"{not json", UpstreamProtocolError),
        (200, {"success": True, "data": {}}, UpstreamProtocolError),
        (200, b"", UpstreamDisconnected),
    ],
)
def test_every_row_of_the_table(status: int, told: Any, error: type[TurnstileError]) -> None:
    found = fault(status, told)

    assert type(found) is error
    assert found.upstream_status == status


@pytest.mark.parametrize("status", [200, 302, 401, 404, 429, 500])
@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"\n <!doctype html>", "application/json"),
        (b"anything", "text/html; charset=utf-8"),
        (b"<html>", None),
    ],
)
def test_a_page_is_a_challenge_at_any_status(status: int, body: bytes, content_type: str | None) -> None:
    assert type(fault(status, body, content_type)) is UpstreamChallenge


@pytest.mark.parametrize(
    "told",
    [
        {"ret": ["FAIL_SYS_USER_VALIDATE", "RGV587_ERROR::SM"], "data": {"url": "https://x/punish"}},
        {"ret": ["OK"], "data": {"url": "https://chat.example/_____tmd_____/punish?x5secdata=1"}},
        {"url": "https://chat.example/api//_____tmd_____/punish"},
    ],
)
def test_the_word_of_the_guard_is_a_challenge(told: Any) -> None:
    assert type(fault(200, told)) is UpstreamChallenge


def test_hours_to_wait_become_seconds() -> None:
    assert fault(200, failed("RateLimited", num=4)).retry_after_s == 4 * 3600
    assert fault(200, failed("RateLimited", num="1.5")).retry_after_s == 5400
    assert fault(200, failed("quota_limit")).retry_after_s is None
    assert fault(200, {"error": {"code": "quota_limit", "num": 2}}).retry_after_s == 7200


@pytest.mark.parametrize("num", [-1, 1e9, "soon", None, {}])
def test_hours_that_are_none_say_nothing(num: Any) -> None:
    assert fault(200, failed("quota_limit", num=num)).retry_after_s is None


def test_retry_after_of_a_rate_limit_is_kept() -> None:
    assert fault(429, {}, retry_after="7").retry_after_s == 7


def test_a_busy_chat_is_not_asked_again_before_two_seconds() -> None:
    found = fault(200, failed("", "The chat is in progress!"))

    assert (found.status, found.retry_after_s, found.retryable) == (503, 2.0, True)


def test_the_first_code_and_the_first_text_count() -> None:
    """`data` before `error` before the top."""
    told = {"success": False, "data": {"code": "quota_limit"}, "error": {"code": "Unauthorized"}, "code": "Not_Found"}
    assert type(fault(200, told)) is InsufficientQuota
    assert type(fault(200, {"error": {"code": "Unauthorized"}, "code": "Not_Found"})) is UpstreamAuthFailed
    told = {"error": {"details": "The chat is in progress", "message": "chat not exist"}, "message": "x"}
    assert type(fault(200, told)) is UpstreamBusy


def test_what_the_site_says_never_reaches_a_caller() -> None:
    for told in (failed("Other", "secret words"), {"error": {"code": "data_inspection_failed", "message": "secret"}}):
        assert "secret" not in fault(400, told).message


def test_the_log_gets_the_text_cleaned_and_no_page() -> None:
    found = fault_of(
        400,
        None,
        json.dumps(failed("Other", "cookie mine-42 is bad")).encode(),
        CIMultiDict(),
        now_s=0.0,
        clean=lambda text: text.replace("mine-42", "[key]"),
    )
    assert found.detail == "status 400, code Other: cookie [key] is bad"
    assert "<" not in (fault(200, b"<b>secret</b>", None).detail or "")
