"""A history in the words of a site that takes one text per turn: what is new, or everything as a transcript."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from proxy.wire.request import JsonObject

NO_TOOLS = "No tools are available now."

_SYSTEM_ROLES = ("system", "developer")
_LABELS = {"user": "User", "assistant": "Assistant", "tool": "Tool result", "system": "System", "developer": "System"}
_INTRODUCTION = "This is the conversation so far:"
_CLOSING = "This is the end of the conversation so far. Go on from there; this comes next:"
_BLANK_LINE = "\n\n"


class Telling(NamedTuple):
    """What is told in one turn; no *system* text, no system message."""

    system: str
    user: str


class UntellablePart(Exception):
    """A part of a message's content is no text."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


def tell_news(
    messages: Sequence[JsonObject], tail: int, announcement: str = "", *, placeholders: bool = False
) -> Telling:
    """Everything after the last assistant message, in order; the *announcement* goes before it.

    Raises `UntellablePart`, unless *placeholders* stand for parts that are no text.
    """
    return Telling("", _joined([announcement, *_new(messages[tail:], placeholders=placeholders, labelled=True)]))


def tell_everything(
    messages: Sequence[JsonObject], tail: int, tool_block: str = "", *, placeholders: bool = False
) -> Telling:
    """The whole history: system texts and *tool_block* apart; the rest as a transcript, then what is new.

    Raises `UntellablePart`, unless *placeholders* stand for parts that are no text.
    """
    system = [_text(message, placeholders=placeholders) for message in messages if message["role"] in _SYSTEM_ROLES]
    new = _new(messages[tail:], placeholders=placeholders, labelled=False)
    past = [
        f"[{_LABELS[message['role']]}]\n{_text(message, placeholders=placeholders)}".rstrip()
        for message in messages[:tail]
        if message["role"] not in _SYSTEM_ROLES
    ]
    transcript = [_INTRODUCTION, *past, _CLOSING] if past else []
    return Telling(_joined([*system, tool_block]), _joined([*transcript, *new]))


def _new(messages: Iterable[JsonObject], *, placeholders: bool, labelled: bool) -> list[str]:
    """The texts of new messages; those of the system are *labelled*, or else left out, as they are told apart."""
    texts = []
    for message in messages:
        text = _text(message, placeholders=placeholders)
        if message["role"] not in _SYSTEM_ROLES:
            texts.append(text)
        elif labelled and text:
            texts.append(f"[{_LABELS['system']}]\n{text}")
    return texts


def _joined(texts: Iterable[str]) -> str:
    return _BLANK_LINE.join(text for text in texts if text)


def _text(message: JsonObject, *, placeholders: bool) -> str:
    """All that a message says, as text: nothing that it holds vanishes without a word."""
    content = message.get("content")
    if type(content) is not str:
        content = "\n".join(_part(part, placeholders=placeholders) for part in content or ())
    said = [content or message.get("refusal") or ""]
    said += [_call(call) for call in message.get("tool_calls") or ()]
    return _joined(said)


def _part(part: JsonObject, *, placeholders: bool) -> str:
    kind: str = part["type"]
    text: Any = part.get(kind) if kind in ("text", "refusal") else None
    if type(text) is str:
        return text
    if not placeholders:
        raise UntellablePart(kind)
    return f"[{kind} omitted]"


def _call(call: JsonObject) -> str:
    """A call that no dialect has put into words."""
    function = call.get("function") or call.get("custom") or {}
    return f"[called {function.get('name', '')}: {function.get('arguments') or function.get('input') or ''}]"
