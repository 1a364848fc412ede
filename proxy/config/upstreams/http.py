"""Values that upstreams over HTTP are configured with."""

import re
from typing import Annotated, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator

from proxy.config.fields import unique
from proxy.config.problems import problem

_FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 §5.6.2

_HOP_BY_HOP = (
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
)  # RFC 9110 §7.6.1
_FRAMING = ("accept-encoding", "content-encoding", "content-length", "content-type", "expect", "host")
_CREDENTIALS = ("authorization", "cookie", "x-api-key")


def _header_name(name: str) -> str:
    if not _FIELD_NAME.fullmatch(name):
        raise problem(f"{name!r} is not a header's name")
    lower = name.lower()
    if lower in _HOP_BY_HOP or lower in _FRAMING:
        raise problem(f"{lower!r} belongs to one connection, and is never passed on")
    return lower


def _forwarded_name(name: str) -> str:
    lower = _header_name(name)
    if lower in _CREDENTIALS:
        raise problem(f"{lower!r} is not forwarded; pass_through sends the caller's own key")
    return lower


def base_url(url: str) -> str:
    """*url* without its last slash; it is never repeated in an error, since it may hold a password."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or parts.scheme not in ("http", "https") or port == 0 or not url.isprintable() or " " in url:
        raise problem("expected a URL like http://127.0.0.1:8000/v1: http or https, with a host")
    if "@" in parts.netloc:
        raise problem("must not hold a user name or password; give them by `credential`")
    if parts.query or parts.fragment or url.endswith(("?", "#")):
        raise problem("must not have a query or a fragment")
    return url.rstrip("/")


BaseUrl: TypeAlias = Annotated[str, AfterValidator(base_url)]
HeaderName: TypeAlias = Annotated[str, AfterValidator(_header_name)]
ForwardedNames: TypeAlias = Annotated[
    tuple[Annotated[str, AfterValidator(_forwarded_name)], ...], AfterValidator(unique)
]
