"""Streams of the site as bytes, and their reading, for the tests of the reader."""

import json
from typing import Any

from proxy.wire.events import Finished, Opened, ReasoningDelta, StreamEvent, TextDelta, Usage
from proxy.wire.qwen import QwenReader

CHAT = "c0ffee00-0000-4000-8000-000000000001"
CREATED = {"response.created": {"chat_id": CHAT, "parent_id": "asked", "response_id": "answered"}}
COUNTED = {
    "input_tokens": 21,
    "output_tokens": 2,
    "total_tokens": 23,
    "input_tokens_details": {"text_tokens": 21},
    "output_tokens_details": {"text_tokens": 2},
    "cached_tokens": 0,
    "characters": 0,
}
OPENED = Opened({"chat_id": CHAT, "parent_id": "asked", "response_id": "answered"})
USAGE = Usage(21, 2, 23, {"cached_tokens": 0}, None)


def delta(content: Any, phase: str | None = "answer", status: str = "typing", **more: Any) -> dict[str, Any]:
    told = {"role": "assistant", "content": content, "phase": phase, "status": status}
    return {"choices": [{"delta": told | more.pop("delta", {}), **more.pop("choice", {})}], **more}


FINISHED = delta("", status="finished")
THE_EXAMPLE = (
    CREATED,
    delta("They ask", "think", usage={**COUNTED, "output_tokens": 1}),
    delta("", "think", "finished"),
    delta("It is", usage={**COUNTED, "output_tokens": 1}),
    delta(" süß. 🌞", usage=COUNTED),
    delta(""),
    FINISHED,
)
ITS_EVENTS = [
    OPENED,
    ReasoningDelta("They ask"),
    TextDelta("It is"),
    TextDelta(" süß. 🌞"),
    USAGE,
    Finished("stop"),
]


def raw(*events: Any) -> bytes:
    lines = (each if isinstance(each, str) else json.dumps(each, ensure_ascii=False) for each in events)
    return "".join(f"data: {line}\n\n" for line in lines).encode()


def reader(**options: Any) -> QwenReader:
    return QwenReader(CHAT, **{"max_event_bytes": 65_536, **options})


def read(*pieces: bytes, end: bool = True, **options: Any) -> tuple[list[StreamEvent], QwenReader]:
    made = reader(**options)
    events: list[StreamEvent] = []
    for piece in pieces:
        events += made.feed(piece)
    if end:
        events += made.end()
    return events, made
