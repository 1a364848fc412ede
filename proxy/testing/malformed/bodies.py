"""The valid bodies that are broken."""

from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]


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
