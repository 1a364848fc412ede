"""Unknown keys: what an upstream adds to chunks, choices and deltas, kept so that the renderer can merge it back."""

from typing import Any, TypeAlias

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

_USUAL_CHUNK_KEYS = CHUNK_KEYS.union(_MARKS)
_USUAL_CHOICE_KEYS = CHOICE_KEYS | {"logprobs"}

Part: TypeAlias = dict[str, Any] | None
"""The unknown keys of one object; None if there are none."""


def unknown_keys(value: dict[str, Any], known: frozenset[str]) -> Part:
    """Give the items of *value* that are neither *known* nor null."""
    if known.issuperset(value):
        return None
    return {key: found for key, found in value.items() if key not in known and found is not None} or None


class ExtrasKeeper:
    """Makes the `Extras` of one stream; equal ones that follow each other are one object.

    The marks of a chunk that becomes no event are kept for the next one: every chunk bears them, or only the first.
    """

    __slots__ = ("_kept_marks", "_last", "_usual", "_usual_marks")

    def __init__(self) -> None:
        self._last: Extras | None = None
        self._kept_marks: Part = None
        self._usual_marks: tuple[Any, Any] = (None, None)
        self._usual: Extras | None = None  # what the usual marks make

    def for_text(self, chunk: dict[str, Any], choice: dict[str, Any]) -> Extras | None:
        """Give the extras of a chunk that is one text: at once if, as usual, it bears the marks of the last one."""
        usual = self._kept_marks is None and choice.get("logprobs") is None and _USUAL_CHOICE_KEYS.issuperset(choice)
        if not usual or not _USUAL_CHUNK_KEYS.issuperset(chunk):
            return self.for_event(self.of_chunk(chunk), unknown_keys(choice, CHOICE_KEYS), None)
        marks = (chunk.get("system_fingerprint"), chunk.get("service_tier"))
        if marks != self._usual_marks:
            self._usual_marks = marks
            self._usual = self.for_event(self.of_chunk(chunk), None, None)
        return self._usual

    def of_chunk(self, chunk: dict[str, Any]) -> Part:
        """Give the unknown keys of a chunk, marks only if they are non-empty strings, and the marks that were kept."""
        found = unknown_keys(chunk, CHUNK_KEYS)
        if found is not None:
            for name in _MARKS:
                mark = found.get(name)
                if mark is not None and not (type(mark) is str and mark):
                    del found[name]
        if self._kept_marks is not None:
            found = self._kept_marks | (found or {})
            self._kept_marks = None
        return found or None

    def for_event(self, chunk: Part, choice: Part, delta: Part) -> Extras | None:
        """Give the extras of an event, or None."""
        if chunk is None and choice is None and delta is None:
            return None
        last = self._last
        if last is None or last.chunk != chunk or last.choice != choice or last.delta != delta:
            self._last = last = Extras(chunk, choice, delta)
        return last

    def without_event(self, chunk: Part, choice: Part, delta: Part) -> Extras | None:
        """Give the extras of a chunk that became no event; None if there are none but marks, which can wait."""
        if choice is None and delta is None and (chunk is None or all(key in _MARKS for key in chunk)):
            self._kept_marks = chunk
            return None
        return self.for_event(chunk, choice, delta)
