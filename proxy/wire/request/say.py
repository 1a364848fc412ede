"""How a rejection is worded: one sentence with the path, what was expected and what came, and never the caller's text.

Of what came the JSON type is told, and the value only where it is a number or a word from a closed set.
"""

from typing import Any

from proxy.errors import RequestRejected

_SHOWN_CHARS = 64
_JSON_TYPES = {
    type(None): "null",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    str: "a string",
    list: "an array",
    dict: "an object",
}


def rejected(path: str, expected: str, got: str, code: str) -> RequestRejected:
    """The field at *path* breaks a rule."""
    return RequestRejected(f"Invalid '{path}': expected {expected}, got {got}.", code=code, param=path)


def missing(path: str, expected: str) -> RequestRejected:
    """A required field is absent, null or, where something must be said, empty."""
    return rejected(path, expected, "nothing", "missing_required_parameter")


def wrong_type(path: str, expected: str, value: Any) -> RequestRejected:
    """The field has another JSON type."""
    return rejected(path, expected, json_type(value), "invalid_type")


def wrong_value(path: str, expected: str, value: Any, code: str = "invalid_value") -> RequestRejected:
    """A number or a word from a closed set is another than allowed; *value* is shown."""
    return rejected(path, expected, shown(value), code)


def json_type(value: Any) -> str:
    """The JSON type of *value*, with its article."""
    return _JSON_TYPES[type(value)]


def shown(value: Any) -> str:
    """A number as it is, a string in quotes, both at most 64 characters; of anything else the JSON type."""
    if type(value) is str:
        return f"'{printable(value)}'"
    if type(value) is int or type(value) is float:
        return printable(str(value))
    return json_type(value)


def printable(text: str) -> str:
    """*text* in at most 64 characters, those that do not print (control, direction, surrogate) escaped."""
    escaped = "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text[: _SHOWN_CHARS + 1])
    return escaped if len(escaped) <= _SHOWN_CHARS else escaped[: _SHOWN_CHARS - 1] + "…"
