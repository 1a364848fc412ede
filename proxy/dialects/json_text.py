"""JSON texts: values to text and back, and the parts of an object or array as they are written."""

import json
import re
from collections.abc import Iterable
from typing import Any

import orjson

_SPACES = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str)  # of numbers only the end matters: no digit is computed


def dump(value: Any) -> str:
    """*value* as compact JSON, non-ASCII unescaped; a lone surrogate becomes U+FFFD, since no wire takes one."""
    try:
        return orjson.dumps(value).decode()
    except (TypeError, orjson.JSONEncodeError):
        return orjson.dumps(_clean(value)).decode()


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_clean(key): _clean(each) for key, each in value.items()}
    return [_clean(each) for each in value] if isinstance(value, list) else value


def load(text: str) -> Any:
    """The value of a strict JSON text.  Raises ValueError for anything else, nesting that is too deep included."""
    try:
        return orjson.loads(text)
    except UnicodeEncodeError as error:  # a lone surrogate
        raise ValueError from error


def members_of(text: str) -> list[tuple[str, str]]:
    """The members of the JSON object that *text* is, in order, each value as it is written.

    Raises ValueError for anything else.
    """
    if not isinstance(load(text), dict):
        raise ValueError  # noqa: TRY004 - one error for all that is no JSON object
    members = []
    at = _after_space(text, _after_space(text, 0) + 1)
    try:
        while text[at] != "}":
            key, at = _DECODER.raw_decode(text, at)
            start = _after_space(text, _after_space(text, at) + 1)
            _value, end = _DECODER.raw_decode(text, start)
            members.append((key, text[start:end]))
            at = _after_space(text, end)
            if text[at] == ",":
                at = _after_space(text, at + 1)
    except RecursionError as error:
        raise ValueError from error
    return members


def items_of(text: str) -> list[str]:
    """The items of the JSON array that *text* is, each as it is written.  Raises ValueError for anything else."""
    if not isinstance(load(text), list):
        raise ValueError  # noqa: TRY004 - one error for all that is no JSON array
    items = []
    at = _after_space(text, _after_space(text, 0) + 1)
    try:
        while text[at] != "]":
            _value, end = _DECODER.raw_decode(text, at)
            items.append(text[at:end])
            at = _after_space(text, end)
            if text[at] == ",":
                at = _after_space(text, at + 1)
    except RecursionError as error:
        raise ValueError from error
    return items


def _after_space(text: str, at: int) -> int:
    found = _SPACES.match(text, at)
    return found.end() if found else at


def object_of(members: Iterable[tuple[str, str]]) -> str:
    """The JSON object with these members, whose values are JSON already."""
    return "{" + ",".join(f"{dump(name)}:{value}" for name, value in members) + "}"
