"""Unknown keys of an upstream: which of them are passed on, and how the pieces of a stream add up to one answer."""

import copy
from typing import Any

from proxy.wire.events import Extras

OWNED = frozenset(
    {
        *("id", "object", "created", "model", "choices", "usage", "session_id", "error"),
        *("index", "delta", "message", "text", "logprobs", "finish_reason"),
        *("role", "content", "refusal", "reasoning", "reasoning_content", "tool_calls", "function_call"),
    }
)
"""Keys that the renderer alone writes; an upstream's never pass."""

CALL_OWNED = frozenset({"type", "function", "custom"})
"""The same, in an entry of `tool_calls`."""

STABLE = ("system_fingerprint", "service_tier")
"""Keys of a chunk that hold for the whole answer: once known, they are told in every chunk."""

SERVICE_TIERS = frozenset({"auto", "default", "flex", "scale", "priority", "fast"})
"""The words that the public schema knows; any other would make the whole chunk invalid."""

Members = dict[str, Any]


def chunk_members(extras: Extras) -> Members:
    """What passes at the top level.  `system_fingerprint` and `service_tier` only as strings that the schema allows."""
    members = _foreign(extras.chunk)
    fingerprint = members.get("system_fingerprint")
    if not (isinstance(fingerprint, str) and fingerprint):
        members.pop("system_fingerprint", None)
    tier = members.get("service_tier")
    if not (isinstance(tier, str) and tier in SERVICE_TIERS):
        members.pop("service_tier", None)
    return members


def choice_members(extras: Extras) -> Members:
    """What passes in the choice, beside its log probabilities."""
    return _foreign(extras.choice)


def delta_members(extras: Extras) -> Members:
    """What passes in the delta."""
    return _foreign(extras.delta)


def call_members(extras: Extras) -> Members:
    """What passes in an entry of `tool_calls`, beside what the call itself is."""
    return {key: value for key, value in _foreign(extras.call).items() if key not in CALL_OWNED}


def choice_logprobs(extras: Extras) -> Members | None:
    """Log probabilities as the schema wants them, `{"content": list or null, "refusal": list or null}`, or None.

    Keys of a token that many upstreams leave out are filled in; a shape that is not of Chat Completions is dropped.
    """
    given = (extras.choice or {}).get("logprobs")
    if not isinstance(given, dict):
        return None
    lists = {key: _tokens(given.get(key)) for key in ("content", "refusal")}
    return lists if any(tokens is not None for tokens in lists.values()) else None


def _tokens(given: Any) -> list[Members] | None:
    if not isinstance(given, list):
        return None
    return [
        {**_token(token), "top_logprobs": [_token(top) for top in _objects(token.get("top_logprobs"))]}
        for token in _objects(given)
    ]


def _token(given: Members) -> Members:
    return {"token": "", "logprob": -9999.0, "bytes": None, **given}  # -9999.0 is the schema's "very unlikely"


def _objects(given: Any) -> list[Members]:
    return [item for item in given if isinstance(item, dict)] if isinstance(given, list) else []


def _foreign(members: Members | None) -> Members:
    return {key: value for key, value in members.items() if key not in OWNED} if members else {}


def add_logprobs(total: Members | None, piece: Members | None) -> Members | None:
    """Log probabilities of a whole are those of its pieces, one after the other; *total* is added to in place."""
    if total is None or piece is None:
        return piece if total is None else total
    for key, tokens in piece.items():
        if total[key] is None:
            total[key] = tokens
        elif tokens is not None:
            total[key].extend(tokens)
    return total


def accumulate(total: Members, piece: Members) -> None:
    """Add the unknown keys of a delta to those of the deltas before it, as official clients do.

    Strings are joined, lists are extended, objects are merged; items of a list that carry an `index` are merged by it.
    `index` and `type` are names, not pieces, and like numbers and the rest the last one wins; null changes nothing.
    """
    for key, value in piece.items():
        known = total.get(key)
        if isinstance(known, str) and isinstance(value, str) and key not in ("index", "type"):
            total[key] = known + value
        elif isinstance(known, dict) and isinstance(value, dict):
            accumulate(known, value)
        elif isinstance(known, list) and isinstance(value, list):
            _extend(known, value)
        elif value is not None:
            total[key] = copy.deepcopy(value)


def _extend(total: list[Any], piece: list[Any]) -> None:
    for item in piece:
        same = _item_of_index(total, item.get("index")) if isinstance(item, dict) else None
        if same is None:
            total.append(copy.deepcopy(item))
        else:
            accumulate(same, item)


def _item_of_index(items: list[Any], index: Any) -> Members | None:
    if index is None:
        return None
    return next((item for item in items if isinstance(item, dict) and item.get("index") == index), None)
