"""JSON as it leaves: one line of compact UTF-8 that no client's line splitting can break."""

import json
import math
import re
from typing import Any

import orjson

SURROGATES = re.compile("[\ud800-\udfff]")
REPLACEMENT = "\ufffd"


def dump(value: Any) -> bytes:
    r"""*value* as JSON.  U+0085, U+2028 and U+2029 as \u escapes, since clients split lines on them.

    Lone surrogates become U+FFFD one by one, so that text may be cut anywhere and joined again.  What the fast encoder
    refuses, integers beyond 64 bits above all, goes by the standard library's.
    """
    try:
        raw = orjson.dumps(value)
    except TypeError:
        raw = json.dumps(_encodable(value), ensure_ascii=False, separators=(",", ":")).encode()
    return raw if raw.isascii() else _escaped(raw)


def splice(members: dict[str, Any]) -> bytes:
    """The members of an object, each led by a comma, to be put after other members; nothing for none."""
    return b"," + dump(members)[1:-1] if members else b""


def _escaped(raw: bytes) -> bytes:
    if b"\xe2\x80" in raw:
        raw = raw.replace(b"\xe2\x80\xa8", b"\\u2028").replace(b"\xe2\x80\xa9", b"\\u2029")
    return raw.replace(b"\xc2\x85", b"\\u0085")


def _encodable(value: Any) -> Any:
    if isinstance(value, str):
        return SURROGATES.sub(REPLACEMENT, value)
    if isinstance(value, dict):
        return {_encodable(key): _encodable(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_encodable(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
