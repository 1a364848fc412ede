"""Token counts and finish reasons as the site writes them."""

from typing import Any

from proxy.errors import UpstreamFailed
from proxy.wire.events import Usage
from proxy.wire.finish import FAILED, UNKNOWN_MEANS, names_no_finish, read_finish
from proxy.wire.mix.ids import JsonDict, containers

_PROMPT = ("inputTokens", "promptTokens", "input_tokens", "prompt_tokens")
_COMPLETION = ("outputTokens", "completionTokens", "output_tokens", "completion_tokens")
_TOTAL = ("totalTokens", "total_tokens")


def read_counts(raw: Any) -> Usage | None:
    """The token counts in an object; None for what is not whole, and for zeros, which mean that nobody has counted."""
    if type(raw) is not dict:
        return None
    prompt, completion = _count(raw, _PROMPT), _count(raw, _COMPLETION)
    if prompt is None or completion is None or not prompt + completion:
        return None
    return Usage(prompt, completion, _count(raw, _TOTAL) or prompt + completion)


def usage_in(told: JsonDict) -> Usage | None:
    """The counts that stand as `usage` anywhere in an object."""
    return next((counts for place in containers(told) if (counts := read_counts(place.get("usage")))), None)


def finish_in(told: JsonDict) -> str | None:
    """The finish reason anywhere in an object; None if there is none.  Raises `UpstreamFailed` for a bad end."""
    for place in containers(told):
        for name in ("finishReason", "finish_reason"):
            word = place.get(name)
            if type(word) is str and not names_no_finish(word):
                reason = read_finish(word) or UNKNOWN_MEANS
                if reason == FAILED:
                    raise UpstreamFailed(detail="the finish reason means a failure")
                return reason
    return None


def _count(raw: JsonDict, names: tuple[str, ...]) -> int | None:
    values = (raw.get(name) for name in names)
    return next((int(value) for value in values if isinstance(value, int | float) and value >= 0), None)
