"""The headers of a request: pure checks over the values of one field, in the order sent."""

import hmac
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, TypeAlias

from proxy.errors import InvalidApiKey, RequestRejected, UnsupportedContentEncoding, UnsupportedContentType
from proxy.wire.request.values import ID_PATTERN, ID_RULE

Delivery: TypeAlias = Literal["live", "assured"]

_JSON_TYPE = re.compile(r"application/json|[!#$%&'*+.^_`|~0-9a-z-]+/[!#$%&'*+.^_`|~0-9a-z-]+\+json")
_UTF8_NAMES = frozenset({"utf-8", "utf8"})
_BEARER = re.compile(r"bearer +([\x21-\x7e]+)", re.IGNORECASE)
_KEY = re.compile(r"[\x21-\x7e]+")
_FIELD_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]*")  # RFC 9110 §5.5; half a surrogate can't be sent
_HOP_BY_HOP = frozenset(  # RFC 9110 §7.6.1, and what older proxies use
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
NEVER_FORWARDED = _HOP_BY_HOP | {
    "accept-encoding",  # the connection to the upstream is ours, and so is what we can decode,
    "content-encoding",  # and the body is written anew
    "content-length",
    "content-type",
    "expect",
    "host",
    "cookie",  # these say who the caller is to us
    "authorization",
    "x-api-key",
    "x-upstream-base-url",  # this says where the call goes, and is for us
}


def check_content_type(values: Sequence[str]) -> None:
    """Let pass an absent type, `application/json` and `*/*+json`, without a charset or in UTF-8; else raise 415."""
    if not values:
        return
    kind, *parameters = [part.strip().lower() for part in values[0].split(";")]
    charsets = [
        value.strip().strip('"')
        for name, _, value in (each.partition("=") for each in parameters)
        if name.strip() == "charset"
    ]
    if len(values) > 1 or not _JSON_TYPE.fullmatch(kind) or not _UTF8_NAMES.issuperset(charsets):
        raise UnsupportedContentType("Invalid 'content-type': expected application/json in UTF-8, got something else.")


def check_content_encoding(values: Sequence[str]) -> None:
    """Let pass an absent encoding and `identity`; else raise 415."""
    if any(value.strip().lower() != "identity" for value in values):
        raise UnsupportedContentEncoding("Invalid 'content-encoding': expected an uncompressed body, got another.")


def request_id(values: Sequence[str], token_hex: Callable[[int], str]) -> str:
    """Return the caller's id if it sent one good one, else `req_` and 32 hex digits.

    *token_hex* gives random bytes in hex: its argument is their number.
    """
    if len(values) == 1 and ID_PATTERN.fullmatch(values[0]):
        return values[0]
    return f"req_{token_hex(16)}"


def session_id(values: Sequence[str]) -> str | None:
    """Return the value of `x-session-id`, None if absent; raises `RequestRejected`."""
    if not values:
        return None
    if len(values) > 1 or not ID_PATTERN.fullmatch(values[0]):
        raise _rejected("x-session-id", f"{ID_RULE}, once")
    return values[0]


def delivery(values: Sequence[str]) -> Delivery | None:
    """Return the value of `x-delivery`, None if absent; raises `RequestRejected`."""
    match values:
        case []:
            return None
        case ["live" | "assured" as asked]:
            return asked
    raise _rejected("x-delivery", "'live' or 'assured', once")


def presented_key(authorization: Sequence[str], x_api_key: Sequence[str]) -> str | None:
    """Return the key that the caller shows, as a bearer token or in `x-api-key`; None if neither is there.

    Raises `InvalidApiKey` for a key that is malformed or sent twice, or for two that differ.
    """
    if len(authorization) > 1 or len(x_api_key) > 1:
        raise InvalidApiKey("Invalid API key: expected each header once, got it repeated.")
    bearer = _BEARER.fullmatch(authorization[0].strip()) if authorization else None
    if authorization and not bearer:
        raise InvalidApiKey("Invalid 'authorization': expected 'Bearer' and a key, got something else.")
    if x_api_key and not _KEY.fullmatch(x_api_key[0].strip()):
        raise InvalidApiKey("Invalid 'x-api-key': expected a key, got something else.")
    keys = [bearer[1]] if bearer else []
    keys += [value.strip() for value in x_api_key]
    if len(keys) == 2 and not hmac.compare_digest(keys[0], keys[1]):
        raise InvalidApiKey("Invalid API key: expected the same in 'authorization' and 'x-api-key', got two.")
    return keys[0] if keys else None


def forwarded_headers(headers: Iterable[tuple[str, str]], allowed: frozenset[str]) -> list[tuple[str, str]]:
    """Return those of the caller's *headers* whose lower-case name is *allowed*, in the order sent.

    What belongs to the caller's connection (its `Connection` options too) or identifies the caller is never among them,
    nor is a value with control characters in it.
    """
    if not allowed:
        return []
    sent = [(name, name.lower(), value) for name, value in headers]
    named = {each.strip().lower() for _, lower, value in sent if lower == "connection" for each in value.split(",")}
    passing = allowed - NEVER_FORWARDED - named
    return [(name, value) for name, lower, value in sent if lower in passing and _FIELD_VALUE.fullmatch(value)]


def _rejected(name: str, expected: str) -> RequestRejected:
    return RequestRejected(f"Invalid '{name}': expected {expected}, got something else.", param=name)
