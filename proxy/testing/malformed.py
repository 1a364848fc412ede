"""Request bodies that must be refused, each with the status, code and param of its refusal: a table to post over a socket.

They are made from the rules of the Chat Completions wire, not from the code that checks them: a valid body is taken, and
one thing in it broken.  `MALFORMED` holds for every kind of upstream, `MALFORMED_ELSEWHERE` for kinds other than `openai`
whose model takes text only.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

Json: TypeAlias = dict[str, Any]

ABSENT = object()
"""As the value of a row: the member is left out."""


@dataclass(frozen=True, slots=True)
class Malformed:
    """One refused body: *raw* is what is sent, the rest what the error must say."""

    id: str
    raw: bytes
    status: int
    code: str
    param: str | None


class Row(NamedTuple):
    """Put *value* at *path* of a valid body: it is refused with *code*, at *param*, or at *path* if that is None."""

    path: str
    value: Any
    code: str
    param: str | None = None


def malformed_bodies(model: str = "scripted") -> list[Malformed]:
    """Every refused body, for a request to *model*, whatever the kind of its upstream."""
    return [*_not_json(model), *_not_objects(), *_broken(_typed_rows(), model), *_broken(_RULES, model)]


def malformed_elsewhere(model: str = "scripted") -> list[Malformed]:
    """The bodies that kinds other than `openai` refuse besides, for a request to a *model* that takes text only."""
    return list(_broken(_ELSEWHERE, model))


def rich_body(model: str) -> Json:
    """A valid body that uses every checked field and asks for nothing that some kind refuses."""
    return {
        "model": model,
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "developer", "content": [{"type": "text", "text": "Be kind."}]},
            {"role": "user", "content": [{"type": "text", "text": "Time and"}, {"type": "text", "text": "place?"}]},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": "call_1", "type": "function", "function": {"name": "now", "arguments": "{}"}},
                    {"id": "call_2", "type": "function", "function": {"name": "place", "arguments": '{"of":"me"}'}},
                ],
            },
            {
                "role": "tool",
                "tool_call_id": "call_2",
                "name": "place",
                "content": [{"type": "text", "text": "Lisbon"}],
            },
            {"role": "tool", "tool_call_id": "call_1", "content": "noon"},
            {"role": "assistant", "content": "Noon, in Lisbon."},
            {"role": "user", "content": "Thanks."},
        ],
        "tools": [
            {"type": "function", "function": {"name": "now", "description": "The time.", "strict": True}},
            {"type": "function", "function": {"name": "place", "parameters": {"type": "object", "properties": {}}}},
        ],
        "tool_choice": {"type": "function", "function": {"name": "now"}},
        "stream": True,
        "stream_options": {"include_usage": True},
        "parallel_tool_calls": False,
        "n": 1,
        "max_tokens": 100,
        "max_completion_tokens": 100,
        "temperature": 1,
        "top_p": 0.5,
        "frequency_penalty": -2,
        "presence_penalty": 2.0,
        "stop": ["END"],
        "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": {"type": "object"}}},
        "logprobs": False,
        "top_logprobs": 0,
        "seed": 7,
        "logit_bias": {"50256": -100},
        "modalities": ["text"],
        "reasoning_effort": "low",
        "verbosity": "low",
        "service_tier": "auto",
        "user": "user-1",
        "safety_identifier": "safe-1",
        "prompt_cache_key": "cache-1",
        "metadata": {"session_id": "conversation-1", "team": "blue"},
        "session_id": "conversation-1",
        "store": False,
    }


def plain_body(model: str) -> Json:
    """The least valid body."""
    return {"model": model, "messages": [{"role": "user", "content": "Hello."}]}


# One value of each JSON type that a member of the named type must not have; null stands for absence.
_WRONG: dict[str, tuple[Any, ...]] = {
    "string": (0, 1.5, True, [], {}),
    "boolean": (0, 1, "true", [], {}),
    "integer": (True, "1", 1.5, [], {}),
    "number": (False, "1", [], {}),
    "array": (0, "x", True, {}),
    "object": (0, "x", True, []),
    "string or array": (0, 1.5, True, {}),
    "string or object": (0, 1.5, True, []),
}
_TYPED: tuple[tuple[str, str], ...] = (
    ("model", "string"),
    ("messages", "array"),
    ("messages[0]", "object"),
    ("messages[7]", "object"),
    *((f"messages[{index}].content", "string or array") for index in range(8)),
    ("messages[1].content[0]", "object"),
    ("messages[2].content[1]", "object"),
    ("messages[2].content[1].type", "string"),
    ("messages[2].content[1].text", "string"),
    ("messages[4].content[0].text", "string"),
    ("messages[3].tool_calls", "array"),
    ("messages[3].tool_calls[1]", "object"),
    ("messages[3].tool_calls[0].type", "string"),
    ("messages[3].tool_calls[0].id", "string"),
    ("messages[3].tool_calls[1].function", "object"),
    ("messages[3].tool_calls[1].function.name", "string"),
    ("messages[5].tool_call_id", "string"),
    ("messages[4].name", "string"),
    ("messages[6].function_call", "object"),
    ("tools", "array"),
    ("tools[1]", "object"),
    ("tools[0].type", "string"),
    ("tools[0].function", "object"),
    ("tools[0].function.name", "string"),
    ("tools[0].function.description", "string"),
    ("tools[0].function.strict", "boolean"),
    ("tools[1].function.parameters", "object"),
    ("tool_choice", "string or object"),
    ("tool_choice.type", "string"),
    ("tool_choice.function", "object"),
    ("tool_choice.function.name", "string"),
    ("functions", "array"),
    ("stream", "boolean"),
    ("stream_options", "object"),
    ("stream_options.include_usage", "boolean"),
    ("parallel_tool_calls", "boolean"),
    *((name, "integer") for name in ("n", "max_tokens", "max_completion_tokens", "top_logprobs", "seed")),
    *((name, "number") for name in ("temperature", "top_p", "frequency_penalty", "presence_penalty")),
    ("logit_bias", "object"),
    ("logit_bias.50256", "number"),
    ("stop", "string or array"),
    ("stop[0]", "string"),
    ("response_format", "object"),
    ("response_format.type", "string"),
    ("response_format.json_schema", "object"),
    ("response_format.json_schema.name", "string"),
    ("logprobs", "boolean"),
    ("modalities", "array"),
    ("modalities[0]", "string"),
    *((name, "string") for name in ("reasoning_effort", "verbosity", "service_tier", "user")),
    *((name, "string") for name in ("safety_identifier", "prompt_cache_key", "session_id", "metadata.session_id")),
    ("metadata", "object"),
)


def _required(path: str, *more: Any, code: str = "missing_required_parameter") -> tuple[Row, ...]:
    return tuple(Row(path, value, code) for value in (ABSENT, None, *more))


_CALL = {"id": "call_9", "type": "function", "function": {"name": "now", "arguments": "{}"}}
_RESULT = {"role": "tool", "tool_call_id": "call_1", "content": ""}
_TOOL = {"type": "function", "function": {"name": "now"}}
_ALLOWED = "tool_choice.allowed_tools"


def _allowed(**changes: Any) -> Json:
    tools = [{"type": "function", "function": {"name": "now"}}]
    return {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": tools, **changes}}


def _outside(name: str, low: Any, high: Any, kind: str) -> tuple[Row, ...]:
    below = tuple(Row(name, value, f"{kind}_below_min_value") for value in low)
    return below + tuple(Row(name, value, f"{kind}_above_max_value") for value in high)


_RULES: tuple[Row, ...] = (
    *_required("model", ""),
    Row("model", "m" * 257, "string_above_max_length"),
    *_required("messages"),
    Row("messages", [], "empty_array"),
    Row("messages", [{"role": "user", "content": ""}] * 10_001, "array_above_max_length"),
    *(Row(f"messages[{index}]", None, "invalid_type") for index in range(8)),
    *(row for index in range(8) for row in _required(f"messages[{index}].role")),
    *(Row("messages[6].role", role, "invalid_value") for role in ("", "User", "bot", 0, True, [], {})),
    *(row for index in (0, 1, 2, 7) for row in _required(f"messages[{index}].content")),
    *(Row(f"messages[{index}].content", [], "empty_array") for index in (0, 1, 2, 7)),
    *_required("messages[2].content[0].type"),
    *_required("messages[2].content[0].text"),
    *_required("messages[4].content[0].text"),
    *(Row(f"messages[{index}].tool_calls", [_CALL], "invalid_value") for index in (0, 1, 2, 4, 7)),
    Row("messages[3].tool_calls[0].type", "tool", "invalid_value"),
    *_required("messages[3].tool_calls[0].id", ""),
    Row("messages[3].tool_calls[0].id", "i" * 257, "string_above_max_length"),
    Row("messages[3].tool_calls[1].id", "call_1", "duplicate_tool_call_id"),
    *_required("messages[3].tool_calls[0].function"),
    *_required("messages[3].tool_calls[1].function.name", ""),
    *_required("messages[3].tool_calls[1].function.arguments"),
    *(Row("messages[3].tool_calls[0].function.arguments", value, "invalid_type") for value in (0, True, [])),
    *(
        Row(f"messages[{index}]", _RESULT, "missing_assistant_tool_calls", f"messages[{index}].role")
        for index in (0, 2, 7)
    ),
    *_required("messages[5].tool_call_id", "", code="missing_tool_call_id"),
    Row("messages[5].tool_call_id", "call_7", "tool_call_id_mismatch"),
    Row("messages[5].tool_call_id", "call_2", "duplicate_tool_call_id"),
    Row("messages[4].name", "now", "tool_name_mismatch"),
    Row("messages[5]", {"role": "user", "content": "Well?"}, "missing_tool_result", "messages[3].tool_calls[0].id"),
    Row("messages[4]", {"role": "system", "content": ""}, "missing_tool_result", "messages[3].tool_calls[0].id"),
    Row(
        "messages[7]",
        {"role": "assistant", "tool_calls": [_CALL]},
        "missing_tool_result",
        "messages[7].tool_calls[0].id",
    ),
    Row("messages[3].function_call", {"name": "now", "arguments": "{}"}, "invalid_value"),
    Row(
        "messages[6].function_call", {"arguments": "{}"}, "missing_required_parameter", "messages[6].function_call.name"
    ),
    Row(
        "messages[6].function_call", {"name": "f"}, "missing_required_parameter", "messages[6].function_call.arguments"
    ),
    Row("messages[6].function_call", {"name": "f", "arguments": "{}"}, "missing_tool_result"),
    Row("messages[7]", {"role": "function", "name": "f"}, "missing_assistant_tool_calls", "messages[7].role"),
    Row("tools", [_TOOL] * 129, "array_above_max_length"),
    Row("tools", [{}], "missing_required_parameter", "tools[0].type"),
    Row("tools", [{"type": "function"}], "missing_required_parameter", "tools[0].function"),
    Row("tools", [{"name": "a b"}], "invalid_value", "tools[0].name"),
    *_required("tools[0].function.name"),
    *(Row("tools[1].function.name", name, "invalid_value") for name in ("", "a b", "é", "a/b", "n" * 129, "a\n")),
    Row("tools[1].function.name", "now", "duplicate_tool_name"),
    *(Row("tool_choice", mode, "invalid_value") for mode in ("", "any", "Auto")),
    *_required("tool_choice.type", ""),
    *_required("tool_choice.function"),
    *_required("tool_choice.function.name"),
    Row("tool_choice.function.name", "later", "unknown_tool"),
    Row("tool_choice", {"type": "allowed_tools"}, "missing_required_parameter", _ALLOWED),
    Row("tool_choice", _allowed(mode="none"), "invalid_value", f"{_ALLOWED}.mode"),
    Row("tool_choice", _allowed(mode=None), "missing_required_parameter", f"{_ALLOWED}.mode"),
    Row("tool_choice", _allowed(tools=None), "missing_required_parameter", f"{_ALLOWED}.tools"),
    Row("tool_choice", _allowed(tools={}), "invalid_type", f"{_ALLOWED}.tools"),
    Row("tool_choice", _allowed(tools=[]), "invalid_value", f"{_ALLOWED}.tools"),
    Row("tool_choice", _allowed(tools=[0]), "invalid_type", f"{_ALLOWED}.tools[0]"),
    Row(
        "tool_choice",
        _allowed(tools=[{"type": "function", "function": {"name": "later"}}]),
        "unknown_tool",
        f"{_ALLOWED}.tools[0].function.name",
    ),
    *(Row("tools", nothing, "invalid_value", "tool_choice") for nothing in (ABSENT, None, [])),
    Row("functions", [{"name": "f"}], "invalid_value"),
    Row("function_call", "auto", "invalid_value"),
    Row("stream", False, "invalid_value", "stream_options"),
    Row("stream", ABSENT, "invalid_value", "stream_options"),
    *_outside("n", (0, -1), (129, 10**30), "integer"),
    *_outside("max_tokens", (0, -1), (), "integer"),
    *_outside("max_completion_tokens", (0, -(10**20)), (), "integer"),
    Row("max_completion_tokens", 101, "invalid_value"),
    *_outside("temperature", (-0.1, -1e308), (2.1, 3, 10**299), "decimal"),
    *_outside("top_p", (-0.1,), (1.1, 2), "decimal"),
    *_outside("frequency_penalty", (-2.1,), (2.1,), "decimal"),
    *_outside("presence_penalty", (-3,), (3,), "decimal"),
    Row("stop", [], "empty_array"),
    Row("stop", ["a", "b", "c", "d", "e"], "array_above_max_length"),
    Row("stop", ["a", ""], "invalid_value", "stop[1]"),
    Row("stop", ["a", None], "invalid_type", "stop[1]"),
    *_required("response_format.type", ""),
    Row("response_format.type", "yaml", "invalid_value"),
    *_required("response_format.json_schema"),
    *_required("response_format.json_schema.name", ""),
    *_outside("top_logprobs", (-1,), (21,), "integer"),
    Row("top_logprobs", 1, "invalid_value"),
    *(Row("seed", value, "invalid_value") for value in (2**63, -(2**63) - 1, 10**30)),
    *(Row("logit_bias.50256", value, "invalid_value") for value in (100.5, -101)),
    Row("logit_bias.50256", None, "invalid_type"),
    Row("logit_bias", {"a long key, maybe of a prompt": 101}, "invalid_value"),
    *(Row(name, "u" * 1025, "string_above_max_length") for name in ("user", "safety_identifier", "prompt_cache_key")),
    *(
        Row(path, value, "invalid_value")
        for path in ("session_id", "metadata.session_id")
        for value in ("", "a b", "a/b", "é", "i" * 129, "a\r\nb")
    ),
)

_IMAGE = {"type": "image_url", "image_url": {"url": "https://example.org/cat.png"}}
_PART = "messages[2].content[1]"

_ELSEWHERE: tuple[Row, ...] = (
    *(Row("n", n, "unsupported_value") for n in (2, 2.0, 128)),
    Row("logprobs", True, "unsupported_value"),
    Row("modalities", ["text", "audio"], "unsupported_value"),
    *(Row("tools[0].type", kind, "unsupported_tool_type") for kind in ("custom", "web_search", "")),
    Row("tool_choice.type", "custom", "invalid_value"),
    Row("messages[3].tool_calls[0].type", "custom", "invalid_value"),
    Row(_PART, _IMAGE, "unsupported_content_part"),
    *(Row(f"{_PART}.type", kind, "unsupported_content_part", _PART) for kind in ("image_url", "input_audio", "file")),
    *(Row(f"{_PART}.type", kind, "unsupported_content_part", _PART) for kind in ("refusal", "hologram", "")),
    Row("messages[4].content[0]", _IMAGE, "unsupported_content_part"),
    *(Row("messages", [{"role": role, "content": "Hello."}], "invalid_value") for role in ("system", "assistant")),
)


def _typed_rows() -> tuple[Row, ...]:
    return tuple(Row(path, value, "invalid_type") for path, expected in _TYPED for value in _WRONG[expected])


def _broken(rows: tuple[Row, ...], model: str) -> Iterator[Malformed]:
    """Break the rich body by each row; and the plain one, where the row is about a top-level member's type alone."""
    for row in rows:
        yield _break("rich", rich_body(model), row)
        if row.code == "invalid_type" and row.path.isidentifier():
            yield _break("plain", plain_body(model), row)


