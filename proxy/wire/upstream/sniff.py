"""What an answer is, by its `Content-Type`, or if there is none by how it begins; never by what was asked for."""

from typing import Literal

from proxy.wire.sse import BYTE_ORDER_MARK

Form = Literal["sse", "json", "challenge", "unknown"]

_PAGES = ("text/html", "application/xhtml+xml")
_FORM_BY_FIRST_BYTE: dict[bytes, Form] = {
    b"{": "json",
    b"<": "challenge",
    b":": "sse",  # a comment
    b"d": "sse",  # data
    b"e": "sse",  # event
    b"i": "sse",  # id
    b"r": "sse",  # retry
}


def sniff(content_type: str | None, head: bytes) -> Form:
    """Tell the form of a 200 answer; `challenge` is a web page, asking a browser to log in or prove itself.

    *head* is how the body begins, one byte or more.  White space tells nothing: `unknown` until more has come.
    """
    media = (content_type or "").partition(";")[0].strip().lower()
    if media == "text/event-stream":
        return "sse"
    if media == "application/json" or (media.startswith("application/") and media.endswith("+json")):
        return "json"
    if media in _PAGES:
        return "challenge"
    if media:
        return "unknown"
    return _FORM_BY_FIRST_BYTE.get(head.removeprefix(BYTE_ORDER_MARK).lstrip()[:1], "unknown")


def is_page(content_type: str | None, body: bytes) -> bool:
    """Whether an answer is a web page, whatever its `Content-Type` says."""
    return sniff(content_type, b"") == "challenge" or body.removeprefix(BYTE_ORDER_MARK).lstrip().startswith(b"<")
