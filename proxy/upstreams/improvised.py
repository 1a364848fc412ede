"""What the scripted upstream says when it has no script: an echo, and a small tool call when tools are declared."""

import json
from typing import Any

from proxy.config.script import Call, Say, Script
from proxy.wire.request import ChatRequest, text_of

EVERY_MS = 12.0  # slow enough to be seen to stream, quick enough not to be waited for
LONGEST_ECHO_CHARS = 2000
LONGEST_EXAMPLE_CHARS = 60
DEEPEST_EXAMPLE = 6  # a schema may refer to itself


def improvise(request: ChatRequest, turn: int) -> Script:
    """One answer: what a tool has said, else a tool call where one is declared, else an echo.

    *turn* is the number that the conversation remembers, from 1.
    """
    said = request.last_user_text
    results = trailing_tool_texts(request)
    function = function_to_call(request)
    if function is not None and not results:
        arguments = example_of(function.get("parameters") or {"type": "object"}, said)
        return (
            Call(
                call=function["name"], arguments=json.dumps(arguments, ensure_ascii=False), chunk=8, every_ms=EVERY_MS
            ),
        )
    if results:
        text = "The tool says: " + "; ".join(results)
    elif said:
        text = f"You said: {said}" if turn == 1 else f"You said, in turn {turn}: {said}"
    else:
        text = "Hello! Say something, and I will repeat it."
    return (Say(say=text[:LONGEST_ECHO_CHARS], chunk=6, every_ms=EVERY_MS),)


def trailing_tool_texts(request: ChatRequest) -> list[str]:
    """What tools have said since the last message of another kind."""
    texts: list[str] = []
    for message in reversed(request.messages):
        if message["role"] != "tool":
            break
        texts.insert(0, text_of(message))
    return texts


def function_to_call(request: ChatRequest) -> dict[str, Any] | None:
    """The declared function that is called: the one asked for by name, else the first that may be."""
    choice = request.tool_choice
    if choice.mode == "none":
        return None
    functions = [tool["function"] for tool in request.tools if tool.get("type") == "function"]
    wanted = [function for function in functions if not choice.names or function["name"] in choice.names]
    return wanted[0] if wanted else None


def example_of(schema: Any, said: str, depth: int = 0) -> Any:
    """A small value that fits a JSON schema as far as its plain keywords go."""
    if not isinstance(schema, dict) or depth > DEEPEST_EXAMPLE:
        return {}
    for given in ("const", "default"):
        if given in schema:
            return schema[given]
    if schema.get("enum"):
        return schema["enum"][0]
    kind = schema.get("type")
    match kind[0] if isinstance(kind, list) and kind else kind:
        case "string":
            return said[:LONGEST_EXAMPLE_CHARS]
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case "array":
            return [example_of(schema.get("items"), said, depth + 1)] if schema.get("minItems") else []
        case "null":
            return None
        case _:
            return example_object(schema, said, depth)


def example_object(schema: dict[str, Any], said: str, depth: int) -> dict[str, Any]:
    """An object with the properties that a schema requires."""
    properties, required = schema.get("properties"), schema.get("required")
    if not isinstance(properties, dict) or not isinstance(required, list):
        return {}
    return {name: example_of(properties.get(name), said, depth + 1) for name in required if isinstance(name, str)}
