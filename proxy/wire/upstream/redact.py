"""Upstream words made fit to be told: addresses, keys and cookies are replaced, the rest is bounded."""

import re
from collections.abc import Callable
from typing import TypeAlias

MAX_CHARS = 500

_MAX_SEARCHED_CHARS = 4 * MAX_CHARS  # what lies beyond can't be told anyway

_Match: TypeAlias = re.Match[str]


def _opaque(found: _Match) -> str:
    """Replace a long word of letters and digits: it is of no language."""
    word = found[0]
    is_opaque = any(char.isdigit() for char in word) and any(char.isalpha() for char in word)
    return "[key]" if is_opaque else word


def _host_and_port(found: _Match) -> str:
    """Replace `name:port` where the name is one of a host, and not the path of a field with a line number."""
    name = found["name"]
    is_host = name.lower() == "localhost" or ("." in name and name.rpartition(".")[2].isalpha())
    return "[address]" if is_host else found[0]


_NAMES_OF_KEYS = (
    r"\b[\w-]{0,32}?(?:api[-_ ]?key|token|secret|password|passwd|authorization|(?:session|exchange)[-_ ]?id)\b"
)

# Every pattern begins where a word does and looks ahead a bounded way, so that no text takes more than linear time.
_SECRETS: tuple[tuple[re.Pattern[str], str | Callable[[_Match], str]], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), replacement)
    for pattern, replacement in (
        (r"\b[a-z][a-z0-9+.-]{0,20}://[^\s\"'<>)\]}]*", "[url]"),
        (r"\b(?:set-)?cookie2?\b[\"']?\s*[:=][^\n]*", "[cookie]"),
        (r"\b(?:bearer|basic)\s+[\w.~+/=*-]{6,}", "[key]"),
        (rf"{_NAMES_OF_KEYS}(?:[\"']?\s*[:=]\s*[\"']?|\s+provided:?\s+[\"']?)[^\s\"',;]+", "[key]"),
        (r"\b(?:(?:sk|pk|rk|ak|gsk|xai|hf|ghp|nvapi)[-_]|AIza)[\w*.-]{8,}", "[key]"),
        (r"\beyJ[\w-]{8,}(?:\.[\w-]*){0,2}", "[key]"),  # a JSON web token
        (r"\b[\w-]{40,}", _opaque),
        (r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?\b", "[address]"),
        (r"\[?\b(?:[0-9a-f]{0,4}:){4,7}[0-9a-f]{0,4}\b\]?(?::\d{1,5})?", "[address]"),
        (r"(?<![\w.-])(?P<name>[a-z0-9.-]{1,253}):\d{1,5}\b", _host_and_port),
        (r"(?<![\w.-])[a-z0-9.-]{1,240}\.(?:internal|local|lan|svc|corp|intranet)\b", "[address]"),
    )
)
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")


def redact(text: str) -> str:
    """Give *text* without URLs, addresses, keys and cookies, on one line, of at most `MAX_CHARS` characters."""
    text = text[:_MAX_SEARCHED_CHARS]
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    text = _UNPRINTABLE.sub(" ", text).strip()
    return text if len(text) <= MAX_CHARS else text[: MAX_CHARS - 1] + "…"
