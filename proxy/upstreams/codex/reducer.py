"""From what codex tells of one turn to normalised events: pure, and the same for streamed and collected answers.

A turn may be answered by several HTTP responses: when the model calls tools of the caller, the response ends and the
turn waits, and goes on in the response to the request that brings the results.  The turn itself is over only at
`turn/completed`; text comes before, between and after calls, and all of it is part of the answer.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal, TypeAlias

from proxy.errors import TurnstileError, UpstreamContextLength, UpstreamFailed, UpstreamProtocolError
from proxy.upstreams.codex.asking import canonical
from proxy.upstreams.codex.counts import Counts
from proxy.upstreams.codex.faults import fault_of_turn, finish_of, text_in
from proxy.upstreams.codex.names import ToolNames
from proxy.wire.events import Finished, ReasoningDelta, StreamEvent, TextDelta, ToolCallDelta
from proxy.wire.request import JsonObject
from proxy.wire.upstream.calls import MAX_CALLS, CallIds

PARAGRAPH = "\n\n"
BUILTIN_ITEMS = frozenset({"commandExecution", "fileChange", "mcpToolCall", "webSearch"})

Wait: TypeAlias = Literal["", "calls", "grace"]
"""What a burst of calls still waits for: nothing, calls that must come any moment, or silence."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How turns are told: see the settings of the same names."""

    reasoning: Literal["summary", "raw", "off"] = "summary"
    message_joiner: str = PARAGRAPH
    on_compaction: Literal["fail", "allow"] = "fail"


@dataclass(slots=True)
class _Call:
    """A call that the model has made.

    *asked*: codex wants its result.  *settled*: it is known whether.  *told*: the caller knows of it.
    """

    name: str
    arguments: str
    asked: bool = False
    settled: bool = False
    told: bool = False


@dataclass(slots=True)
class _Response:
    """What is told in one HTTP response."""

    ids: CallIds
    calls: int = 0
    text_item: str | None = None  # the last one that text was told of
    counts: Counts = field(default_factory=Counts)


