"""One choice of an answer: its deltas become events, its finish reason is held until the end."""

from collections import Counter
from typing import Any, TypeAlias

from proxy.errors import UpstreamFailed, UpstreamProtocolError
from proxy.wire.events import Finished, ReasoningDelta, RefusalDelta, StreamEvent, TextDelta
from proxy.wire.finish import FAILED, UNKNOWN_MEANS, names_no_finish, read_finish
from proxy.wire.upstream.calls import CallAssembler, CallIds
from proxy.wire.upstream.reading import Anomaly, Reading
from proxy.wire.upstream.text import Snapshot, Texts, ThinkSplitter, read_text

_Said: TypeAlias = type[TextDelta] | type[ReasoningDelta] | type[RefusalDelta]


class ChoiceReader:
    """Takes the deltas of one choice and appends the events that they become.

    `finish` is the last finish reason that came, None before the first; `produced` tells that any event was made.
    """

    __slots__ = ("_anomalies", "_calls", "_ids", "_reading", "_snapshots", "_thinking", "finish", "index", "produced")

    def __init__(self, index: int, reading: Reading, ids: CallIds, anomalies: Counter[str]) -> None:
        self.index = index
        self.finish: str | None = None
        self.produced = False
        self._reading = reading
        self._ids = ids
        self._anomalies = anomalies
        self._calls: CallAssembler | None = None
        self._snapshots: dict[_Said, Snapshot] = {}
        self._thinking = ThinkSplitter() if reading.think_tags else None

    @property
    def ends_inside_call(self) -> bool:
        """Whether the last call's arguments are cut."""
        return self._calls is not None and self._calls.last_is_cut

    def take_delta(self, delta: dict[str, Any], events: list[StreamEvent]) -> None:
        """Take what `delta` (or `message`) holds.  Raises UpstreamProtocolError."""
        first = len(events)
        if len(delta) > 1 or "tool_calls" not in delta:
            self._take_texts(delta, events)
        fragments = delta.get("tool_calls") or _legacy_fragments(delta.get("function_call"))
        if fragments:
            self._take_calls(fragments, events)
        if len(events) > first:
            self.produced = True
            if self.finish is not None:
                self._anomalies[Anomaly.CONTENT_AFTER_FINISH] += 1

    def take_finish(self, word: Any) -> bool:
        """Take `finish_reason`; give whether it is one.  Raises UpstreamFailed for one that means failure."""
        if word is None:
            return False
        if type(word) is not str:
            raise UpstreamProtocolError(detail="finish_reason is no string")
        if names_no_finish(word):
            return False
        reason = read_finish(word)
        if reason == FAILED:
            raise UpstreamFailed(detail=f"finish_reason {word.lower()}")
        if reason is None:
            self._anomalies[Anomaly.UNKNOWN_FINISH] += 1
        if self.finish is not None:
            self._anomalies[Anomaly.FINISH_REPEATED] += 1
        self.finish = reason or UNKNOWN_MEANS
        return True

    def settle(self, events: list[StreamEvent]) -> Finished:
        """Append what was held back; give the end of the choice.

        Raises UpstreamProtocolError for a call whose name never came, except where the answer was cut anyway.
        """
        self._flush(events)
        if self._calls is not None and self._calls.nameless:
            if self.finish != "length":
                raise UpstreamProtocolError(detail="a tool call's name never came")
            self._anomalies[Anomaly.CALL_DROPPED] += self._calls.nameless
        if not self.produced:
            self._anomalies[Anomaly.EMPTY] += 1
        return Finished(self.finish or "stop", self.index)

    def _take_texts(self, delta: dict[str, Any], events: list[StreamEvent]) -> None:
        content = read_text(delta.get("content"), "content")
        reasoning = _reasoning_of(delta)
        refusal = read_text(delta.get("refusal"), "refusal")
        ignored = content.ignored + reasoning.ignored + refusal.ignored
        if ignored:
            self._anomalies[Anomaly.PART_IGNORED] += ignored
        self._say(ReasoningDelta, self._new(ReasoningDelta, reasoning.text + content.reasoning), events)
        text = self._new(TextDelta, content.text)
        self._say_split(self._thinking.split(text) if self._thinking and text else Texts(text), events)
        self._say(RefusalDelta, self._new(RefusalDelta, refusal.text), events)

    def _take_calls(self, fragments: Any, events: list[StreamEvent]) -> None:
        self._flush(events)
        if self._calls is None:
            self._calls = CallAssembler(self.index, self._ids, self._reading.arguments)
        self._calls.take(fragments, events)

    def _new(self, said: _Said, text: str) -> str:
        """Give what of *text* is new."""
        if not text or self._reading.text == "delta":
            return text
        return self._snapshots.setdefault(said, Snapshot()).extension(text)

    def _say(self, said: _Said, text: str, events: list[StreamEvent]) -> None:
        if text:
            events.append(said(text, self.index))

    def _say_split(self, texts: Texts, events: list[StreamEvent]) -> None:
        self._say(ReasoningDelta, texts.reasoning, events)
        self._say(TextDelta, texts.text, events)

    def _flush(self, events: list[StreamEvent]) -> None:
        """Say what was held back as a possible tag: what follows shows that it is none."""
        if self._thinking is not None:
            first = len(events)
            self._say_split(self._thinking.flush(), events)
            self.produced = self.produced or len(events) > first


def _reasoning_of(delta: dict[str, Any]) -> Texts:
    """Read the reasoning from where it stands; servers that write both names write the same under both.

    An object in its place is somebody's own invention, and no reason to lose the answer.
    """
    value = delta.get("reasoning_content") or delta.get("reasoning")
    return read_text(value, "reasoning") if not value or type(value) in (str, list) else Texts(ignored=1)


def _legacy_fragments(function_call: Any) -> list[dict[str, Any]] | None:
    """Give `function_call`, the older form, as fragments: it is the one call of its choice."""
    return None if function_call is None else [{"index": 0, "function": function_call}]
