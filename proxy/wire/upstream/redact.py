"""Upstream words made fit to be told: addresses, keys and cookies are replaced, the rest is bounded."""

import re

MAX_CHARS = 500

_MAX_SEARCHED_CHARS = 8 * MAX_CHARS  # what lies beyond can't be told anyway

_SECRETS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\b[a-z][a-z0-9+.-]{0,20}://[^\s\"'<>)\]}]*", re.IGNORECASE), "[url]"),
    (re.compile(r"\b(?:set-)?cookie2?\b[\"']?\s*[:=][^\n]*", re.IGNORECASE), "[cookie]"),
    (re.compile(r"\b(?:bearer|basic)\s+[\w.~+/=*-]{6,}", re.IGNORECASE), "[key]"),
    (
        re.compile(
            r"\b(?:api[-_ ]?key|x-api-key|access[-_ ]?token|token|secret|password|authorization)\b"
            r"(?:[\"']?\s*[:=]\s*[\"']?|\s+provided:?\s+[\"']?)[^\s\"',;]+",
            re.IGNORECASE,
        ),
        "[key]",
    ),
    (re.compile(r"\b(?:sk|pk|rk|ak|gsk|xai|hf|ghp|key|nvapi|AIza)[-_]?[\w*.-]*[\w*]{8,}"), "[key]"),
    (re.compile(r"\beyJ[\w-]{8,}(?:\.[\w-]*){0,2}"), "[key]"),  # a JSON web token
    (re.compile(r"\b(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[\w-]{40,}"), "[key]"),  # long, and no word of any language
    (re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?\b"), "[address]"),
    (re.compile(r"\[?\b(?:[0-9a-f]{0,4}:){4,7}[0-9a-f]{0,4}\b\]?(?::\d{1,5})?", re.IGNORECASE), "[address]"),
    (re.compile(r"\b(?:localhost|[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,}):\d{1,5}\b", re.IGNORECASE), "[address]"),
    (
        re.compile(r"\b[a-z0-9-]+(?:\.[a-z0-9-]+)*\.(?:internal|local|lan|svc|corp|intranet)\b", re.IGNORECASE),
        "[address]",
    ),
)
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")


def redact(text: str) -> str:
    """Give *text* without URLs, addresses, keys and cookies, on one line, of at most `MAX_CHARS` characters."""
    text = text[:_MAX_SEARCHED_CHARS]
    for pattern, name in _SECRETS:
        text = pattern.sub(name, text)
    text = _UNPRINTABLE.sub(" ", text).strip()
    return text if len(text) <= MAX_CHARS else text[: MAX_CHARS - 1] + "…"
