"""When to ask again: three ways to say it, and nothing made of what can't be read."""

import pytest

from proxy.wire.upstream.retry_after import retry_after_s

NOW_S = 1_790_000_000.0  # Mon, 21 Sep 2026 14:13:20 GMT


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({}, None),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "20"}, 20.0),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after": "Mon, 21 Sep 2026 14:14:20 GMT"}, 60.0),
        ({"retry-after": "Mon, 21 Sep 2026 16:14:20 +0200"}, 60.0),
        ({"retry-after": "Mon, 21 Sep 2026 14:14:20"}, 60.0),
        ({"retry-after": "Monday, 21-Sep-26 14:14:20 GMT"}, 60.0),
        ({"retry-after": "Mon, 21 Sep 2026 14:13:20 GMT"}, 0.0),
        ({"retry-after": "Mon, 21 Sep 2026 14:13:19 GMT"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "9" * 400}, None),
        ({"retry-after": "Mon, 99 Sep 2026 14:14:20 GMT"}, None),
        ({"retry-after": "Mon, 21 Sep 9999999999 14:14:20 GMT"}, None),
        ({"retry-after-ms": "-5"}, None),
    ],
)
def test_the_wait_is_read_or_absent(headers: dict[str, str], wait_s: float | None) -> None:
    assert retry_after_s(headers, NOW_S) == wait_s
