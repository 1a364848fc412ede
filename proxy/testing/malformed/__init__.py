"""Request bodies that must be refused, with status, code and param of the refusal: a table to post over a socket.

They are made from the rules of the Chat Completions wire, not from the code that checks them: a valid body is taken,
and one thing in it broken.  `MALFORMED` holds for every kind of upstream, `MALFORMED_ELSEWHERE` for kinds other than
`openai` whose model takes text only.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from proxy.testing.malformed.bodies import Json, plain_body, rich_body
from proxy.testing.malformed.not_json import NOT_A_VALUE, NOT_JSON
from proxy.testing.malformed.rules import ABSENT, ELSEWHERE, RULES, Row
from proxy.testing.malformed.types import TYPED, WRONG

__all__ = [
    "MALFORMED",
    "MALFORMED_ELSEWHERE",
    "Malformed",
    "malformed_bodies",
    "malformed_elsewhere",
    "plain_body",
    "rich_body",
]

_LONGEST_ID = 160


@dataclass(frozen=True, slots=True)
class Malformed:
    """One refused body: *raw* is what is sent, the rest what the error must say."""

    id: str
    raw: bytes
    status: int
    code: str
    param: str | None


def malformed_bodies(model: str = "scripted") -> list[Malformed]:
    """Every refused body, for a request to *model*, whatever the kind of its upstream."""
    return [*_not_json(model), *_not_objects(), *_broken(_typed_rows(), model), *_broken(RULES, model)]


def malformed_elsewhere(model: str = "scripted") -> list[Malformed]:
    """The bodies that kinds other than `openai` refuse besides, for a request to a *model* that takes text only."""
    return list(_broken(ELSEWHERE, model))


def _typed_rows() -> tuple[Row, ...]:
    return tuple(Row(path, value, "invalid_type") for path, expected in TYPED for value in WRONG[expected])


def _broken(rows: tuple[Row, ...], model: str) -> Iterator[Malformed]:
    """Break the rich body by each row; and the plain one, where the row is about a top-level member's type alone."""
    for row in rows:
        yield _break("rich", rich_body(model), row)
        if row.code == "invalid_type" and row.param is None and row.path.isidentifier():
            yield _break("plain", plain_body(model), row)


def _break(name: str, body: Json, row: Row) -> Malformed:
    *parents, last = re.findall(r"[^.\[\]]+", row.path)
    node: Any = body
    for step in parents:
        node = node[_key(node, step)]
    if row.value is ABSENT:
        del node[last]
        told = "absent"
    else:
        node[_key(node, last)] = row.value
        told = json.dumps(row.value)
        if len(told) > _LONGEST_ID:
            told = f"{told[:20]}…{told[-40:]}"
    raw = json.dumps(body).encode()
    return Malformed(f"{name} {row.path}: {told}", raw, 400, row.code, row.param or row.path)


def _key(node: Any, step: str) -> str | int:
    return int(step) if type(node) is list else step


def _not_objects() -> Iterator[Malformed]:
    for text in ("[]", "[{}]", '"x"', "1", "1.5", "true", "false", "null", " []\n", "\ufeff[]"):
        yield Malformed(f"not an object: {text!a}", text.encode(), 400, "invalid_type", None)


def _not_json(model: str) -> Iterator[Malformed]:
    """Bytes that are no JSON at all, and JSON with something in it that could hurt."""
    whole = json.dumps(rich_body(model)).encode()
    start = json.dumps(plain_body(model)).encode()[:-1]
    cases = {f"cut after {end} bytes": whole[:end] for end in range(0, len(whole), len(whole) // 64)}
    cases |= {f"not JSON: {text!r}": text for text in NOT_JSON}
    cases |= {
        f"a member that is not JSON: {text[:24]!r} of {len(text)}": start + b',"x":' + text + b"}"
        for text in NOT_A_VALUE
    }
    cases |= {
        f"whole, then {text!r}": whole + text for text in (b"{}", b",", b"}", b"x", b"\0", b"\xef\xbb\xbf", b" null")
    }
    for encoding in ("utf-16", "utf-16-le", "utf-32"):
        cases[f"in {encoding}"] = '{"model":"é+"}'.encode(encoding)
    for label, raw in cases.items():
        yield Malformed(label, raw, 400, "invalid_json", None)


MALFORMED: list[Malformed] = malformed_bodies()
MALFORMED_ELSEWHERE: list[Malformed] = malformed_elsewhere()
