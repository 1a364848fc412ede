"""What an upstream does with a call, byte by byte; `proxy.testing.raw_server` does it.

    (sse(), says("Hel"), Sleep(0.1), Reset())

A script is a tuple of actions for one call.  One that is over closes its connection, unless its last action was
`Stall`, `Reset` or `KeepAlive`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from itertools import pairwise
from typing import Any, TypeAlias

# --- actions


@dataclass(frozen=True, slots=True)
class Send:
    """These bytes, as they are; *cuts* are the offsets at which they are divided into separate writes."""

    data: bytes
    cuts: tuple[int, ...] = ()

    @property
    def pieces(self) -> list[bytes]:
        """One for each write."""
        return [self.data[start:end] for start, end in pairwise((0, *self.cuts, len(self.data)))]


@dataclass(frozen=True, slots=True)
class Repeat:
    """The same every *gap_s* seconds, without end."""

    what: Send
    gap_s: float


@dataclass(frozen=True, slots=True)
class Sleep:
    """Silence, for a time."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Stall:
    """Silence without end; the connection stays open."""


@dataclass(frozen=True, slots=True)
class Reset:
    """The connection breaks off: RST."""


@dataclass(frozen=True, slots=True)
class KeepAlive:
    """The answer is over; the connection waits for another request."""


Action: TypeAlias = Send | Repeat | Sleep | Stall | Reset | KeepAlive
Script: TypeAlias = tuple[Action, ...]

# --- what is sent most


def head(status: int, headers: Mapping[str, str], *, reason: str | None = None) -> Send:
    """The head of a response; `Connection: close` unless *headers* say otherwise."""
    phrase = HTTPStatus(status).phrase if reason is None and status in set(HTTPStatus) else reason or "Made Up"
    fields = {"Connection": "close", **headers}
    lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    return Send("\r\n".join(lines).encode("latin-1"))


def response(status: int, body: Any, content_type: str = "application/json", **headers: str) -> Send:
    """A whole response: bytes as they are, anything else as JSON; `retry_after` stands for `retry-after`."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Send(head(status, {"Content-Type": content_type, "Content-Length": str(len(raw)), **named}).data + raw)


def error(status: int, code: str | None = None, message: str = "made up by a test", **headers: str) -> Send:
    """An error as OpenAI tells it."""
    told = {"message": message, "type": "made_up", "param": None, "code": code}
    return response(status, {"error": told}, **headers)


def sse() -> Send:
    """The head of a stream, whose body ends with the connection."""
    return head(200, {"Content-Type": "text/event-stream"})


def event(data: str) -> Send:
    """One event of a stream."""
    return Send(f"data: {data}\n\n".encode())


def chunk(delta: Mapping[str, Any], finish_reason: str | None = None, *, choice: int = 0) -> Send:
    """One chunk of a completion."""
    told = {"index": choice, "delta": delta, "finish_reason": finish_reason}
    return event(json.dumps({**IDS, "choices": [told]}))


def says(text: str) -> Send:
    """A piece of text."""
    return chunk({"content": text})


def begins_call(name: str, arguments: str = "", *, index: int = 0) -> Send:
    """A tool call, with the beginning of its arguments."""
    function = {"name": name, "arguments": arguments}
    return chunk({"tool_calls": [{"index": index, "id": f"call_{index}", "type": "function", "function": function}]})


def goes_on_call(arguments: str, *, index: int = 0) -> Send:
    """More of the arguments of a tool call."""
    return chunk({"tool_calls": [{"index": index, "function": {"arguments": arguments}}]})


def finishes(reason: str = "stop") -> Send:
    """A finish reason."""
    return chunk({}, reason)


def counts(prompt_tokens: int, completion_tokens: int) -> Send:
    """The token counts, as they come in a stream: with no choice."""
    total = prompt_tokens + completion_tokens
    usage = {"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens, "total_tokens": total}
    return event(json.dumps({**IDS, "choices": [], "usage": usage}))


IDS = {"id": "chatcmpl-scripted", "object": "chat.completion.chunk", "created": 1, "model": "scripted"}
ROLE = chunk({"role": "assistant", "content": ""})
PING = Send(b": ping\n\n")
DONE = event("[DONE]")


def answers(text: str = "Hello.") -> Script:
    """A whole answer, with nothing wrong about it."""
    return (sse(), ROLE, says(text), finishes(), counts(3, 2), DONE)
