"""Token counts as upstreams write them."""

from typing import Any

from proxy.wire.events import Usage


def read_usage(raw: Any) -> Usage | None:
    """Read *raw*: `prompt_tokens`, `completion_tokens`, `total_tokens`, or `input_tokens`, `output_tokens`.

    A missing total is the sum.  None for what is not whole: a count is missing, negative or no number.
    """
    if type(raw) is not dict:
        return None
    prompt = _count(raw, "prompt_tokens", "input_tokens")
    completion = _count(raw, "completion_tokens", "output_tokens")
    if prompt is None or completion is None:
        return None
    return Usage(
        prompt,
        completion,
        _count(raw, "total_tokens") or prompt + completion,
        _details(raw, "prompt_tokens_details", "input_tokens_details"),
        _details(raw, "completion_tokens_details", "output_tokens_details"),
    )


def _count(raw: dict[str, Any], *names: str) -> int | None:
    for name in names:
        value = raw.get(name)
        if type(value) is float and value.is_integer():
            value = int(value)
        if type(value) is int and value >= 0:
            return value
    return None


def _details(raw: dict[str, Any], *names: str) -> dict[str, Any] | None:
    for name in names:
        value = raw.get(name)
        if type(value) is dict:
            return {key: count for key, count in value.items() if count is not None} or None
    return None
