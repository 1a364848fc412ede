"""Streams and bodies as the site sends them, and how a test reads them."""

import json

from proxy.wire.events import Opened, TextDelta
from proxy.wire.mix import Ids, MixReader, Told, read_whole

PLAIN = Told()
DONE = b"data: [DONE]\n\n"


def line(told, name=""):
    return (f"event: {name}\n" if name else "").encode() + b"data: " + json.dumps(told).encode() + b"\n\n"


def delta(text):
    return {"type": "text-delta", "delta": text}


START = {"type": "start", "messageId": "exch-1", "messageMetadata": {"sessionId": "sess-1"}}
FINISH = {"type": "finish"}


def reader(told=PLAIN, **more):
    given = {"max_event_bytes": 4096, "make_call_id": lambda: "call_made", **more}
    return MixReader(told, **given)


def read(*events, end=True, piece=0, **more):
    """The events of a stream, its reader; *piece* cuts it."""
    made = reader(**more)
    raw = b"".join(each if isinstance(each, bytes) else line(each) for each in events)
    got = []
    for at in range(0, len(raw), piece or len(raw) or 1):
        got += made.feed(raw[at : at + (piece or len(raw))])
    if end:
        got += made.end()
    return [each for each in got if not isinstance(each, Opened)], made


def text_of(events):
    return "".join(each.text for each in events if isinstance(each, TextDelta))


def whole(body, told=PLAIN, ids=None, **more):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_whole(raw, told, ids or Ids(), make_call_id=lambda: "call_made", **more)
