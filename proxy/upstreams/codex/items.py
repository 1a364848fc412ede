"""Messages of a chat as items of a thread: role-true, verbatim.

A thread takes the items of the Responses API.  Two of its ways matter: the role `system` vanishes without a word, so
later instructions go under `developer`; and an item without content is an error, so an empty message is none.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from proxy.upstreams.codex.names import alias_of
from proxy.wire.request import JsonObject, text_of

MAX_INPUT_CHARS = 1_048_576  # of `turn/start.input`; beyond it the answer is `input_too_large`
INSTRUCTING = ("system", "developer")
JOINER = "\n\n"


def split_instructions(messages: Sequence[JsonObject]) -> tuple[str, Sequence[JsonObject]]:
    """The instructions that a chat begins with, and the messages after them."""
    leading = 0
    while leading < len(messages) and messages[leading]["role"] in INSTRUCTING:
        leading += 1
    return JOINER.join(text_of(message) for message in messages[:leading]), messages[leading:]


def split_last_input(messages: Sequence[JsonObject]) -> tuple[Sequence[JsonObject], list[JsonObject]]:
    """The messages to be injected, and the input that the turn begins with.

    The input is the last user message, if the history ends in one that is not too long: else it is empty, and the turn
    runs on the history.
    """
    last = messages[-1] if messages else None
    if last is None or last["role"] != "user" or len(text_of(last)) > MAX_INPUT_CHARS:
        return messages, []
    return messages[:-1], [part for part in input_parts(last) if part.get("text") != ""]


def input_parts(message: JsonObject) -> Iterator[JsonObject]:
    """A user message as the parts of a turn's input."""
    for part in parts_of(message):
        if part["type"] == "image_url":
            image = part["image_url"]
            yield {"type": "image", "url": image["url"], **detail_of(image)}
        else:
            yield {"type": "text", "text": part["text"]}


def items_of(messages: Sequence[JsonObject]) -> list[JsonObject]:
    """A history as items."""
    return [item for message in messages for item in _items(message)]


def _items(message: JsonObject) -> Iterator[JsonObject]:
    match message["role"]:
        case "assistant":
            yield from _message("assistant", [{"type": "output_text", "text": text_of(message)}])
            for call in message.get("tool_calls") or ():
                function = call["function"]
                yield {
                    "type": "function_call",
                    "call_id": call["id"],
                    "name": alias_of(function["name"]),
                    "arguments": function["arguments"],
                }
        case "tool":
            yield {"type": "function_call_output", "call_id": message["tool_call_id"], "output": output_of(message)}
        case "user":
            yield from _message("user", [_content_part(part) for part in parts_of(message)])
        case _:
            yield from _message("developer", [{"type": "input_text", "text": text_of(message)}])


def _message(role: str, content: list[JsonObject]) -> Iterator[JsonObject]:
    told = [part for part in content if part.get("text") != ""]
    if told:
        yield {"type": "message", "role": role, "content": told}


def output_of(message: JsonObject) -> str | list[JsonObject]:
    """What a tool has said: a text, or a list when there are images in it."""
    if any(part["type"] == "image_url" for part in parts_of(message)):
        return [_content_part(part) for part in parts_of(message)]
    return text_of(message)


def result_items(message: JsonObject) -> list[JsonObject]:
    """What a tool has said, as the answer to a call that waits for it."""
    parts = parts_of(message)
    if all(part["type"] != "image_url" for part in parts):
        return [{"type": "inputText", "text": text_of(message)}]
    return [
        {"type": "inputImage", "imageUrl": part["image_url"]["url"]}
        if part["type"] == "image_url"
        else {"type": "inputText", "text": part["text"]}
        for part in parts
    ]


def _content_part(part: JsonObject) -> JsonObject:
    if part["type"] == "image_url":
        image = part["image_url"]
        return {"type": "input_image", "image_url": image["url"], **detail_of(image)}
    return {"type": "input_text", "text": part["text"]}


def detail_of(image: JsonObject) -> dict[str, str]:
    """The resolution that is asked for, if any is."""
    detail = image.get("detail")
    return {"detail": detail} if isinstance(detail, str) else {}


def parts_of(message: JsonObject) -> list[dict[str, Any]]:
    """The content of a message as a list of parts, whatever it was sent as."""
    content = message.get("content")
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return list(content or ())
