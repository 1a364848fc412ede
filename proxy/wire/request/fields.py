"""The fields of a request beside model, messages and tools: one row each, in the order in which they are checked."""

import re
from collections.abc import Callable
from enum import Enum
from typing import Any, NamedTuple, TypeAlias

from proxy.wire.request.body import JsonObject
from proxy.wire.request.say import rejected, wrong_type, wrong_value
from proxy.wire.request.values import (
    Check,
    boolean,
    identifier,
    integer,
    json_object,
    number,
    object_in,
    string,
    string_in,
    strings,
    word_in,
)

_MAX_STOPS = 4
_RESPONSE_FORMATS = ("text", "json_object", "json_schema")
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}")
_bias = number(-100, 100, below="invalid_value", above="invalid_value")


class Elsewhere(Enum):
    """What kinds other than `openai` do with a field."""

    HONOURED = "always honoured, or emulated"
    OPTIONAL = "honoured by some kinds, ignored and named by the others"
    REFUSED = "refused, unless it asks for nothing"


Relation: TypeAlias = Callable[[JsonObject], None]


def _stream_options(path: str, value: Any) -> JsonObject:
    options = json_object(path, value)
    if options.get("include_usage") is not None:
        boolean(f"{path}.include_usage", options["include_usage"])
    return options


def _stop(path: str, value: Any) -> str | list[str]:
    if type(value) is str:
        return value
    if type(value) is not list:
        raise wrong_type(path, "a string or an array of strings", value)
    if not value:
        raise rejected(path, f"1 to {_MAX_STOPS} strings", "none", "empty_array")
    if len(value) > _MAX_STOPS:
        raise rejected(path, f"1 to {_MAX_STOPS} strings", f"{len(value)}", "array_above_max_length")
    for index, item in enumerate(strings(path, value)):
        if not item:
            raise rejected(f"{path}[{index}]", "a non-empty string", "an empty one", "invalid_value")
    return value


def _response_format(path: str, value: Any) -> JsonObject:
    asked = json_object(path, value)
    if word_in(path, asked, "type", _RESPONSE_FORMATS) == "json_schema":
        string_in(f"{path}.json_schema", object_in(path, asked, "json_schema"), "name")
    return asked


def _logit_bias(path: str, value: Any) -> JsonObject:
    biases = json_object(path, value)
    for token, bias in biases.items():
        # A key is the caller's text: only one that looks like a token id is quoted.
        _bias(f"{path}.{token}" if _PLAIN_KEY.fullmatch(token) else path, bias)
    return biases


def _metadata(path: str, value: Any) -> JsonObject | None:
    """Metadata without the session's id, which is ours; None when nothing else is in it."""
    metadata = json_object(path, value)
    if "session_id" not in metadata:
        return metadata
    if metadata["session_id"] is not None:
        identifier(f"{path}.session_id", metadata["session_id"])
    return {key: metadata[key] for key in metadata if key != "session_id"} or None


def _only_when_streaming(body: JsonObject) -> None:
    if not body.get("stream"):
        raise rejected("stream_options", "it only with 'stream' true", "it without", "invalid_value")


def _one_token_limit(body: JsonObject) -> None:
    if body.get("max_tokens", body["max_completion_tokens"]) != body["max_completion_tokens"]:
        raise wrong_value("max_completion_tokens", "the same as 'max_tokens'", body["max_completion_tokens"])


def _only_with_logprobs(body: JsonObject) -> None:
    if body["top_logprobs"] and not body.get("logprobs"):
        raise rejected("top_logprobs", "it only with 'logprobs' true", "it without", "invalid_value")


class Field(NamedTuple):
    """One row.

    *check* gives what is kept of the value, None for nothing.  *relation* checks it against the fields before.  *idle*
    tells the values that ask for nothing special, which every kind can do.
    """

    name: str
    check: Check
    elsewhere: Elsewhere = Elsewhere.OPTIONAL
    relation: Relation | None = None
    idle: Callable[[Any], bool] = lambda _value: False


HONOURED, REFUSED = Elsewhere.HONOURED, Elsewhere.REFUSED
_INT64 = integer(-(2**63), 2**63 - 1, below="invalid_value", above="invalid_value")

FIELDS: tuple[Field, ...] = (
    Field("stream", boolean, HONOURED),
    Field("stream_options", _stream_options, HONOURED, _only_when_streaming),
    Field("parallel_tool_calls", boolean, HONOURED),
    Field("n", integer(1, 128), REFUSED, idle=lambda n: n == 1),
    Field("max_tokens", integer(1)),
    Field("max_completion_tokens", integer(1), relation=_one_token_limit),
    Field("temperature", number(0, 2)),
    Field("top_p", number(0, 1)),
    Field("frequency_penalty", number(-2, 2)),
    Field("presence_penalty", number(-2, 2)),
    Field("stop", _stop, HONOURED),
    Field("response_format", _response_format, idle=lambda asked: asked["type"] == "text"),
    Field("logprobs", boolean, REFUSED, idle=lambda asked: not asked),
    Field("top_logprobs", integer(0, 20), REFUSED, _only_with_logprobs, idle=lambda count: count == 0),
    Field("seed", _INT64),
    Field("logit_bias", _logit_bias),
    Field("modalities", strings, REFUSED, idle=lambda asked: "audio" not in asked),
    Field("reasoning_effort", string()),
    Field("verbosity", string()),
    Field("service_tier", string()),
    Field("user", string(1024)),
    Field("safety_identifier", string(1024)),
    Field("prompt_cache_key", string(1024)),
    Field("metadata", _metadata),
    Field("session_id", identifier, HONOURED),
    Field("upstream_base_url", string(), HONOURED),
    Field("upstream_api_base", string(), HONOURED),
)
