"""What an answer is, whatever was asked for."""

import pytest

from proxy.wire.upstream import sniff
from proxy.wire.upstream.sniff import is_page


@pytest.mark.parametrize(
    ("content_type", "form"),
    [
        ("text/event-stream", "sse"),
        ("Text/Event-Stream; charset=utf-8", "sse"),
        ("application/json", "json"),
        ("application/json;charset=UTF-8", "json"),
        ("application/problem+json", "json"),
        ("text/html; charset=utf-8", "challenge"),
        ("application/xhtml+xml", "challenge"),
        ("text/plain", "unknown"),
        ("application/octet-stream", "unknown"),
        ("image/png", "unknown"),
    ],
)
@pytest.mark.parametrize("head", [b"", b"{", b"<", b"d"])
def test_the_content_type_decides(content_type: str, head: bytes, form: str) -> None:
    assert sniff(content_type, head) == form


@pytest.mark.parametrize(
    ("head", "form"),
    [
        (b"{", "json"),
        (b'\r\n {"id"', "json"),
        (b"\xef\xbb\xbf{", "json"),
        (b"<", "challenge"),
        (b"\n<!doctype", "challenge"),
        (b"data: {", "sse"),
        (b"event", "sse"),
        (b"id:", "sse"),
        (b"retry", "sse"),
        (b": ping", "sse"),
        (b"[", "unknown"),
        (b"Hello", "unknown"),
        (b"\x1f\x8b", "unknown"),
        (b"  ", "unknown"),
        (b"", "unknown"),
    ],
)
@pytest.mark.parametrize("content_type", [None, "", " ; charset=utf-8"])
def test_without_a_content_type_the_first_byte_does(content_type: str | None, head: bytes, form: str) -> None:
    assert sniff(content_type, head) == form


@pytest.mark.parametrize(
    ("content_type", "body", "page"),
    [
        ("text/html", b"", True),
        ("text/html", b"{}", True),
        ("application/json", b" <html>", True),
        (None, b"\xef\xbb\xbf<html>", True),
        ("application/json", b"{}", False),
        (None, b"", False),
    ],
)
def test_a_page_is_one_by_its_type_or_by_its_first_byte(content_type: str | None, body: bytes, page: object) -> None:
    assert is_page(content_type, body) is page
