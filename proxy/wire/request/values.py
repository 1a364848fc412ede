"""Checks of single values: each takes the path and the value, gives what is kept of it, and raises `RequestRejected`.

A boolean is never a number; a float without a fraction is an integer.
"""

import re
from collections.abc import Callable
from typing import Any, TypeAlias

from proxy.wire.request.body import JsonObject
from proxy.wire.request.say import missing, rejected, wrong_type, wrong_value

Check: TypeAlias = Callable[[str, Any], Any]

ID_PATTERN = re.compile(r"[A-Za-z0-9._:-]{1,128}")
ID_RULE = "1 to 128 of the characters A-Z a-z 0-9 . _ : -"


def boolean(path: str, value: Any) -> bool:
    """True or false; never a number or a word for it."""
    if type(value) is not bool:
        raise wrong_type(path, "a boolean", value)
    return value


def json_object(path: str, value: Any) -> JsonObject:
    """An object with whatever members."""
    if type(value) is not dict:
        raise wrong_type(path, "an object", value)
    return value


def object_in(parent_path: str, parent: JsonObject, key: str) -> JsonObject:
    """The required member *key* of *parent*, an object."""
    value = parent.get(key)
    if value is None:
        raise missing(f"{parent_path}.{key}", "an object")
    return json_object(f"{parent_path}.{key}", value)


def string_in(parent_path: str, parent: JsonObject, key: str, *, may_be_empty: bool = False) -> str:
    """The required member *key* of *parent*, a string; an empty one counts as absent unless it *may_be_empty*."""
    value = parent.get(key)
    if type(value) is str and (value or may_be_empty):
        return value
    path, expected = f"{parent_path}.{key}", "a string" if may_be_empty else "a non-empty string"
    if value is None or value == "":
        raise missing(path, expected)
    raise wrong_type(path, expected, value)


def word_in(parent_path: str, parent: JsonObject, key: str, words: tuple[str, ...]) -> str:
    """The required member *key* of *parent*, one of at least two *words*."""
    value = parent.get(key)
    if type(value) is str and value in words:
        return value
    path, expected = f"{parent_path}.{key}", " or ".join((", ".join(map(repr, words[:-1])), repr(words[-1])))
    if value is None:
        raise missing(path, expected)
    if type(value) is not str:
        raise wrong_type(path, expected, value)
    raise wrong_value(path, expected, value)


def string(max_chars: int | None = None) -> Check:
    """A check for a string of at most *max_chars* characters."""
    expected = "a string" if max_chars is None else f"a string of at most {max_chars} characters"

    def check(path: str, value: Any) -> str:
        if type(value) is not str:
            raise wrong_type(path, expected, value)
        if max_chars is not None and len(value) > max_chars:
            raise rejected(path, expected, f"one of {len(value)}", "string_above_max_length")
        return value

    return check


def strings(path: str, value: Any) -> list[str]:
    """An array of strings."""
    if type(value) is not list:
        raise wrong_type(path, "an array of strings", value)
    for index, item in enumerate(value):
        if type(item) is not str:
            raise wrong_type(f"{path}[{index}]", "a string", item)
    return value


def identifier(path: str, value: Any) -> str:
    """An id that may travel in headers and keys; what came is not shown, since ids can be secrets."""
    if type(value) is not str:
        raise wrong_type(path, f"a string of {ID_RULE}", value)
    if not ID_PATTERN.fullmatch(value):
        raise rejected(path, ID_RULE, "something else", "invalid_value")
    return value


def integer(
    low: int,
    high: int | None = None,
    *,
    below: str = "integer_below_min_value",
    above: str = "integer_above_max_value",
) -> Check:
    """A check for an integer from *low* to *high*; *below* and *above* are the codes for one outside."""
    expected = f"an integer of at least {low}" if high is None else f"an integer from {low} to {high}"

    def check(path: str, value: Any) -> int:
        if type(value) is float:
            if not value.is_integer():
                raise wrong_value(path, expected, value, "invalid_type")
            value = int(value)
        if type(value) is not int:
            raise wrong_type(path, expected, value)
        if value < low:
            raise wrong_value(path, expected, value, below)
        if high is not None and value > high:
            raise wrong_value(path, expected, value, above)
        return value

    return check


def number(
    low: int, high: int, *, below: str = "decimal_below_min_value", above: str = "decimal_above_max_value"
) -> Check:
    """A check for a number from *low* to *high*; *below* and *above* are the codes for one outside."""
    expected = f"a number from {low} to {high}"

    def check(path: str, value: Any) -> float:
        if type(value) is not float and type(value) is not int:
            raise wrong_type(path, expected, value)
        if value < low:
            raise wrong_value(path, expected, value, below)
        if value > high:
            raise wrong_value(path, expected, value, above)
        return value

    return check
