"""What is wrong with a configuration, told in one plain line each: where, what was expected, what came.

A value is repeated only where it is a number, a switch or one of a fixed set of words: everything else may be a secret.
"""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any, TypeAlias

from pydantic import ValidationError
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

KeyPath: TypeAlias = tuple[int | str, ...]
"""Where in the configuration: `("upstreams", 0, "base_url")`."""

_PROBLEM = "problem"  # the error type of a line that is already plain
_MAX_SHOWN_CHARS = 64

_PLAIN = {
    "missing": "is required",
    "int_type": "expected a whole number, got {shown}",
    "int_parsing": "expected a whole number, got {shown}",
    "int_parsing_size": "expected a whole number, got {shown}",
    "int_from_float": "expected a whole number, got {shown}",
    "float_type": "expected a number, got {shown}",
    "float_parsing": "expected a number, got {shown}",
    "finite_number": "expected a finite number, got {shown}",
    "bool_type": "expected true or false, got {shown}",
    "bool_parsing": "expected true or false, got {shown}",
    "literal_error": "expected {expected}, got {shown}",
    "greater_than_equal": "must be at least {ge:g}, got {shown}",
    "less_than_equal": "must be at most {le:g}, got {shown}",
    "string_type": "expected a string, got {kind}",
    "tuple_type": "expected an array, got {kind}",
    "dict_type": "expected a table, got {kind}",
    "model_type": "expected a table, got {kind}",
    "string_too_long": "must be at most {max_length} characters long",
    "string_too_short": "must not be empty",
    "too_short": "must not be empty",
}
"""What is said of pydantic's errors, by their type."""

_TOML_KINDS = (
    (bool, "a boolean"),
    (int, "a whole number"),
    (float, "a number"),
    (str, "a string"),
    (list, "an array"),
    (dict, "a table"),
)


class ConfigError(Exception):
    """The configuration can't be used; *lines* say why, one fault each, fit to be shown to an operator."""

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = list(lines)


def problem(text: str) -> PydanticCustomError:
    """The error to raise in a validator: *text* becomes the line, the path is added on the way up."""
    return PydanticCustomError(_PROBLEM, "{text}", {"text": text})


def problems(title: str, found: Iterable[tuple[KeyPath, str]]) -> ValidationError:
    """Several problems at once, each with its path from here on."""
    return ValidationError.from_exception_data(
        title, [InitErrorDetails(type=problem(text), loc=path, input=None) for path, text in found]
    )


def dotted(path: KeyPath) -> str:
    """A path as an operator writes it: `upstreams[0].base_url`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{_one_line(part)}" for part in path).removeprefix(".")


def _one_line(key: str) -> str:
    return key if key and key.isprintable() else repr(key)


def nearest(wanted: str, known: Iterable[str], *, of: str = "known") -> str:
    """The end of a sentence about a name that nobody knows: the nearest one that is known, or else all of them."""
    names = list(known)
    close = get_close_matches(wanted, names, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"{of}: {', '.join(names) or 'none'}"


def explain(error: ErrorDetails) -> str:
    """One plain sentence for an error of pydantic."""
    sentence = _PLAIN.get(error["type"])
    if sentence is None:
        return error["msg"]
    given = error["input"]
    return sentence.format(**error.get("ctx", {}), shown=shown(given), kind=kind_of(given))


def shown(given: Any) -> str:
    """A harmless value in a line: short, and without control characters."""
    if isinstance(given, bool):
        return "true" if given else "false"
    if isinstance(given, str | int | float):
        text = repr(given)
        return text if len(text) <= _MAX_SHOWN_CHARS else f"{text[:_MAX_SHOWN_CHARS]}…"
    return kind_of(given)


def kind_of(given: Any) -> str:
    """What sort of value came, in the words of TOML."""
    return next((name for kind, name in _TOML_KINDS if isinstance(given, kind)), "something else")
