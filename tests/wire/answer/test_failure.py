"""The envelope of an error, as a body and as a frame."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from proxy.errors import RequestRejected, TurnstileError, UpstreamRefused, UpstreamTruncated
from proxy.wire.answer import error_body, error_frame

ERRORS = [
    RequestRejected("Invalid 'n'.", code="invalid_type", param="n"),
    UpstreamRefused("Bad\nword\u2028 \ud800 “é”", code="their_code", status=422),
    UpstreamTruncated(),
]


def test_the_envelope_is_told_byte_for_byte_like_this() -> None:
    assert error_body(ERRORS[0]) == (
        b'{"error":{"message":"Invalid \'n\'.","type":"invalid_request_error","param":"n","code":"invalid_type"}}'
    )


@pytest.mark.parametrize("error", ERRORS)
def test_an_error_has_exactly_four_keys_and_is_valid_by_the_public_schema(
    error: TurnstileError, schema: Callable[..., None]
) -> None:
    told = json.loads(error_body(error))

    schema("ErrorResponse", told)
    assert list(told) == ["error"]
    assert list(told["error"]) == ["message", "type", "param", "code"]
    assert told["error"]["code"] == error.told_code


@pytest.mark.parametrize("error", ERRORS)
def test_the_frame_is_one_line_with_the_body(error: TurnstileError, frames_of: Callable[..., Any]) -> None:
    (data,) = frames_of(error_frame(error))

    assert data.encode() == error_body(error)
