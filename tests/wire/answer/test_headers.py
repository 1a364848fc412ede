"""The headers that leave."""

import math
from typing import Any

import pytest

from proxy.errors import (
    BodyTooSlow,
    ConversationBusy,
    InsufficientQuota,
    InvalidApiKey,
    Overloaded,
    PassThroughDenied,
    RateLimitExceeded,
    RequestTooLarge,
    SessionLost,
    ShuttingDown,
    TurnstileError,
    UpstreamRateLimited,
    error_classes,
)
from proxy.wire.answer import (
    RateLimit,
    common_headers,
    error_headers,
    json_headers,
    rate_limit_headers,
    sse_headers,
)
from proxy.wire.answer.headers import duration

HOSTILE = "a\r\nSet-Cookie: x=1\x00\x7f\té你\u2028b"


def made(cls: type[TurnstileError], retry_after_s: float | None = None) -> TurnstileError:
    """An error of any class, whatever its own constructor asks for."""
    error = cls.__new__(cls)
    TurnstileError.__init__(error, "message", retry_after_s=retry_after_s)
    vars(error).update(_code=cls.code, _status=cls.status)
    return error


def test_every_response_bears_its_id_and_how_long_it_took() -> None:
    assert common_headers(request_id="req_1", processing_s=1.2349) == [
        ("x-request-id", "req_1"),
        ("openai-processing-ms", "1234"),
    ]


def test_a_clock_that_stepped_back_gives_no_negative_time() -> None:
    assert ("openai-processing-ms", "0") in common_headers(request_id="r", processing_s=-3.0)


def test_what_is_known_is_told() -> None:
    headers = common_headers(
        request_id="r",
        processing_s=0,
        session_id="s-1",
        ignored_params=["seed", "metadata.user"],
        upstream_request_id="up-1",
        rate_limits=[RateLimit("requests", 60, 12, 1.2)],
    )

    assert dict(headers) == {
        "x-request-id": "r",
        "openai-processing-ms": "0",
        "x-session-id": "s-1",
        "x-ignored-params": "seed, metadata.user",
        "x-upstream-request-id": "up-1",
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "12",
        "x-ratelimit-reset-requests": "1.2s",
    }


def test_nothing_of_an_upstream_or_a_caller_puts_control_characters_into_a_header() -> None:
    headers = common_headers(
        request_id=HOSTILE,
        processing_s=0,
        session_id=HOSTILE,
        upstream_request_id=HOSTILE,
        ignored_params=[HOSTILE, "a, b: c", "\x00"],
    )

    assert dict(headers)["x-upstream-request-id"] == "aSet-Cookie: x=1b"
    assert dict(headers)["x-ignored-params"].count(",") == 2
    assert all(" " <= char <= "~" for _, value in headers for char in value)


@pytest.mark.parametrize("nothing", ["", "\r\n", "  ", "\u2028"])
def test_a_header_that_would_be_empty_is_left_out(nothing: str) -> None:
    headers = common_headers(request_id="r", processing_s=0, upstream_request_id=nothing, session_id=nothing)

    assert len(headers) == 2


def test_ignored_params_fit_into_512_bytes_as_whole_names() -> None:
    names = [f"parameter_number_{number}" for number in range(100)]
    told = dict(common_headers(request_id="r", processing_s=0, ignored_params=names))["x-ignored-params"]

    assert 480 < len(told) <= 512
    assert told.split(", ") == names[: told.count(",") + 1]


@pytest.mark.parametrize(("size", "told"), [(512, "x" * 512), (513, "seed")])
def test_a_name_that_is_too_long_hides_no_other(size: int, told: str) -> None:
    headers = common_headers(request_id="r", processing_s=0, ignored_params=["x" * size, "seed"])

    assert dict(headers)["x-ignored-params"] == told


def test_an_upstream_id_is_cut_at_512_bytes() -> None:
    told = dict(common_headers(request_id="r", processing_s=0, upstream_request_id="x" * 600))

    assert told["x-upstream-request-id"] == "x" * 512


def test_a_whole_answer_is_json_that_nobody_stores_and_says_that_it_is_done() -> None:
    assert json_headers() == [
        ("Content-Type", "application/json"),
        ("Cache-Control", "no-store"),
        ("x-end-reason", "done"),
    ]


