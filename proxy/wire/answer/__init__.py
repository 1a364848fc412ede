"""The answer side of the wire: events in, bytes and headers out; no clock, no socket.

`Answer` folds the events of an answer; `frames_for` and `body_of` write it, as a stream or whole, in the shape of its
`Surface`.  Both ways say the same for the same events.
"""

from proxy.wire.answer.body import chat_body
from proxy.wire.answer.completions import CompletionFrames, completion_body
from proxy.wire.answer.failure import error_body, error_frame
from proxy.wire.answer.fold import Answer, FoldedCall, FoldedChoice
from proxy.wire.answer.frames import ChatFrames
from proxy.wire.answer.head import AnswerHead
from proxy.wire.answer.headers import (
    RateLimit,
    common_headers,
    error_headers,
    json_headers,
    rate_limit_headers,
    sse_headers,
)
from proxy.wire.answer.sse_out import DONE, PING
from proxy.wire.answer.surfaces import FrameRenderer, Surface, answer_id, body_of, frames_for
from proxy.wire.answer.usage import estimate_tokens, estimate_usage

__all__ = [
    "DONE",
    "PING",
    "Answer",
    "AnswerHead",
    "ChatFrames",
    "CompletionFrames",
    "FoldedCall",
    "FoldedChoice",
    "FrameRenderer",
    "RateLimit",
    "Surface",
    "answer_id",
    "body_of",
    "chat_body",
    "common_headers",
    "completion_body",
    "error_body",
    "error_frame",
    "error_headers",
    "estimate_tokens",
    "estimate_usage",
    "frames_for",
    "json_headers",
    "rate_limit_headers",
    "sse_headers",
]
