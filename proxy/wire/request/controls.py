"""The headers by which a caller may say how its answer is told."""

from dataclasses import dataclass
from typing import Literal

from multidict import MultiMapping

from proxy.errors import RequestRejected

MAX_CALLS = 128  # official clients refuse a call index above 127
_FLAGS = {"1": True, "true": True, "0": False, "false": False}


@dataclass(frozen=True, slots=True)
class ControlHeaders:
    """What was asked for; None where nothing was."""

    stop_after_tools: Literal["off", "first", "burst"] | None = None
    suppress_tail: bool | None = None
    tool_block_max: int | None = None
    keepalive: bool = True


def control_headers(headers: MultiMapping[str]) -> ControlHeaders:
    """Read `x-stop-after-tools`, `x-suppress-tail`, `x-tool-block-max` and `x-no-keepalive`.

    Raises `RequestRejected` for another value than they know, or one that is sent twice.
    """
    return ControlHeaders(
        stop_after_tools=_stop_after_tools(headers),
        suppress_tail=_flag(headers, "x-suppress-tail"),
        tool_block_max=_count(headers, "x-tool-block-max"),
        keepalive=not _flag(headers, "x-no-keepalive"),
    )


def _stop_after_tools(headers: MultiMapping[str]) -> Literal["off", "first", "burst"] | None:
    match headers.getall("x-stop-after-tools", ()):
        case []:
            return None
        case ["off" | "first" | "burst" as asked]:
            return asked
    raise _rejected("x-stop-after-tools", "'off', 'first' or 'burst', once")


def _flag(headers: MultiMapping[str], name: str) -> bool | None:
    values = headers.getall(name, ())
    if not values:
        return None
    if len(values) > 1 or values[0].lower() not in _FLAGS:
        raise _rejected(name, "'1', '0', 'true' or 'false', once")
    return _FLAGS[values[0].lower()]


def _count(headers: MultiMapping[str], name: str) -> int | None:
    values = headers.getall(name, ())
    if not values:
        return None
    text = values[0]
    if len(values) > 1 or not (text.isascii() and text.isdigit() and len(text) <= 3 and int(text) <= MAX_CALLS):
        raise _rejected(name, f"a number from 0 to {MAX_CALLS}, once")
    return int(text)


def _rejected(name: str, expected: str) -> RequestRejected:
    return RequestRejected(f"Invalid '{name}': expected {expected}, got something else.", param=name)
