"""An answer of the site in one piece: one JSON object, parsed once; its text wherever it stands.

What is no answer is never shown as one: neither the JSON itself, nor anything that is not where a text belongs.
"""

from collections.abc import Callable, Iterator
from typing import Any

from proxy.errors import TurnstileError, UpstreamEmptyAnswer, UpstreamProtocolError
from proxy.wire.events import Finished, Opened, StreamEvent, TextDelta, ToolCallDelta
from proxy.wire.mix.classes import Told, error_text, fault_of_text, status_in
from proxy.wire.mix.counts import finish_in, usage_in
from proxy.wire.mix.ids import Ids, JsonDict
from proxy.wire.mix.reader import call_name, call_of
from proxy.wire.upstream.json_text import decode_object

FINE = (0, 200)
ANSWER_PARTS = ("text", "tool-input", "tool-input-available")


def read_whole(
    raw: bytes,
    told: Told,
    ids: Ids,
    *,
    make_call_id: Callable[[], str],
    tool_names: frozenset[str] = frozenset(),
    accepts_empty: bool = True,
) -> list[StreamEvent]:
    """The events of a body; its ids are left in *ids*.

    Raises the error that it tells, `UpstreamProtocolError` for what is no answer, and `UpstreamEmptyAnswer`.
    """
    body = decode_object(raw)
    if body is None:
        raise UpstreamProtocolError(detail="the answer is no JSON object")
    inner = body.get("data")
    places = [body, inner] if type(inner) is dict else [body]
    texts = [text for place in places for text in texts_in(place)]
    text = next(filter(None, texts), "")
    fault = next((found for place in places if (found := fault_in(place, told, has_text=bool(text)))), None)
    if fault is not None:
        raise fault
    changed = [ids.take(place) for place in places]
    calls = list(calls_in(places, tool_names, make_call_id))
    if not texts and not calls:
        raise UpstreamProtocolError(detail="the answer holds no text")
    if not (text or calls or accepts_empty):
        raise UpstreamEmptyAnswer
    usage = next(filter(None, map(usage_in, places)), None)
    finish = next(filter(None, map(finish_in, places)), None) or ("tool_calls" if calls else "stop")
    events: list[StreamEvent] = [Opened(ids.told())] if any(changed) else []
    events += [TextDelta(text)] if text else []
    events += calls
    events += [usage] if usage else []
    return [*events, Finished(finish)]


def fault_in(place: JsonDict, told: Told, *, has_text: bool) -> TurnstileError | None:
    """The error that an object tells."""
    inner = place.get("error")
    failed = error_text(inner)
    if not failed and type(place.get("errorText")) is str:
        failed = place["errorText"]
    for part in parts_of(place.get("parts")):
        if part.get("type") == "error":
            failed = failed or error_text(part) or "error"
    if failed or (type(inner) is dict and inner):
        return fault_of_text(failed, status_in(inner) or status_in(place), told)
    codes = (place.get(name) for name in ("code", "status"))
    wrong = place.get("success") is False or any(type(code) is int and code not in FINE for code in codes)
    said = next((place[name] for name in ("message", "msg") if type(place.get(name)) is str and place[name]), "")
    return fault_of_text(said, status_in(place), told) if wrong and said and not has_text else None


def texts_in(place: JsonDict) -> Iterator[str]:
    """The text at each location that is there, empty or not, in the order in which they count."""
    message = place.get("message")
    choices = place.get("choices")
    first = choices[0] if type(choices) is list and choices and type(choices[0]) is dict else {}
    chosen = first.get("message")
    locations = [place.get("content"), place.get("text"), place.get("parts")]
    if type(message) is dict:
        locations += [message.get("content"), message.get("parts")]
    if type(chosen) is dict:
        locations.append(chosen.get("content"))
    for found in locations:
        text = text_at(found)
        if text is not None:
            yield text


def text_at(found: Any) -> str | None:
    """A text, or the texts of parts joined; None where nothing of the kind stands."""
    if type(found) is str:
        return found
    if type(found) is dict and found.get("type") not in ANSWER_PARTS:
        return None
    if type(found) not in (list, dict):
        return None
    items = found if type(found) is list else [found]
    texts = [each if type(each) is str else each.get("text") for each in items if type(each) in (str, dict)]
    return "".join(text for text in texts if type(text) is str)


def parts_of(found: Any) -> list[JsonDict]:
    """The parts of an answer: an array, or one object."""
    items = found if type(found) is list else [found]
    return [part for part in items if type(part) is dict]


def calls_in(
    places: list[JsonDict], tool_names: frozenset[str], make_call_id: Callable[[], str]
) -> Iterator[ToolCallDelta]:
    """The calls of tools that are ours to run: as parts, or in the form of Chat Completions."""
    index = 0
    for place in places:
        message = place.get("message")
        within = (place, message) if type(message) is dict else (place,)
        parts = [part for each in within for name in ("parts", "content") for part in parts_of(each.get(name))]
        listed = [call for each in within for call in parts_of(each.get("tool_calls"))]
        named = [{"toolName": f.get("name"), "toolCallId": call.get("id"), "input": f.get("arguments")}
                 for call in listed if type(f := call.get("function")) is dict]  # fmt: skip
        for call in [*(part for part in parts if part.get("type") in ANSWER_PARTS[1:]), *named]:
            if call_name(call) in tool_names:
                yield call_of(call, index, make_call_id)
                index += 1