def test_a_stream_is_not_buffered_and_says_nothing_of_its_ending() -> None:
    assert sse_headers() == [
        ("Content-Type", "text/event-stream; charset=utf-8"),
        ("Cache-Control", "no-cache, no-transform"),
        ("X-Accel-Buffering", "no"),
    ]


def test_while_draining_every_response_closes_the_connection() -> None:
    for headers in (
        json_headers(closing=True),
        sse_headers(closing=True),
        error_headers(InvalidApiKey(), closing=True),
    ):
        assert ("Connection", "close") in headers


@pytest.mark.parametrize("cls", error_classes(), ids=lambda cls: cls.__name__)
def test_every_error_has_the_headers_of_its_kind(cls: type[TurnstileError]) -> None:
    headers = dict(error_headers(made(cls)))

    assert headers["Content-Type"] == "application/json"
    assert headers["Cache-Control"] == "no-store"
    assert headers["x-end-reason"] == cls.end_reason.value
    assert (headers.get("WWW-Authenticate") == "Bearer") is (cls.status == 401)
    hopeless = cls.status in (500, 502, 504) or cls.code in ("insufficient_quota", "session_lost")
    assert headers.get("x-should-retry") == ("false" if hopeless else None)
    waits = cls.code == "conversation_busy" or cls.status == 503 or (cls.status == 429 and not hopeless)
    assert ("Retry-After" in headers) is ("retry-after-ms" in headers) is waits


@pytest.mark.parametrize("error", [BodyTooSlow(30), RequestTooLarge(), ShuttingDown()])
def test_an_error_after_which_the_connection_is_unusable_closes_it(error: TurnstileError) -> None:
    assert ("Connection", "close") in error_headers(error)


def test_other_errors_keep_the_connection() -> None:
    assert "Connection" not in dict(error_headers(InvalidApiKey()))


@pytest.mark.parametrize(
    ("wait_s", "seconds", "milliseconds"),
    [
        (None, "1", "1000"),
        (0.0, "1", "1"),
        (-5.0, "1", "1"),
        (0.25, "1", "250"),
        (1.0, "1", "1000"),
        (1.0001, "2", "1001"),
        (59.5, "60", "59500"),
        (math.inf, "31622400", "31622400000"),
    ],
)
def test_retry_after_is_rounded_up_and_at_least_a_second(wait_s: float | None, seconds: Any, milliseconds: str) -> None:
    """A client that comes back a moment early would be turned away again."""
    headers = dict(error_headers(made(RateLimitExceeded, wait_s)))

    assert (headers["Retry-After"], headers["retry-after-ms"]) == (seconds, milliseconds)


@pytest.mark.parametrize("cls", [ConversationBusy, UpstreamRateLimited, Overloaded, ShuttingDown])
def test_who_may_come_back_is_told_when(cls: type[TurnstileError]) -> None:
    assert dict(error_headers(made(cls, 7.0)))["Retry-After"] == "7"


def test_a_used_up_quota_tells_when_it_is_back_only_if_that_is_known() -> None:
    assert "Retry-After" not in dict(error_headers(made(InsufficientQuota)))
    assert dict(error_headers(made(InsufficientQuota, 3600.0)))["Retry-After"] == "3600"


def test_who_may_not_come_back_is_not_told_when() -> None:
    assert "Retry-After" not in dict(error_headers(made(SessionLost, 5.0)))


def test_a_refused_pass_through_key_is_challenged_like_ours() -> None:
    assert dict(error_headers(PassThroughDenied()))["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (-1, "0ms"),
        (0, "0ms"),
        (0.0001, "1ms"),
        (0.35, "350ms"),
        (0.9991, "1s"),
        (1, "1s"),
        (1.2, "1.2s"),
        (1.21, "1.3s"),
        (59.95, "60s"),
        (60, "1m0s"),
        (61.5, "1m2s"),
        (360, "6m0s"),
        (7384, "2h3m4s"),
        (math.inf, "8784h0m0s"),
    ],
)
def test_reset_times_are_told_as_durations_rounded_up(seconds: Any, told: str) -> None:
    assert duration(seconds) == told


def test_an_overdrawn_limit_is_told_as_zero() -> None:
    assert rate_limit_headers(RateLimit("tokens", 1000, -20, 0.35)) == [
        ("x-ratelimit-limit-tokens", "1000"),
        ("x-ratelimit-remaining-tokens", "0"),
        ("x-ratelimit-reset-tokens", "350ms"),
    ]
