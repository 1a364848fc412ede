"""A streamed answer of the site: bytes to events, whatever the bytes' cuts.

    data: {"type":"start","messageId":"exch-0c9a","messageMetadata":{"sessionId":"sess-7f21"}}
    data: {"type":"text-delta","id":"t0","delta":"It is sunny."}
    data: {"type":"finish"}
    data: {"type":"data-usage","data":{"inputTokens":21,"outputTokens":4}}
    data: [DONE]

After `finish` usage and late ids may still come; the final events are held until the end mark, or until nobody waits.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from proxy.errors import (
    TurnstileError,
    UpstreamContentFiltered,
    UpstreamDisconnected,
    UpstreamEmptyAnswer,
    UpstreamProtocolError,
    UpstreamTruncated,
)
from proxy.wire.events import Finished, Opened, ReasoningDelta, StreamEvent, TextDelta, ToolCallDelta, Usage
from proxy.wire.mix.classes import Told, error_text, fault_of_text, status_in
from proxy.wire.mix.counts import finish_in, read_counts, usage_in
from proxy.wire.mix.ids import Ids, JsonDict
from proxy.wire.upstream import PayloadReader
from proxy.wire.upstream.payloads import Payload

_TEXTS = ("delta", "text", "textDelta")
_REASONING = ("reasoning-delta", "reasoning")
_CALLS = ("tool-input-available", "tool-input")


class MixReader:
    """Reads the event stream of one answer.

    Each read is given to `feed`, the end of bytes to `end`; both give the events that follow, and never raise.  What
    went wrong is in `failure`, to be raised after the events before it were passed on.  The answer is whole when
    `complete`; while `finishing` only usage, ids and the end mark can still come.  *tool_names*: the tools that the
    site may call for us; calls of others are its own doings.
    """

    def __init__(
        self,
        told: Told,
        *,
        max_event_bytes: int,
        make_call_id: Callable[[], str],
        session_id: str | None = None,
        tool_names: frozenset[str] = frozenset(),
        accepts_empty: bool = True,
    ) -> None:
        self.failure: TurnstileError | None = None
        self.complete = False
        self.finishing = False
        self.ids = Ids(session_id)
        self.ignored: Counter[str] = Counter()
        self._told = told
        self._payloads = PayloadReader(max_event_bytes)
        self._make_call_id = make_call_id
        self._tool_names = tool_names
        self._accepts_empty = accepts_empty
        self._usage: Usage | None = None
        self._finish: str | None = None
        self._said = False
        self._calls = 0

    def feed(self, data: bytes) -> list[StreamEvent]:
        """The events of one read."""
        events: list[StreamEvent] = []
        if self.failure is None and not self.complete:
            self._take(self._payloads.feed(data), events)
        return events

    def end(self) -> list[StreamEvent]:
        """The bytes have ended, cleanly or not: the final events, or `failure` is set."""
        events: list[StreamEvent] = []
        if self.failure is None and not self.complete:
            self._take(self._payloads.end(), events)
        if self.finishing:
            events += self.settle()
        elif not self.complete and self.failure is None:
            self.failure = UpstreamTruncated() if self._payloads.begun else UpstreamDisconnected()
        return events

    def settle(self) -> list[StreamEvent]:
        """The final events of an answer that is `finishing`, and nothing for any other."""
        if not self.finishing:
            return []
        self.finishing = False
        return self._ended()

    def _ended(self) -> list[StreamEvent]:
        if not (self._said or self._accepts_empty):
            self.failure = UpstreamEmptyAnswer()
            return []
        self.complete = True
        last: list[StreamEvent] = [self._usage] if self._usage is not None else []
        return [*last, Finished(self._finish or ("tool_calls" if self._calls else "stop"))]

    # --- events

    def _take(self, payloads: Iterable[Payload], events: list[StreamEvent]) -> None:
        try:
            for told, name in payloads:
                self._take_one(told, name, events)
        except TurnstileError as failure:
            self.failure = failure
            return
        self.failure = self._payloads.failure
        if self._payloads.done and self.failure is None:
            self.finishing = False
            events += self._ended()
        else:
            self.finishing = self._finish is not None and self.failure is None

    def _take_one(self, told: JsonDict, name: str, events: list[StreamEvent]) -> None:
        kind = told.get("type")
        kind = kind if type(kind) is str else name
        if self.ids.take(told):
            events.append(Opened(self.ids.told()))
        self._usage = usage_in(told) or self._usage
        if kind == "text-delta":
            self._text(TextDelta, told, events)
        elif kind in _REASONING:
            self._text(ReasoningDelta, told, events)
        elif kind == "finish":
            self._finish = finish_in(told) or self._finish or ("tool_calls" if self._calls else "stop")
        elif kind == "data-usage":
            self._usage = read_counts(told.get("data")) or self._usage
        elif kind == "error" or (not kind and told.get("error")):
            self._fail(told)
        elif kind == "abort":
            raise UpstreamTruncated(detail="the site has given the answer up")
        elif kind in _CALLS and call_name(told) in self._tool_names:
            self._call(told, events)
        elif kind not in ("start", "message-metadata"):
            self.ignored[kind] += 1

    def _text(self, kind: type[TextDelta] | type[ReasoningDelta], told: JsonDict, events: list[StreamEvent]) -> None:
        texts = [told[name] for name in _TEXTS if name in told]
        text = next((each for each in texts if type(each) is str), None)
        if text is None:
            raise UpstreamProtocolError(detail="a delta holds no text")
        if text:
            self._said = True
            events.append(kind(text))

    def _call(self, told: JsonDict, events: list[StreamEvent]) -> None:
        self._said = True
        events.append(call_of(told, self._calls, self._make_call_id))
        self._calls += 1

    def _fail(self, told: JsonDict) -> None:
        inner = told.get("error")
        text = next((told[name] for name in ("errorText", "error_text") if type(told.get(name)) is str), "")
        fault = fault_of_text(
            text or error_text(inner) or error_text(told), status_in(inner) or status_in(told), self._told
        )
        if isinstance(fault, UpstreamContentFiltered) and self._said:
            self._finish = "content_filter"
            return
        raise fault


def call_name(told: JsonDict) -> Any:
    """The name of the tool that a call is for."""
    return told.get("toolName") or told.get("tool_name")


def call_of(told: JsonDict, index: int, make_call_id: Callable[[], str]) -> ToolCallDelta:
    """A whole call."""
    given = told.get("input", told.get("tool_input"))
    arguments = given if type(given) is str else json.dumps(given or {}, ensure_ascii=False, separators=(",", ":"))
    call_id = told.get("toolCallId") or told.get("tool_call_id")
    return ToolCallDelta(index, call_id if type(call_id) is str else make_call_id(), call_name(told), arguments)
