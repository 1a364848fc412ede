"""Error bodies: the many shapes in which servers tell what went wrong, read into one."""

import re
from typing import Any, NamedTuple

from proxy.wire.upstream.json_text import decode_object

_IDENTIFIER = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9_.-]{1,64}")
_PATH = re.compile(r"[A-Za-z0-9_.\[\]$-]{1,128}")
_STATUS = re.compile(r"[45]\d\d")


class ErrorReport(NamedTuple):
    """What an upstream says went wrong, unredacted.

    *code*, *param*: only if they are safe to tell.  *words*: all that may name the class of the error, in lower case.
    *status*: an HTTP status from 400 to 599, if the report names one.
    """

    message: str = ""
    code: str | None = None
    param: str | None = None
    words: frozenset[str] = frozenset()
    status: int | None = None


def read_report(body: bytes) -> ErrorReport:
    """Read the body of an error answer: JSON of any known shape, else the text that it is, unless it is a page."""
    value = decode_object(body)
    if value is None and body.lstrip().startswith(b"["):
        value = decode_object(b'{"errors":%b}' % body)
    if value is not None:
        return report_of(value)
    return ErrorReport() if body.lstrip().startswith(b"<") else ErrorReport(body.decode("utf-8", "replace"))


def report_of(told: dict[str, Any]) -> ErrorReport:
    """Read a decoded error: the OpenAI envelope, its content without the envelope, or what frameworks write.

    Shapes: `{"error": {"message", "type", "code", "param", …}}`, `{"error": "text", …}`, `{"errors": […]}`,
    `{"message", "type", "code", …}`, `{"detail": "text"}`, `{"detail": [{"loc": […], "msg": "text"}]}`.
    """
    errors = told.get("errors")
    outer = errors[0] if type(errors) is list and errors and type(errors[0]) is dict else told
    error = outer.get("error")
    inner = error if type(error) is dict else {"message": error} if type(error) is str else {}
    layers = (inner, outer)
    detail = next((item for item in _list_of(outer.get("detail")) if type(item) is dict), {})
    deeper = inner.get("innererror") or inner.get("inner_error")
    names = [layer.get(name) for layer in layers for name in ("code", "type")]
    names.append(deeper.get("code") if type(deeper) is dict else None)
    param = _first_text(layers, "param") or _path_of(detail.get("loc"))
    code = _first_text(layers, "code")
    return ErrorReport(
        _first_text((*layers, detail), "message", "msg", "detail"),
        code if _IDENTIFIER.fullmatch(code) else None,
        param if _PATH.fullmatch(param) else None,
        frozenset(name.lower() for name in names if type(name) is str),
        _status_of(layers),
    )


def _first_text(layers: tuple[dict[str, Any], ...], *names: str) -> str:
    found = (layer.get(name) for layer in layers for name in names)
    return next((text for text in found if type(text) is str and text), "")


def _status_of(layers: tuple[dict[str, Any], ...]) -> int | None:
    values = (layer.get(name) for layer in layers for name in ("status", "http_status", "code"))
    numbers = (str(value) for value in values if type(value) in (int, str))
    return next((int(number) for number in numbers if _STATUS.fullmatch(number)), None)


def _list_of(value: Any) -> list[Any]:
    return value if type(value) is list else []


def _path_of(loc: Any) -> str:
    """Join the path of a field, as validators write it: `["body", "messages", 0]` is `messages[0]`."""
    path = ""
    for step in _list_of(loc):
        if type(step) is int:
            path += f"[{step}]"
        elif type(step) is str and not (step == "body" and not path):
            path += f".{step}" if path else step
    return path