def _break(name: str, body: Json, row: Row) -> Malformed:
    *parents, last = re.findall(r"[^.\[\]]+", row.path)
    node: Any = body
    for step in parents:
        node = node[_key(node, step)]
    if row.value is ABSENT:
        del node[last]
        told = "absent"
    else:
        node[_key(node, last)] = row.value
        told = json.dumps(row.value)
    raw = json.dumps(body).encode()
    return Malformed(f"{name} {row.path}: {told[:60]}", raw, 400, row.code, row.param or row.path)


def _key(node: Any, step: str) -> str | int:
    return int(step) if type(node) is list else step


def _not_objects() -> Iterator[Malformed]:
    for text in ("[]", "[{}]", '"x"', "1", "1.5", "true", "false", "null", " []\n", "\ufeff[]"):
        yield Malformed(f"not an object: {ascii(text)}", text.encode(), 400, "invalid_type", None)


def _not_json(model: str) -> Iterator[Malformed]:
    """Bytes that are no JSON at all, and JSON with something in it that could hurt."""
    whole = json.dumps(rich_body(model)).encode()
    start = json.dumps(plain_body(model)).encode()[:-1]
    cases = {f"cut after {end} bytes": whole[:end] for end in range(0, len(whole), len(whole) // 64)}
    cases |= {f"not JSON: {text!r}": text for text in _NOT_JSON}
    cases |= {
        f"a member that is not JSON: {text[:24]!r} of {len(text)}": start + b',"x":' + text + b"}"
        for text in _NOT_A_VALUE
    }
    cases |= {
        f"whole, then {text!r}": whole + text for text in (b"{}", b",", b"}", b"x", b"\0", b"\xef\xbb\xbf", b" null")
    }
    for encoding in ("utf-16", "utf-16-le", "utf-32", "utf-7"):
        cases[f"in {encoding}"] = '{"model":"é+"}'.encode(encoding)
    for label, raw in cases.items():
        yield Malformed(label, raw, 400, "invalid_json", None)


_NOT_JSON: tuple[bytes, ...] = (
    b" ",
    b"\xef\xbb\xbf",
    b"\xef\xbb\xbf\xef\xbb\xbf{}",
    b"{",
    b"}",
    b"{'a':1}",
    b"{a:1}",
    b'{"a":1,}',
    b'{"a" 1}',
    b'{"a":1 "b":2}',
    b'{"a":1}//',
    b'/**/{"a":1}',
    b"model=demo&messages=x",
    b"<html></html>",
    b"undefined",
    b"NaN",
    b"[" * 65 + b"]" * 65,
    b"[" * 100_000,
    b'{"a":' * 100_000,
)
_NOT_A_VALUE: tuple[bytes, ...] = (
    *(b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999", b"1" + b"0" * 400 + b".5"),
    *(b"01", b"+1", b".5", b"1.", b"0x10", b"1_000", b"--1", b"1e", b"tru", b"None", b"True", b"'x'"),
    *(b"9" * digits for digits in (301, 308, 309, 5_000, 100_000)),
    *(b"-" + b"9" * digits for digits in (301, 309)),
    *(b'"\\x"', b'"\\u12"', b'"\\ud8"', b'"\\', b'"open', b'"a\x01b"', b'"a\nb"', b'"a\tb"'),
    *(b'"\xff"', b'"\xc0\x80"', b'"\xed\xa0\x80"', b'"\xf5\x80\x80\x80"', b'"\xe2\x82"'),
    *(b"[" * depth + b"]" * depth for depth in (64, 65, 128, 1_100)),
    *(b'{"a":' * depth + b"1" + b"}" * depth for depth in (64, 65, 900)),
    b'[{"a":' * 32 + b"1" + b"}]" * 32,
    *(b"[1,]", b"[,]", b"{,}", b'{"a":1,}', b"[1 2]", b""),
)

MALFORMED: list[Malformed] = malformed_bodies()
MALFORMED_ELSEWHERE: list[Malformed] = malformed_elsewhere()
