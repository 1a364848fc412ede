"""Unknown keys: what an upstream adds to chunks, choices and deltas, kept so that the renderer can merge it back."""

from functools import lru_cache
from typing import Any

from proxy.wire.events import Extras

_RENDERED = frozenset(
    {
        "id",
        "object",
        "created",
        "model",
        "choices",
        "usage",
        "index",
        "finish_reason",
        "role",
        "content",
        "tool_calls",
        "function_call",
    }
)
"""The renderer writes these itself, wherever an upstream puts them."""

_PADDING = frozenset({"obfuscation"})  # against traffic analysis on the way to us; of no use beyond

CHUNK_KEYS = _RENDERED | _PADDING | {"error"}
CHOICE_KEYS = _RENDERED | _PADDING | {"delta", "message", "text", "error"}
DELTA_KEYS = _RENDERED | _PADDING | {"reasoning_content", "reasoning", "refusal"}
CALL_KEYS = _RENDERED | _PADDING | {"type", "function", "custom"}

_MARKS = ("system_fingerprint", "service_tier")  # these alone make no frame of a chunk that says nothing else
_MAX_CACHED_KEYS = 32  # what real servers send is shorter; longer ones must not fill the cache


def unknown_keys(value: dict[str, Any], known: frozenset[str]) -> dict[str, Any] | None:
    """Give the items of *value* that are neither *known* nor null; None if there are none."""
    keys = tuple(value)
    names = _unknown_names(keys, known) if len(keys) <= _MAX_CACHED_KEYS else _unknown_names.__wrapped__(keys, known)
    if not names:
        return None
    return {name: found for name in names if (found := value[name]) is not None} or None


@lru_cache(maxsize=1024)
def _unknown_names(keys: tuple[str, ...], known: frozenset[str]) -> tuple[str, ...]:
    """An upstream sends a handful of shapes; each is looked at once."""
    return tuple(key for key in keys if key not in known)


class ExtrasKeeper:
    """Makes the `Extras` of one stream; equal ones that follow each other are one object."""

    __slots__ = ("_last", "_marks")

    def __init__(self) -> None:
        self._last: Extras | None = None
        self._marks: dict[str, Any] | None = None  # of a chunk that said nothing else, for the next event to carry

    def of_chunk(self, chunk: dict[str, Any]) -> dict[str, Any] | None:
        """Give the unknown keys of a chunk; the two marks only if they are non-empty strings."""
        found = unknown_keys(chunk, CHUNK_KEYS)
        if found is None:
            return None
        for name in _MARKS:
            mark = found.get(name)
            if mark is not None and not (type(mark) is str and mark):
                del found[name]
        return found or None

    def for_event(
        self, chunk: dict[str, Any] | None, choice: dict[str, Any] | None, delta: dict[str, Any] | None
    ) -> Extras | None:
        """Give the extras of an event, or None."""
        if self._marks is not None:
            chunk = self._marks if chunk is None else self._marks | chunk
            self._marks = None
        if chunk is None and choice is None and delta is None:
            return None
        last = self._last
        if last is None or last.chunk != chunk or last.choice != choice or last.delta != delta:
            self._last = last = Extras(chunk, choice, delta)
        return last

    def without_event(
        self, chunk: dict[str, Any] | None, choice: dict[str, Any] | None, delta: dict[str, Any] | None
    ) -> Extras | None:
        """Give the extras of a chunk that became no event; None if there are none, or marks that can wait."""
        if choice is None and delta is None and (chunk is None or all(name in _MARKS for name in chunk)):
            if chunk is not None:
                self._marks = chunk
            return None
        return self.for_event(chunk, choice, delta)
