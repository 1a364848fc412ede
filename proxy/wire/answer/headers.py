"""The headers that leave with an answer or an error: pure lists of (name, value), in which no control character can be.

They add up: those of every response (`common_headers`), then those of its kind (`json_headers`, `sse_headers` or
`error_headers`).
"""

import math
import re
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, TypeAlias

from proxy.errors import TurnstileError
from statechart.vocabulary import EndReason

HeaderList: TypeAlias = list[tuple[str, str]]

MAX_VALUE_BYTES = 512
NOT_IN_VALUE = re.compile(r"[^\x20-\x7e]")  # RFC 9110 §5.5, less obs-text and tab
NOT_IN_NAME = re.compile(r"[^\x21-\x2b\x2d-\x7e]")  # the same, less the blank and comma that divide a list
LONGEST_WAIT_S = 366 * 86_400.0  # an upstream's hint may be anything; a header is a number that clients can read
DEFAULT_WAIT_S = 1.0

JSON_HEADERS = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
SSE_HEADERS = [
    ("Content-Type", "text/event-stream; charset=utf-8"),
    ("Cache-Control", "no-cache, no-transform"),
    ("X-Accel-Buffering", "no"),  # nginx would hold events back
]


class RateLimit(NamedTuple):
    """What a key may still use of one kind, and in how many seconds all of it is there again."""

    kind: Literal["requests", "tokens"]
    limit: int
    remaining: int
    reset_s: float


def common_headers(
    *,
    request_id: str,
    processing_s: float,
    session_id: str | None = None,
    ignored_params: Sequence[str] = (),
    upstream_request_id: str | None = None,
    trimmed_messages: int = 0,
    rate_limits: Iterable[RateLimit] = (),
) -> HeaderList:
    """The headers of any response.  *processing_s* is the time from the last byte of the request to now."""
    headers = [("x-request-id", clean(request_id)), ("openai-processing-ms", str(max(0, int(processing_s * 1000))))]
    optional = (
        ("x-session-id", clean(session_id or "")),
        ("x-upstream-request-id", clean(upstream_request_id or "")),
        ("x-ignored-params", name_list(ignored_params)),
        ("x-trimmed-messages", str(trimmed_messages or "")),
    )
    headers += [(name, value) for name, value in optional if value]
    for rate_limit in rate_limits:
        headers += rate_limit_headers(rate_limit)
    return headers


def json_headers(*, closing: bool = False) -> HeaderList:
    """The headers of a whole answer: told only when it is done, and so is its `x-end-reason`."""
    return [*JSON_HEADERS, ("x-end-reason", EndReason.DONE.value), *connection_headers(closing=closing)]


def sse_headers(*, closing: bool = False) -> HeaderList:
    """The headers of a stream, whose ending nobody knows yet."""
    return [*SSE_HEADERS, *connection_headers(closing=closing)]


def error_headers(error: TurnstileError, *, closing: bool = False) -> HeaderList:
    """The headers of an error's envelope; *closing* while the daemon drains."""
    headers = [*JSON_HEADERS, ("x-end-reason", error.end_reason.value)]
    if error.told_status == 401:
        headers.append(("WWW-Authenticate", "Bearer"))
    if error.forbids_client_retry:
        headers.append(("x-should-retry", "false"))
    headers += retry_headers(error)
    return headers + connection_headers(closing=closing or error.closes_connection)


def retry_headers(error: TurnstileError) -> HeaderList:
    """`Retry-After` in whole seconds, rounded up, and `retry-after-ms`: for 409 `conversation_busy`, 429 and 503.

    Without a hint it is a second, unless another try is hopeless.  RFC 9110 §10.2.3.
    """
    if error.told_status not in (429, 503) and error.told_code != "conversation_busy":
        return []
    wait_s = error.retry_after_s
    if wait_s is None:
        if error.forbids_client_retry:
            return []
        wait_s = DEFAULT_WAIT_S
    wait_ms = math.ceil(min(max(wait_s, 0.001), LONGEST_WAIT_S) * 1000)
    return [("Retry-After", str(-(-wait_ms // 1000))), ("retry-after-ms", str(wait_ms))]


def rate_limit_headers(rate_limit: RateLimit) -> HeaderList:
    """`x-ratelimit-{limit,remaining,reset}-{requests,tokens}`."""
    kind = rate_limit.kind
    return [
        (f"x-ratelimit-limit-{kind}", str(rate_limit.limit)),
        (f"x-ratelimit-remaining-{kind}", str(max(0, rate_limit.remaining))),
        (f"x-ratelimit-reset-{kind}", duration(rate_limit.reset_s)),
    ]


def connection_headers(*, closing: bool) -> HeaderList:
    """`Connection: close`, if the connection ends with this response."""
    return [("Connection", "close")] if closing else []


def duration(seconds: float) -> str:
    """A time to wait as `350ms`, `1.2s`, `6m0s` or `2h0m0s`, rounded up.

    https://platform.openai.com/docs/guides/rate-limits
    """
    wait_ms = math.ceil(min(max(seconds, 0.0), LONGEST_WAIT_S) * 1000)
    if wait_ms < 1000:
        return f"{wait_ms}ms"
    if wait_ms < 60_000:
        return f"{math.ceil(wait_ms / 100) / 10:g}s"
    minutes, rest_s = divmod(math.ceil(wait_ms / 1000), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{rest_s}s" if hours else f"{minutes}m{rest_s}s"


def clean(value: str) -> str:
    """*value* without anything that may not be in a header, at most 512 bytes long."""
    return NOT_IN_VALUE.sub("", value).strip()[:MAX_VALUE_BYTES].rstrip()


def name_list(names: Iterable[str]) -> str:
    """Field names, divided by commas, as many as fit into 512 bytes; the names are a caller's, so odd characters go."""
    told = ""
    for name in names:
        longer = f"{told}, {NOT_IN_NAME.sub('_', name)}" if told else NOT_IN_NAME.sub("_", name)
        if len(longer) <= MAX_VALUE_BYTES:
            told = longer
    return told
