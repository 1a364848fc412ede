"""The headers of a request."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import InvalidApiKey, RequestRejected, UnsupportedContentEncoding, UnsupportedContentType
from proxy.wire.request import (
    NEVER_FORWARDED,
    check_content_encoding,
    check_content_type,
    delivery,
    forwarded_headers,
    presented_key,
    request_id,
    session_id,
)


@pytest.mark.parametrize(
    "values",
    [
        [],
        ["application/json"],
        ["Application/JSON"],
        ["application/json; charset=utf-8"],
        ['application/json;charset="UTF-8"'],
        ["application/json ; Charset=utf8 ; x=y"],
        ["application/json;"],
        ["application/vnd.api+json"],
        ["text/x.y+json; charset=utf-8"],
    ],
)
def test_json_in_utf8_is_taken(values: list[str]) -> None:
    check_content_type(values)


@pytest.mark.parametrize(
    "values",
    [
        [""],
        ["text/plain"],
        ["application/jsonp"],
        ["application/x-www-form-urlencoded"],
        ["multipart/form-data; boundary=x"],
        ["application/json; charset=latin-1"],
        ["application/json; charset=utf-16"],
        ["application/json; charset="],
        ["application/json, text/plain"],
        ["application/json", "application/json"],
        ["+json"],
        ["a/b/c+json"],
        ["application/json\nx"],
    ],
)
def test_what_is_not_declared_as_json_in_utf8_is_refused(values: list[str]) -> None:
    with pytest.raises(UnsupportedContentType) as caught:
        check_content_type(values)

    assert (caught.value.told_status, caught.value.told_code) == (415, "unsupported_content_type")
    assert caught.value.message == "Invalid 'content-type': expected application/json in UTF-8, got something else."


@pytest.mark.parametrize("values", [[], ["identity"], [" Identity "]])
def test_an_uncompressed_body_is_taken(values: list[str]) -> None:
    check_content_encoding(values)


@pytest.mark.parametrize("values", [["gzip"], ["br"], ["identity, gzip"], ["identity", "zstd"], [""]])
def test_a_compressed_body_is_refused(values: list[str]) -> None:
    """A small compressed body may be a huge one."""
    with pytest.raises(UnsupportedContentEncoding) as caught:
        check_content_encoding(values)

    assert (caught.value.told_status, caught.value.told_code) == (415, "unsupported_content_encoding")


GOOD_IDS = ["a", "req_1", "A-Z.a:z_0-9", "i" * 128]
BAD_IDS = [[""], ["i" * 129], ["a b"], ["é"], ["a\r\nset-cookie: x"], ["a\n"], ["a/b"], ["a", "a"], ["a", "b"]]


@pytest.mark.parametrize("value", GOOD_IDS)
def test_a_good_request_id_is_taken(value: str) -> None:
    assert request_id([value], lambda _size: "unused") == value


@pytest.mark.parametrize("values", [[], *BAD_IDS])
def test_any_other_request_id_is_silently_replaced(values: list[str]) -> None:
    """It goes into headers and logs: nothing but plain characters ever does."""
    made = request_id(values, lambda size: "0f" * size)

    assert made == "req_" + "0f" * 16


@pytest.mark.parametrize("value", [*GOOD_IDS, "new"])
def test_a_good_session_id_is_taken(value: str) -> None:
    assert session_id([value]) == value
    assert session_id([]) is None


@pytest.mark.parametrize("values", BAD_IDS)
def test_a_bad_session_id_is_refused(values: list[str]) -> None:
    with pytest.raises(RequestRejected) as caught:
        session_id(values)

    assert (caught.value.told_code, caught.value.param) == ("invalid_value", "x-session-id")
    assert caught.value.message.isprintable()


def test_delivery_is_one_of_two_words() -> None:
    assert (delivery(["live"]), delivery(["assured"]), delivery([]), delivery(())) == ("live", "assured", None, None)


@pytest.mark.parametrize("values", [[""], ["Live"], ["live", "live"], ["live,assured"]])
def test_any_other_delivery_is_refused(values: list[str]) -> None:
    with pytest.raises(RequestRejected) as caught:
        delivery(values)

    assert (caught.value.told_status, caught.value.told_code, caught.value.param) == (
        400,
        "invalid_value",
        "x-delivery",
    )


@pytest.mark.parametrize(
    ("authorization", "x_api_key", "key"),
    [
        ([], [], None),
        (["Bearer sk-1"], [], "sk-1"),
        (["bearer sk-1"], [], "sk-1"),
        (["BEARER   sk-1 "], [], "sk-1"),
        ([], ["sk-1"], "sk-1"),
        ([], [" sk-1 "], "sk-1"),
        (["Bearer sk-1"], ["sk-1"], "sk-1"),
        (["Bearer a+b/c=.~_-"], [], "a+b/c=.~_-"),
    ],
)
def test_a_key_is_shown_in_either_header(authorization: list[str], x_api_key: list[str], key: str | None) -> None:
    assert presented_key(authorization, x_api_key) == key


@pytest.mark.parametrize(
    ("authorization", "x_api_key"),
    [
        (["sk-1"], []),
        (["Basic dXNlcjpwYXNz"], []),
        (["Bearer"], []),
        (["Bearer "], []),
        (["Bearersk-1"], []),
        (["Bearer sk-1 sk-2"], []),
        (["Bearer clé"], []),
        (["Bearer sk\x001"], []),
        ([""], ["sk-1"]),
        (["Basic x"], ["sk-1"]),
        ([], [""]),
        ([], ["sk 1"]),
        ([], ["clé"]),
        (["Bearer sk-1"], ["sk-2"]),
        (["Bearer sk-1", "Bearer sk-1"], []),
        ([], ["sk-1", "sk-1"]),
    ],
)
def test_malformed_or_contradicting_keys_are_refused(authorization: list[str], x_api_key: list[str]) -> None:
    with pytest.raises(InvalidApiKey) as caught:
        presented_key(authorization, x_api_key)

    assert (caught.value.told_status, caught.value.told_code) == (401, "invalid_api_key")
    assert "sk-" not in caught.value.message


SENT = [
    ("X-Tenant", "blue"),
    ("Cookie", "a=b"),
    ("Host", "gateway"),
    ("Content-Length", "5"),
    ("Authorization", "Bearer sk-1"),
    ("X-Api-Key", "sk-1"),
    ("Transfer-Encoding", "chunked"),
    ("Connection", "close, X-Hop"),
    ("X-Hop", "1"),
    ("x-tenant", "green"),
    ("X-Evil", "a\r\nSet-Cookie: x"),
    ("X-Nul", "a\x00b"),
    ("X-Half", "a\udc80b"),
    ("X-Tab", "a\tb é"),
]


def test_headers_pass_only_by_name(openai: Any) -> None:
    assert forwarded_headers(SENT, frozenset()) == []
    assert forwarded_headers(SENT, frozenset({"x-tenant"})) == [("X-Tenant", "blue"), ("x-tenant", "green")]


def test_what_belongs_to_the_connection_or_the_caller_never_passes() -> None:
    """Not even where an operator lists it, nor a value that would end the header."""
    allowed = frozenset(name.lower() for name, _ in SENT) | NEVER_FORWARDED

    assert forwarded_headers(SENT, allowed) == [("X-Tenant", "blue"), ("x-tenant", "green"), ("X-Tab", "a\tb é")]


@given(st.lists(st.tuples(st.sampled_from(["x-a", "X-B", "Cookie", "Connection"]), st.text(max_size=8)), max_size=6))
def test_no_forwarded_value_can_end_a_header(headers: list[tuple[str, str]]) -> None:
    for name, value in forwarded_headers(headers, frozenset({"x-a", "x-b", "cookie", "connection"})):
        assert name.lower() in ("x-a", "x-b")
        assert not re.search(r"[\r\n\0]", value)
