"""A Chat Completions answer that is one JSON body: the same events that its stream would give."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from proxy.errors import (
    TurnstileError,
    UpstreamChallenge,
    UpstreamDisconnected,
    UpstreamOversize,
    UpstreamProtocolError,
    UpstreamTruncated,
)
from proxy.wire.events import Finished, Opened, StreamEvent, TextDelta
from proxy.wire.upstream.answer import Answer
from proxy.wire.upstream.extras import ExtrasKeeper
from proxy.wire.upstream.faults import fault_in_band, tells_error
from proxy.wire.upstream.json_text import decode_object, is_cut_json
from proxy.wire.upstream.reading import CredentialMode, Reading
from proxy.wire.upstream.sniff import is_page
from proxy.wire.upstream.usage import read_usage

_PLAIN_REASONS = ("stop", "length")
_PLAIN_CHOICE = frozenset({"index", "message", "logprobs", "finish_reason"})
_PLAIN_MESSAGE = frozenset({"role", "content", "refusal"})


def read_completion(
    raw: bytes,
    *,
    max_answer_bytes: int,
    make_call_id: Callable[[], str],
    n: int = 1,
    think_tags: bool = False,
    credential: CredentialMode = "static",
    anomalies: Counter[str] | None = None,
) -> list[StreamEvent]:
    """Give the events of a whole `chat.completion` body: what was opened, each choice's content, usage, the ends.

    What is put right or passed over is added to *anomalies*.

    Raises UpstreamOversize; the error that the body tells; UpstreamProtocolError for what is no completion,
    UpstreamChallenge if it is a web page, UpstreamDisconnected if it is nothing; UpstreamEmptyAnswer for a completion
    without choices; UpstreamTruncated for one that is cut, or ends inside a tool call without a finish reason.
    """
    if len(raw) > max_answer_bytes:
        raise UpstreamOversize(detail=f"the answer is larger than {max_answer_bytes} bytes")
    body = decode_object(raw)
    if body is None:
        raise _fault_of_text(raw)
    if tells_error(body):
        raise fault_in_band(body, credential=credential)
    if "choices" not in body:
        raise UpstreamProtocolError(detail="the answer has no choices")
    plain = None if think_tags or n != 1 else _plain(body)
    if plain is not None:
        return plain
    for choice in body["choices"] if type(body["choices"]) is list else ():
        _number_calls(choice)
    events: list[StreamEvent] = []
    reading = Reading(make_call_id, n, think_tags=think_tags, credential=credential)
    answer = Answer(reading, Counter() if anomalies is None else anomalies)
    answer.take(body, events)
    answer.end(events)
    return events


def _plain(body: dict[str, Any]) -> list[StreamEvent] | None:
    """Give the events of a body that is one text with its usage and tells nothing else, as most bodies are.

    None if it is any other; the long way would give the same events.
    """
    choices, theirs, usage = body["choices"], body.get("id"), read_usage(body.get("usage"))
    choice: Any = choices[0] if type(choices) is list and len(choices) == 1 else None
    message: Any = choice.get("message") if type(choice) is dict else None
    text = message.get("content") if type(message) is dict else None
    if not (type(text) is str and text and type(theirs) is str and theirs and usage and usage.completion_tokens):
        return None
    reason, index = choice.get("finish_reason"), choice.get("index")
    if reason not in _PLAIN_REASONS or type(index) is not int or index != 0:
        return None
    if choice.get("logprobs") is not None or message.get("refusal") is not None:
        return None
    if not (_PLAIN_CHOICE.issuperset(choice) and _PLAIN_MESSAGE.issuperset(message)):
        return None
    keeper = ExtrasKeeper()
    extras = keeper.for_event(keeper.of_chunk(body), None, None)
    return [Opened({"id": theirs}), TextDelta(text, 0, extras), usage, Finished(reason)]


def _fault_of_text(raw: bytes) -> TurnstileError:
    """Give the error that a body is which is no JSON object."""
    text = raw.decode("utf-8", "replace").strip()
    if not text:
        return UpstreamDisconnected()
    if is_page(None, raw):
        return UpstreamChallenge()
    if text.startswith("{") and is_cut_json(text):
        return UpstreamTruncated()
    return UpstreamProtocolError(detail="the answer is no JSON object")


def _number_calls(choice: Any) -> None:
    """Index the calls of a whole message by their places: there, unlike in a stream, each entry is one call."""
    message = choice.get("message") if type(choice) is dict else None
    calls = message.get("tool_calls") if type(message) is dict else None
    for place, call in enumerate(calls if type(calls) is list else ()):
        if type(call) is dict:
            call["index"] = place
