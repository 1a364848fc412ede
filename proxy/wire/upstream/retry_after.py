"""When an upstream wants to be asked again."""

import math
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime


def retry_after_s(headers: Mapping[str, str], now_s: float) -> float | None:
    """Seconds that `retry-after-ms`, else `retry-after` (seconds or an HTTP date, RFC 9110 §10.2.3), asks to wait.

    *headers* finds lower-case names; *now_s* is the time of day in Unix seconds.  None if absent, negative or
    unreadable.
    """
    wait_ms = _number(headers.get("retry-after-ms"))
    if wait_ms is not None:
        return wait_ms / 1000
    value = headers.get("retry-after")
    wait_s = _number(value)
    if wait_s is None and value is not None:
        wait_s = _until(value, now_s)
    return wait_s


def _number(value: str | None) -> float | None:
    try:
        number = float(value) if value is not None else math.nan
    except ValueError:
        return None
    return number if 0 <= number < math.inf else None


def _until(date: str, now_s: float) -> float | None:
    try:
        when = parsedate_to_datetime(date)
        at_s = (when if when.tzinfo is not None else when.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
    return at_s - now_s if at_s >= now_s else None
