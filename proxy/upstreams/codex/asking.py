"""From a request to what a thread is made of, and what a turn on it is asked."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from proxy.config import CodexUpstream as Configured
from proxy.errors import UpstreamRefused
from proxy.ports import Turn
from proxy.upstreams.codex.items import JOINER, split_instructions
from proxy.upstreams.codex.names import ToolNames, alias_of
from proxy.wire.request import ChatRequest, JsonObject, printable, text_of

EMPTY_SCHEMA: JsonObject = {"type": "object", "properties": {}}
MUST_CALL = "You must call at least one of the tools that are available to you."
MUST_CALL_NAMED = "You must call the tool {name}."
JSON_OBJECT = "Answer with a single JSON object and nothing else."
JSON_SCHEMA = "Answer with a single JSON value that is valid under this JSON schema, and nothing else: {schema}"


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a thread can't change any more: *making* is its model, tools and whether an effort is set."""

    instructions: str
    making: str

    def __str__(self) -> str:
        """As it is recorded."""
        return f"{self.instructions}.{self.making}"

    def fits(self, recorded: object, *, history_told: bool) -> bool:
        """Whether a thread of the *recorded* fingerprint can be continued.

        A caller who tells only what is new does not repeat the instructions.
        """
        instructions, _, making = str(recorded).partition(".")
        return making == self.making and (instructions == self.instructions or not history_told)


@dataclass(frozen=True, slots=True)
class Ask:
    """What is asked of codex for one request."""

    model: str
    instructions: str
    messages: Sequence[JsonObject]  # without the instructions that they began with
    tools: Sequence[JsonObject]
    names: ToolNames
    effort: str | None
    output_schema: JsonObject | None
    fingerprint: Fingerprint


def ask_of(turn: Turn, entry: Configured) -> Ask:
    """Raises `UpstreamRefused` for what codex would take, and can't do."""
    request = turn.request
    if request.messages[-1]["role"] == "assistant":
        raise UpstreamRefused(
            "Invalid 'messages': expected a user or tool message at the end with this model, got an assistant message.",
            code="unsupported_value",
            param="messages",
        )
    effort = effort_of(turn, entry)
    told, messages = split_instructions(request.messages)
    if turn.tools_as_text:  # calls are texts of the assistant by now, so results are texts of the user
        messages = [user_text(message) if message["role"] == "tool" else message for message in messages]
    tools = [] if turn.tools_as_text else tools_of(request)
    schema, wish = response_format(request)
    wishes = (told, turn.tool_block, choice_wish(request, tools) if tools else "", wish)
    instructions = JOINER.join(text for text in wishes if text)
    return Ask(
        model=turn.upstream_model,
        instructions=instructions,
        messages=messages,
        tools=tools,
        names=ToolNames(name for name in request.tool_names),
        effort=effort,
        output_schema=schema,
        fingerprint=Fingerprint(
            instructions=digest(instructions), making=digest([turn.upstream_model, tools, effort is not None])
        ),
    )


def user_text(message: JsonObject) -> JsonObject:
    """A tool's result, told as text, as a message of the user."""
    return {"role": "user", "content": text_of(message)}


def effort_of(turn: Turn, entry: Configured) -> str | None:
    """The effort that is asked for, else that of the model entry."""
    reasoning = turn.request.body.get("reasoning")
    nested = reasoning.get("effort") if isinstance(reasoning, dict) else None
    asked = turn.request.reasoning_effort or nested or turn.effort
    if asked is None:
        return None
    if asked not in entry.efforts:
        param = "reasoning.effort" if nested and not turn.request.reasoning_effort else "reasoning_effort"
        raise UpstreamRefused(
            f"Invalid '{param}': expected one of {', '.join(entry.efforts)}, got '{printable(str(asked))}'.",
            code="invalid_value",
            param=param,
        )
    return str(asked)


def tools_of(request: ChatRequest) -> list[JsonObject]:
    """The tools that may be called, as a thread takes them."""
    choice = request.tool_choice
    if choice.mode == "none":
        return []
    functions = [tool["function"] for tool in request.tools]
    return [
        {
            "type": "function",
            "name": alias_of(function["name"]),
            "description": function.get("description") or "",
            "inputSchema": function.get("parameters") or EMPTY_SCHEMA,
        }
        for function in functions
        if not choice.names or function["name"] in choice.names
    ]


def choice_wish(request: ChatRequest, tools: Sequence[JsonObject]) -> str:
    """What the model is told of a call that must be made."""
    if request.tool_choice.mode != "required":
        return ""
    return MUST_CALL_NAMED.format(name=tools[0]["name"]) if len(tools) == 1 else MUST_CALL


def response_format(request: ChatRequest) -> tuple[JsonObject | None, str]:
    """The schema that the answer is held to, or what the model is told of it."""
    if request.response_format == "json_object":
        return None, JSON_OBJECT
    if request.response_format != "json_schema" or request.json_schema is None:
        return None, ""
    schema = request.json_schema.get("schema")
    if not isinstance(schema, dict):
        return None, JSON_OBJECT
    if request.json_schema.get("strict") is True:
        return schema, ""
    return None, JSON_SCHEMA.format(schema=canonical(schema))


def canonical(value: object) -> str:
    """One text for one JSON value."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def digest(value: object) -> str:
    """A short name of a JSON value."""
    return hashlib.blake2b(canonical(value).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
