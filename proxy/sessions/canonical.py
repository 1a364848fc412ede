"""The canonical form of a history: the same for what a client was told, and for what it sends back of it.

Clients change what they send back: texts come trimmed or in parts, arguments are written anew, reasoning and ids are
left out.  Whatever such a change touches does not count here; whatever a model would understand differently does.
"""

from collections.abc import Iterable
from typing import Any

import orjson

from proxy.wire.answer import Answer
from proxy.wire.request import JsonObject, text_of

SYSTEM_ROLES = frozenset({"system", "developer"})

_UNSEEN_PARTS = frozenset({"text", "refusal"})
"""Text is joined, and a refusal is told to the caller only."""


def canonical_messages(messages: Iterable[JsonObject], *, ignore_system: bool = False) -> list[bytes]:
    """One canonical piece for each of the checked *messages*; an empty one where a message does not count.

    A piece holds the role, the text with its white space collapsed, other parts as they are, calls by name and
    arguments, and of a tool's result which call of its assistant message it answers.
    """
    pieces: list[bytes] = []
    places: dict[str, int] = {}
    for message in messages:
        role = "system" if message["role"] in SYSTEM_ROLES else message["role"]
        calls = message.get("tool_calls") or ()
        if role == "assistant":
            places = {call["id"]: place for place, call in enumerate(calls)}
        if role == "system" and ignore_system:
            pieces.append(b"")
            continue
        place = places.get(message.get("tool_call_id", "")) if role == "tool" else None
        pieces.append(
            _piece(role, text_of(message), _other_parts(message.get("content")), list(map(_past_call, calls)), place)
        )
    return pieces


def canonical_answer(answer: Answer, *, legacy_functions: bool = False) -> bytes:
    """The piece that an answer will be, once its caller sends it back; a legacy caller is told one call only."""
    choice = answer.choices.get(0)
    calls = [(call.name, canonical_arguments(call.arguments)) for call in choice.calls] if choice else []
    return _piece("assistant", answer.text(0), [], calls[:1] if legacy_functions else calls, None)


def canonical_arguments(text: str) -> Any:
    """Arguments as a value, whatever the JSON that was written for it; text that is no JSON with its blanks collapsed.

    No arguments are an empty object, and a whole number is one however it was written.
    """
    try:
        return _plain(orjson.loads(text or "{}"))
    except orjson.JSONDecodeError:
        return _collapsed(text)


def _piece(role: str, text: str, parts: list[Any], calls: list[tuple[str, Any]], place: int | None) -> bytes:
    return orjson.dumps([role, _collapsed(text), parts, calls, place], option=orjson.OPT_SORT_KEYS)


def _past_call(call: JsonObject) -> tuple[str, Any]:
    function = call.get("function")
    if function is not None:
        return function["name"], canonical_arguments(function["arguments"])
    custom = call.get("custom") or {}
    return str(custom.get("name")), _collapsed(str(custom.get("input")))


def _other_parts(content: Any) -> list[Any]:
    """What a message shows beside text, without hints about caching."""
    if type(content) is not list:
        return []
    return [[part["type"], part.get(part["type"])] for part in content if part["type"] not in _UNSEEN_PARTS]


def _collapsed(text: str) -> str:
    return " ".join(text.split())


def _plain(value: Any) -> Any:
    """A decoded value with whole floats as integers: JavaScript writes `1.0` as `1`."""
    match value:
        case float() if value.is_integer() and abs(value) < 2**63:
            return int(value)
        case int() if not isinstance(value, bool) and abs(value) >= 2**53:
            return float(value)  # clients that know one kind of number have rounded it
        case dict():
            return {name: _plain(each) for name, each in value.items()}
        case list():
            return [_plain(each) for each in value]
        case _:
            return value
