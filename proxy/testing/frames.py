"""Reading what a caller was told: the frames of a stream, their text, calls and error."""

import json
from dataclasses import dataclass
from typing import Any

Chunk = dict[str, Any]

DATA = "data: "
PING_LINE = ": ping"


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream, read strictly: *chunks* in order, the *error* that ended it, whether `[DONE]` did, and the pings."""

    chunks: tuple[Chunk, ...]
    error: Chunk | None
    done: bool
    pings: int


def read_stream(body: bytes) -> Stream:
    """Read a whole stream.  Raises ValueError for what none may hold: other lines, anything after its end."""
    chunks: list[Chunk] = []
    error: Chunk | None = None
    done = False
    lines = body.decode().split("\n")
    if lines.pop() != "":
        raise ValueError("the last line has no end")
    for line in lines:
        if line in ("", PING_LINE):
            continue
        if not line.startswith(DATA):
            raise ValueError(f"neither data nor a ping: {line[:80]!r}")
        if done or error is not None:
            raise ValueError("something follows the end")
        data = line.removeprefix(DATA)
        if data == "[DONE]":
            done = True
            continue
        value = json.loads(data)
        if "error" in value:
            error = value["error"]
        else:
            chunks.append(value)
    return Stream(tuple(chunks), error, done, lines.count(PING_LINE))


def chunks(body: bytes) -> tuple[Chunk, ...]:
    """The chunks of a stream."""
    return read_stream(body).chunks


def text_of_stream(body: bytes, choice: int = 0) -> str:
    """All text of a choice."""
    return "".join(delta.get("content") or "" for delta in deltas(body, choice))


def reasoning_of_stream(body: bytes, choice: int = 0) -> str:
    """All reasoning of a choice."""
    return "".join(delta.get("reasoning_content") or "" for delta in deltas(body, choice))


def deltas(body: bytes, choice: int = 0) -> list[Chunk]:
    """The deltas of a choice."""
    return [each["delta"] for chunk in chunks(body) for each in chunk["choices"] if each["index"] == choice]


def finish_of_stream(body: bytes, choice: int = 0) -> str | None:
    """The finish reason of a choice; None if it has none.  Raises ValueError if it has several."""
    told = [each["finish_reason"] for chunk in chunks(body) for each in chunk["choices"] if each["index"] == choice]
    reasons = [reason for reason in told if reason is not None]
    if len(reasons) > 1:
        raise ValueError("more than one finish reason")
    return reasons[0] if reasons else None


def calls_of_stream(body: bytes, choice: int = 0) -> list[tuple[str, str]]:
    """The tool calls of a choice, each as its name and the joined text of its arguments."""
    calls: list[list[str]] = []
    for delta in deltas(body, choice):
        for piece in delta.get("tool_calls") or ():
            if piece["index"] == len(calls):
                calls.append([piece["function"]["name"], ""])
            calls[piece["index"]][1] += piece["function"]["arguments"]
    return [(name, arguments) for name, arguments in calls]


def error_of(body: bytes) -> Chunk | None:
    """The error that a caller was told, in the stream or as an envelope; None if there is none."""
    if body.startswith(b"{"):
        told: Chunk | None = json.loads(body).get("error")
        return told
    return read_stream(body).error
