"""Answers of the site in one piece.

    {"success":true,"data":{"chat_id":"","parent_id":"…","message_id":"…","choices":[{"message":{"content":"…"}}]}}

What is called `message_id` here is the `response_id` of streams.
"""

from typing import Any, NamedTuple

from proxy.errors import UpstreamEmptyAnswer, UpstreamFailed, UpstreamProtocolError
from proxy.wire.events import Finished, StreamEvent, TextDelta
from proxy.wire.finish import FAILED, UNKNOWN_MEANS, names_no_finish, read_finish
from proxy.wire.qwen.faults import Clean, fault_told, tells_fault
from proxy.wire.qwen.reader import AnswerIds, answer_ids, opened, usage_of
from proxy.wire.upstream.json_text import decode_object
from proxy.wire.upstream.text import read_text


class Whole(NamedTuple):
    """Everything that a body tells; *kept*: the site keeps the answer as one that can be continued."""

    events: list[StreamEvent]
    ids: AnswerIds
    kept: bool


def read_whole(body: bytes, chat_id: str, *, accepts_empty: bool, clean: Clean) -> Whole:
    """Read the body of an answer in the chat *chat_id*; raises the typed errors of the upstream."""
    told = decode_object(body)
    if told is None:
        raise UpstreamProtocolError(detail="the answer is not the JSON object that it begins as")
    if tells_fault(told):
        raise fault_told(told, clean=clean)
    data = told.get("data")
    choices = data.get("choices") if type(data) is dict else None
    if type(data) is not dict or type(choices) is not list or not choices or type(choices[0]) is not dict:
        raise UpstreamProtocolError(detail="an answer without choices")
    if data.get("chat_id") not in ("", None, chat_id):
        raise UpstreamProtocolError(detail="an answer of another chat")
    message = choices[0].get("message")
    text = read_text(message.get("content") if type(message) is dict else None, "message.content").text
    if not text and not accepts_empty:
        raise UpstreamEmptyAnswer
    ids = answer_ids(data, "message_id")
    reason = _reason(choices[0].get("finish_reason"))
    usage = usage_of(data.get("usage") or told.get("usage"))
    events: list[StreamEvent] = [opened(chat_id, ids)]
    if text:
        events.append(TextDelta(text))
    if usage is not None:
        events.append(usage)
    events.append(Finished(reason))
    return Whole(events, ids, kept=bool(text) and reason != "content_filter")


def _reason(word: Any) -> str:
    if type(word) is not str or names_no_finish(word):
        return "stop"
    reason = read_finish(word)
    if reason == FAILED:
        raise UpstreamFailed(detail="the finish reason tells a failure")
    return reason or UNKNOWN_MEANS


def read_chat_id(body: bytes, *, clean: Clean) -> str:
    """Read the answer to the creation of a chat: its id.  Raises the typed errors of the upstream."""
    told = decode_object(body)
    if told is not None and tells_fault(told):
        raise fault_told(told, clean=clean)
    data = told.get("data") if told is not None else None
    chat_id = data.get("id") if type(data) is dict else None
    if type(chat_id) is not str or not chat_id:
        raise UpstreamProtocolError(detail="a new chat without an id")
    return chat_id