class TurnReducer:
    """One turn.  After each step look at what it has come to.

    *failure*: the turn has failed, and is to be interrupted unless it is *over*.  *parked*: it waits for the results of
    `asked`, and the response is complete.  *completed*: it is over, and well.  *dirty*: its thread is not as a caller
    would think.  *notes*: what an operator should hear of.
    """

    def __init__(self, manner: Manner, names: ToolNames, make_call_id: Callable[[], str]) -> None:
        self._manner = manner
        self._names = names
        self._make_call_id = make_call_id
        self._texts: dict[str, list[str]] = {}
        self._calls: dict[str, _Call] = {}
        self._raw = False
        self._response_over = False
        self._last_error: object = None
        self._response = _Response(CallIds(make_call_id))
        self.asked: dict[str, str] = {}  # codex's ids of calls that wait for results, and the ids the caller knows
        self.failure: TurnstileError | None = None
        self.parked = False
        self.over = False
        self.completed = False
        self.dirty = False
        self.mismatches = 0
        self.notes: list[str] = []

    @property
    def waits_for(self) -> Wait:
        """What the end of a burst waits for."""
        if self.parked or self.over or not any(call.asked for call in self._calls.values()):
            return ""
        if self._response_over:
            return "calls"
        return "" if self._raw else "grace"

    # --- what happens

    def notified(self, method: str, params: JsonObject) -> list[StreamEvent]:
        """The events that a notification becomes; one that is not known becomes none."""
        if self.over or self.failure is not None:
            if method == "turn/completed":
                self.over = True
            return []
        step = self._STEPS.get(method)
        return step(self, params) if step is not None else []

    def tool_called(self, call_id: str, tool: str, arguments: object) -> list[StreamEvent]:
        """The model's call of a tool has come as a request that is to be answered."""
        call = self._calls.get(call_id)
        if call is None:
            text = arguments if isinstance(arguments, str) else canonical(arguments)
            call = self._calls[call_id] = _Call(tool, text)
        call.asked = call.settled = True
        return [*self._hand_over(), *self._end_of_burst()]

    def waited(self) -> list[StreamEvent]:
        """What the burst waited for has not come: it is over as it is."""
        if self.parked or self.over or self.failure is not None:
            return []
        for call in self._calls.values():
            call.settled = True
        events = self._hand_over()
        return [*events, *self._park()] if self.asked else events

    def resume(self) -> None:
        """The results are there: the turn goes on, in a new response."""
        self.asked = {}
        self.parked = False
        self._response_over = False
        self._calls = {}
        self._response = _Response(CallIds(self._make_call_id))

    # --- text and reasoning

    def _text_delta(self, params: JsonObject) -> list[StreamEvent]:
        item_id, delta = text_in(params, "itemId"), text_in(params, "delta")
        self._texts.setdefault(item_id, []).append(delta)
        return self._text(item_id, delta)

    def _text(self, item_id: str, text: str) -> list[StreamEvent]:
        if not text:
            return []
        response, joiner = self._response, self._manner.message_joiner
        further = response.text_item not in (None, item_id)
        response.text_item = item_id
        return [TextDelta(joiner), TextDelta(text)] if further and joiner else [TextDelta(text)]

    def _summary_part(self, params: JsonObject) -> list[StreamEvent]:
        further = isinstance(index := params.get("summaryIndex"), int) and index > 0
        return self._reasoning("summary", PARAGRAPH if further else "")

    def _summary_delta(self, params: JsonObject) -> list[StreamEvent]:
        return self._reasoning("summary", text_in(params, "delta"))

    def _raw_reasoning_delta(self, params: JsonObject) -> list[StreamEvent]:
        return self._reasoning("raw", text_in(params, "delta"))

    def _reasoning(self, sort: str, text: str) -> list[StreamEvent]:
        return [ReasoningDelta(text)] if text and sort == self._manner.reasoning else []

    # --- items

    def _item_started(self, params: JsonObject) -> list[StreamEvent]:
        sort = item_of(params).get("type")
        if sort == "contextCompaction":
            self.dirty = True
            if self._manner.on_compaction == "fail":
                self.failure = UpstreamContextLength(param="messages")
        elif sort in BUILTIN_ITEMS:
            self.notes.append(f"builtin_tool_ran: {sort}")
        return []

    def _item_completed(self, params: JsonObject) -> list[StreamEvent]:
        """Of a message that is whole, what no delta has told."""
        item = item_of(params)
        if item.get("type") != "agentMessage":
            return []
        item_id, whole = text_in(item, "id"), text_in(item, "text")
        told = "".join(self._texts.pop(item_id, ()))
        if not whole.startswith(told):
            self.mismatches += 1
            return []
        return self._text(item_id, whole[len(told) :])

    def _raw_item(self, params: JsonObject) -> list[StreamEvent]:
        self._raw = True
        item = item_of(params)
        call_id = text_in(item, "call_id")
        if item.get("type") == "function_call":
            self._calls[call_id] = _Call(text_in(item, "name"), text_in(item, "arguments"))
        elif item.get("type") == "function_call_output" and call_id in self._calls:
            self._calls[call_id].settled = True  # codex has answered by itself: no such tool, or no JSON
            return [*self._hand_over(), *self._end_of_burst()]
        return []

    # --- counts, and ends of bursts

    def _raw_response(self, params: JsonObject) -> list[StreamEvent]:
        self._raw = True
        self._response.counts.add(params.get("usage"))
        self._response_over = True
        return self._end_of_burst()

    def _token_usage(self, params: JsonObject) -> list[StreamEvent]:
        usage = params.get("tokenUsage")
        if not self._raw and isinstance(usage, dict):
            self._response.counts.add(usage.get("last"))
        return []

    def _hand_over(self) -> list[StreamEvent]:
        """Tell the calls in the order in which the model made them, as far as that is certain."""
        events: list[StreamEvent] = []
        response = self._response
        for call_id, call in self._calls.items():
            if not call.settled:
                break
            if call.told or not call.asked:
                continue
            call.told = True
            if response.calls == MAX_CALLS:
                self.failure = UpstreamProtocolError(detail=f"more than {MAX_CALLS} tool calls")
                break
            told_id = self.asked[call_id] = response.ids.settle(call_id)
            events.append(ToolCallDelta(response.calls, told_id, self._names.own(call.name), call.arguments))
            response.calls += 1
        return events

    def _end_of_burst(self) -> list[StreamEvent]:
        """Park, once a model's response is over and each call of it was handed over or answered by codex."""
        if not self._response_over or not all(call.settled for call in self._calls.values()):
            return []
        if self.asked:
            return self._park()
        self._calls, self._response_over = {}, False
        return []

    def _park(self) -> list[StreamEvent]:
        self.parked = True
        return [*self._response.counts.event(), Finished("tool_calls")]

    # --- the end

    def _error(self, params: JsonObject) -> list[StreamEvent]:
        """Codex tries again by itself, and tells the text again: that is for us to do, who know what was told."""
        self._last_error = params.get("error")
        if params.get("willRetry") is True:
            self.failure = fault_of_turn(self._last_error)
        return []

    def _turn_completed(self, params: JsonObject) -> list[StreamEvent]:
        turn = params.get("turn")
        turn = turn if isinstance(turn, dict) else {}
        self.over = True
        match turn.get("status"):
            case "completed":
                self.completed = True
                return [*self._response.counts.event(), Finished("stop")]
            case "interrupted":
                self.failure = UpstreamFailed(detail="codex: the turn was interrupted, and not by us")
                return []
            case _:
                return self._failed(turn.get("error") or self._last_error)

    def _failed(self, error: object) -> list[StreamEvent]:
        reason = finish_of(error)
        if reason is None:
            self.failure = fault_of_turn(error)
            return []
        return [*self._response.counts.event(), Finished(reason)]

    _STEPS: ClassVar[Mapping[str, Callable[["TurnReducer", JsonObject], list[StreamEvent]]]] = {
        "item/agentMessage/delta": _text_delta,
        "item/reasoning/summaryPartAdded": _summary_part,
        "item/reasoning/summaryTextDelta": _summary_delta,
        "item/reasoning/textDelta": _raw_reasoning_delta,
        "item/started": _item_started,
        "item/completed": _item_completed,
        "rawResponseItem/completed": _raw_item,
        "rawResponse/completed": _raw_response,
        "thread/tokenUsage/updated": _token_usage,
        "error": _error,
        "turn/completed": _turn_completed,
    }


def item_of(params: JsonObject) -> JsonObject:
    """The item that a notification is about."""
    item = params.get("item")
    return item if isinstance(item, dict) else {}
