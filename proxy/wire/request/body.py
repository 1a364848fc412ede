"""Bytes to a JSON object and back: strict where a body could hurt, lenient where clients are sloppy.

The usual body costs one `orjson.loads`; what orjson does not do (lone surrogates, integers beyond 64 bits, a depth of
our own) is found by cheap looks at the bytes, and only then done the slow way.
"""

import json
import re
from typing import Any, TypeAlias

import orjson

from proxy.errors import RequestRejected

JsonObject: TypeAlias = dict[str, Any]

MAX_DEPTH = 64
MAX_INTEGER_DIGITS = 300  # far above any real value, far below where int() gets slow or refuses

_BOM = b"\xef\xbb\xbf"
_ORJSON_WRITE_DEPTH = 254  # orjson refuses to write deeper nesting than this

_LONE_SURROGATE = re.compile(
    rb"\\u[dD](?:"
    rb"[89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F][0-9a-fA-F]{2})"  # a first half without its second
    rb"|(?<!\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD])[c-fC-F][0-9a-fA-F]{2})"  # a second half without its first
)
_LONG_BODY_BYTES = 32_768
_ALL_BUT_OPENING = bytes(byte for byte in range(256) if byte not in b"[{")
_DIGITS_AS_ZERO = bytes.maketrans(b"123456789", b"0" * 9)


def decode_body(raw: bytes) -> JsonObject:
    """Return the JSON object that *raw* holds.

    UTF-8, one byte order mark tolerated; of equal keys the last wins; lone surrogate escapes become U+FFFD; integers
    keep all their digits.  Raises `RequestRejected`: `invalid_json` for what is no JSON, nests deeper than 64, or holds
    a number that is not finite or an integer of more than 300 digits; `invalid_type` for anything but an object.
    """
    raw = raw.removeprefix(_BOM)
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raw = _without_lone_surrogates(raw)
        value = _reloaded(raw, error)
    if _may_be_deep(raw) and _is_deep(value):
        raise _invalid_json(f"expected at most {MAX_DEPTH} levels of nesting, got more")
    if _may_hold_long_integers(raw):
        value = json.loads(raw, parse_int=_integer)
    if type(value) is not dict:
        raise RequestRejected("Invalid body: expected a JSON object, got another JSON value.", code="invalid_type")
    return value


def encode_json(value: Any) -> bytes:
    """Compact JSON in UTF-8 of any value that `decode_body` can give, integers beyond 64 bits included."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:  # an integer beyond 64 bits
        return json.dumps(value, separators=(",", ":")).encode()


def _invalid_json(what: str) -> RequestRejected:
    return RequestRejected(f"Invalid body: {what}.", code="invalid_json")


def _without_lone_surrogates(raw: bytes) -> bytes:
    """Replace each escape that is half a surrogate pair; an escaped backslash is respelt first, lest it start one."""
    return _LONE_SURROGATE.sub(rb"\\ufffd", raw.replace(rb"\\", rb"\u005c"))


def _reloaded(raw: bytes, first: orjson.JSONDecodeError) -> Any:
    """Decode *raw*, which has no lone surrogates any more; if it still fails, tell where the *first* try did."""
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        where = f"line {first.lineno} column {first.colno}"
        raise _invalid_json(f"expected JSON in UTF-8, got something else at {where}") from None


def _may_be_deep(raw: bytes) -> bool:
    """Whether there are brackets enough; taken as so of a long body, where counting costs more than measuring."""
    return len(raw) > _LONG_BODY_BYTES or len(raw.translate(None, _ALL_BUT_OPENING)) > MAX_DEPTH


def _is_deep(value: Any) -> bool:
    """Whether *value* nests too deep: put into a wrapping, it is past what orjson writes (much faster than a walk)."""
    for _ in range(_ORJSON_WRITE_DEPTH - MAX_DEPTH):
        value = [value]
    try:
        orjson.dumps(value)
    except orjson.JSONEncodeError:
        return True
    return False


def _may_hold_long_integers(raw: bytes) -> bool:
    """Whether 19 digits stand together, as in any integer beyond 64 bits; orjson turns those into floats.

    Among 19 bytes there are three of every sixth byte, so most bodies are cleared by looking at those alone.
    """
    return b"000" in raw[::6].translate(_DIGITS_AS_ZERO) and b"0" * 19 in raw.translate(_DIGITS_AS_ZERO)


def _integer(digits: str) -> int:
    if len(digits.lstrip("-")) > MAX_INTEGER_DIGITS:
        raise _invalid_json(f"expected integers of at most {MAX_INTEGER_DIGITS} digits, got a longer one")
    return int(digits)
