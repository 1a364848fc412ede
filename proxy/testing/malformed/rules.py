"""The rules of a request's members, as what breaks them: one row, one refusal."""

from typing import Any, NamedTuple

from proxy.testing.malformed.bodies import Json

ABSENT = object()
"""As the value of a row: the member is left out."""


class Row(NamedTuple):
    """Put *value* at *path* of a valid body: it is refused with *code*, at *param*, or at *path* if that is None."""

    path: str
    value: Any
    code: str
    param: str | None = None


def _required(path: str, *more: Any, code: str = "missing_required_parameter") -> tuple[Row, ...]:
    return tuple(Row(path, value, code) for value in (ABSENT, None, *more))


_NOT_ROLES: tuple[Any, ...] = ("", "User", "bot", 0, True, [], {})
_NOT_ARGUMENTS: tuple[Any, ...] = (0, True, [])
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


RULES: tuple[Row, ...] = (
    *_required("model", ""),
    Row("model", "m" * 257, "string_above_max_length"),
    *_required("messages"),
    Row("messages", [], "empty_array"),
    Row("messages", [{"role": "user", "content": ""}] * 10_001, "array_above_max_length"),
    *(Row(f"messages[{index}]", None, "invalid_type") for index in range(8)),
    *(row for index in range(8) for row in _required(f"messages[{index}].role")),
    *(Row("messages[6].role", role, "invalid_value") for role in _NOT_ROLES),
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
    *(Row("messages[3].tool_calls[0].function.arguments", value, "invalid_type") for value in _NOT_ARGUMENTS),
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
    *_required("tool_choice.type"),
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
    Row("stream", value=False, code="invalid_value", param="stream_options"),
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
    *_required("response_format.type"),
    *(Row("response_format.type", kind, "invalid_value") for kind in ("", "yaml", "JSON_OBJECT")),
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

ELSEWHERE: tuple[Row, ...] = (
    *(Row("n", n, "unsupported_value") for n in (2, 2.0, 128)),
    Row("logprobs", value=True, code="unsupported_value"),
    Row("modalities", ["text", "audio"], "unsupported_value"),
    *(Row("tools[0].type", kind, "unsupported_tool_type") for kind in ("custom", "web_search", "")),
    *(Row("tool_choice.type", kind, "invalid_value") for kind in ("", "custom")),
    Row("messages[3].tool_calls[0].type", "custom", "invalid_value"),
    Row(_PART, _IMAGE, "unsupported_content_part"),
    *(Row(f"{_PART}.type", kind, "unsupported_content_part", _PART) for kind in ("image_url", "input_audio", "file")),
    *(Row(f"{_PART}.type", kind, "unsupported_content_part", _PART) for kind in ("refusal", "hologram", "")),
    Row("messages[4].content[0]", _IMAGE, "unsupported_content_part"),
    *(Row("messages", [{"role": role, "content": "Hello."}], "invalid_value") for role in ("system", "assistant")),
)
