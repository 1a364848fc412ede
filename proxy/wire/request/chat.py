"""A chat request, whole: every field checked in the order of the contract, the first failure wins."""

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from proxy.errors import RequestRejected
from proxy.wire.request.body import JsonObject
from proxy.wire.request.choice import ToolChoice, check_tool_choice
from proxy.wire.request.fields import FIELDS, Elsewhere, Field
from proxy.wire.request.messages import check_messages
from proxy.wire.request.parts import text_of
from proxy.wire.request.rules import ModelRules, model_of
from proxy.wire.request.say import rejected, shown
from proxy.wire.request.tools import check_tools
from proxy.wire.request.values import identifier

_NOTHING: JsonObject = {}
_PLAIN_TEXT: JsonObject = {"type": "text"}

ResponseFormat: TypeAlias = Literal["text", "json_object", "json_schema"]

_FIELD_NAMES = frozenset(field.name for field in FIELDS)
_IDLE = {field.name: field.idle for field in FIELDS if field.elsewhere is Elsewhere.OPTIONAL}
_OPTIONAL_NAMES = _FIELD_NAMES | {"tools", "tool_choice", "functions", "function_call"}
_KNOWN_NAMES = _OPTIONAL_NAMES | {"model", "messages"}
_NOT_FORWARDED = (
    "functions",  # they became tools
    "function_call",  # it became tool_choice
    "max_tokens",  # there is one limit, and the upstream says what it is called
    "max_completion_tokens",
    "session_id",  # a conversation of ours
    "upstream_base_url",  # an address for us
    "upstream_api_base",
)


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A checked request.  Its lists and dicts are shared with the decoded body: read them, never change them.

    *messages*: as sent, in modern form (no legacy functions, arguments are text).  *tools*: in modern form, empty for
    none.  *legacy_functions*: calls are answered as `function_call`.  *max_tokens*: under either name, None for no
    limit.  *json_schema*: `response_format.json_schema`.  *session_id*: of the body, its metadata included.
    *upstream_base_url*: where the call is to go, "" for where it is configured to.  *ignored_params*: fields that the
    model's kind does nothing with, as named by the caller.

    *body*: what may be forwarded to an upstream that speaks Chat Completions: known fields checked and without nulls,
    unknown ones as sent, no token limit (its name is the upstream's choice) and nothing that is meant for us.
    """

    model: str
    messages: list[JsonObject]
    stream: bool
    include_usage: bool
    tools: list[JsonObject]
    tool_names: frozenset[str]
    tool_choice: ToolChoice
    legacy_functions: bool
    parallel_tool_calls: bool
    n: int
    max_tokens: int | None
    temperature: float | None
    top_p: float | None
    stop: tuple[str, ...]
    response_format: ResponseFormat
    json_schema: JsonObject | None
    reasoning_effort: str | None
    session_id: str | None
    user: str | None
    ignored_params: tuple[str, ...]
    body: JsonObject
    upstream_base_url: str = ""

    @property
    def last_user_text(self) -> str:
        """The text of the last user message; "" if there is none."""
        return next((text_of(message) for message in reversed(self.messages) if message["role"] == "user"), "")


def check_chat(body: JsonObject, rules: ModelRules) -> ChatRequest:
    """Check the decoded *body* of a chat request to a model with these *rules*; raises `RequestRejected`."""
    model = model_of(body)
    messages = check_messages(body, rules, model)
    tools = check_tools(body, rules)
    choice = check_tool_choice(body, tools, rules)
    kept = _check_fields(body, rules)
    ignored = () if rules.openai else tuple(name for name, value in kept.items() if _is_ignored(name, value, rules))
    response_format = kept.get("response_format") or _PLAIN_TEXT
    stop = kept.get("stop") or ()
    base_url = kept.get("upstream_base_url") or kept.get("upstream_api_base") or ""  # not forwarded
    return ChatRequest(
        model=model,
        messages=messages,
        stream=kept.get("stream", False),
        include_usage=bool(kept.get("stream_options", _NOTHING).get("include_usage")),
        tools=tools.declared,
        tool_names=tools.names,
        tool_choice=choice.understood,
        legacy_functions=tools.legacy,
        parallel_tool_calls=kept.get("parallel_tool_calls", True),
        n=kept.get("n", 1),
        max_tokens=kept.get("max_completion_tokens", kept.get("max_tokens")),
        temperature=kept.get("temperature"),
        top_p=kept.get("top_p"),
        stop=(stop,) if type(stop) is str else tuple(stop),
        response_format=response_format["type"],
        json_schema=response_format.get("json_schema"),
        reasoning_effort=kept.get("reasoning_effort"),
        session_id=kept.get("session_id") or (body.get("metadata") or _NOTHING).get("session_id"),
        user=kept.get("user"),
        ignored_params=ignored,
        body=_forwardable(
            kept, rules, {"messages": messages, "tools": tools.declared, "tool_choice": choice.forwarded}
        ),
        upstream_base_url=base_url,
    )


def _check_fields(body: JsonObject, rules: ModelRules) -> JsonObject:
    """Check what stands beside messages and tools; return the body as it is kept, without nulls of optional fields."""
    kept = {name: value for name, value in body.items() if value is not None or name not in _OPTIONAL_NAMES}
    for field in FIELDS:
        if field.name in kept:
            value = field.check(field.name, kept[field.name])
            if value is None:
                del kept[field.name]
                continue
            kept[field.name] = value
            if field.relation:
                field.relation(kept)
            if not rules.openai:
                _check_elsewhere(field, value, rules)
    for name, value in kept.items():
        if value is not None:
            if name in rules.id_fields:
                identifier(name, value)
            if name in rules.refused and not rules.openai:
                raise _unsupported(name)
    return kept


def _check_elsewhere(field: Field, value: Any, rules: ModelRules) -> None:
    """Raise if a kind other than `openai` refuses the field."""
    if field.name in rules.refused:
        raise _unsupported(field.name)
    if field.elsewhere is Elsewhere.REFUSED and not field.idle(value):
        raise rejected(field.name, "the default with this model", shown(value), "unsupported_value")


def _unsupported(name: str) -> RequestRejected:
    return rejected(name, "it left out with this model", "a value", "unsupported_parameter")


def _is_ignored(name: str, value: Any, rules: ModelRules) -> bool:
    """Whether a kind other than `openai` does nothing with the field, and the caller should hear of it."""
    if name in rules.honoured or name in rules.id_fields or value is None:
        return False
    return not _IDLE[name](value) if name in _IDLE else name not in _KNOWN_NAMES


def _forwardable(kept: JsonObject, rules: ModelRules, settled: JsonObject) -> JsonObject:
    """Put what was *settled* in its place, unless it says nothing, and take out what is not the upstream's business."""
    for name, value in settled.items():
        if value:
            kept[name] = value
        else:
            kept.pop(name, None)
    for name in (*_NOT_FORWARDED, *rules.id_fields):
        kept.pop(name, None)
    return kept
