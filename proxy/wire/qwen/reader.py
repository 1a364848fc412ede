"""A streamed answer of the site: bytes to events, whatever the bytes' cuts.

    data: {"response.created":{"chat_id":"…","parent_id":"…","response_id":"…"}}
    data: {"choices":[{"delta":{"role":"assistant","content":"It is","phase":"answer","status":"typing"}}],"usage":{…}}
    data: {"choices":[{"delta":{"role":"assistant","content":"","phase":"answer","status":"finished"}}]}

There is no end mark: the connection just ends.  Each phase has an end of its own, and that of the answer counts.
"""

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from typing import Any, NamedTuple

from proxy.errors import (
    TurnstileError,
    UpstreamContentFiltered,
    UpstreamDisconnected,
    UpstreamEmptyAnswer,
    UpstreamFailed,
    UpstreamProtocolError,
    UpstreamTruncated,
)
from proxy.wire.events import Finished, Opened, ReasoningDelta, StreamEvent, TextDelta, Usage
from proxy.wire.finish import FAILED, UNKNOWN_MEANS, names_no_finish, read_finish
from proxy.wire.qwen.faults import Clean, fault_told, tells_fault
from proxy.wire.upstream.payloads import MARK, Payload, PayloadReader
from proxy.wire.upstream.redact import redact
from proxy.wire.upstream.text import read_text
from proxy.wire.upstream.usage import read_usage

_FILTERED = "content_filter"


class Oddity(StrEnum):
    """What is passed over or put right without a word to the caller, and counted."""

    NOISE = "noise"  # an event's data is neither JSON nor the end mark
    FUNCTION_FRAME = "function_frame"  # of the site's own tools
    OTHER_PHASE = "other_phase"
    ID_MISSING = "id_missing"  # the answer came without one of its two ids
    SUMMARY_REWRITTEN = "summary_rewritten"
    HOLLOW_FINISH = "hollow_finish"  # an end before any text
    UNKNOWN_FINISH = "unknown_finish"
    AFTER_END = "after_end"


class AnswerIds(NamedTuple):
    """The ids of an answer: its own node, and the one that it hangs on; None for one that did not come."""

    parent_id: str | None = None
    response_id: str | None = None


class QwenReader:
    """Reads the event stream of one answer in the chat *chat_id*.

    Each read is given to `feed`, the end of bytes to `end`; both give the events that follow, and never raise.  What
    went wrong is in `failure`, to be raised after the events before it were passed on.  The answer is whole when
    `complete`; while `finishing` only usage can still come, and `settle` gives the final events without it.
    *accepts_empty*: an end without any text is an answer.  *clean* takes out of texts what must not reach a log.
    """

    def __init__(
        self, chat_id: str, *, max_event_bytes: int, accepts_empty: bool = False, clean: Clean = redact
    ) -> None:
        self.failure: TurnstileError | None = None
        self.complete = False
        self.finishing = False
        self.ids: AnswerIds | None = None  # as soon as the site has told them
        self.counted: Counter[str] = Counter()
        self._chat_id = chat_id
        self._accepts_empty = accepts_empty
        self._clean = clean
        self._payloads = PayloadReader(max_event_bytes, reads_past_mark=True)
        self._has_text = False
        self._has_reasoning = False
        self._summary = ""
        self._usage: dict[str, Any] | None = None
        self._named_reason: str | None = None
        self._hollow: str | None = None  # why an answer ended that had no text by then
        self._reason = ""

    @property
    def kept(self) -> bool:
        """Whether the site keeps the answer as one that can be continued."""
        return self.complete and self._reason != _FILTERED and (self._has_text or self._has_reasoning)

    def feed(self, data: bytes) -> list[StreamEvent]:
        """Give the events of one read."""
        events: list[StreamEvent] = []
        if self.failure is None:
            self._take(self._payloads.feed(data), events)
        return events

    def end(self) -> list[StreamEvent]:
        """The bytes have ended, cleanly or not: give the final events, or set `failure`."""
        events: list[StreamEvent] = []
        if self.failure is None:
            self._take(self._payloads.end(), events)
        if self.complete or self.failure is not None:
            return events
        if self._hollow is not None and not self.finishing:
            if not (self._has_reasoning or self._accepts_empty):
                self.failure = UpstreamEmptyAnswer()
                return events
            self._reason, self.finishing = self._hollow, True
        if self.finishing:
            return events + self.settle()
        self.failure = UpstreamTruncated() if self._payloads.begun else UpstreamDisconnected()
        return events

    def settle(self) -> list[StreamEvent]:
        """Give the final events of an answer that is `finishing`, and nothing for any other."""
        if not self.finishing:
            return []
        self.finishing = False
        self.complete = True
        finish = Finished(self._reason)
        usage = usage_of(self._usage)
        return [finish] if usage is None else [usage, finish]

    def _take(self, payloads: Iterable[Payload], events: list[StreamEvent]) -> None:
        try:
            for payload, name in payloads:
                if self.complete:
                    self.counted[Oddity.AFTER_END] += 1
                elif name == MARK:
                    self._mark(events)
                else:
                    named = name == "error" and not payload.get("error")
                    self._event({"error": payload} if named else payload, events)
        except TurnstileError as failure:
            self.failure = failure
        self.counted[Oddity.NOISE] = self._payloads.noise
        if not self.complete and self.failure is None:
            self.failure = self._payloads.failure

    def _mark(self, events: list[StreamEvent]) -> None:
        """The end mark, which the site hardly ever sends, ends an answer that has text."""
        if self._has_text:
            if not self.finishing:
                self._reason = self._named_reason or "stop"
            self.finishing = True
            events += self.settle()

    def _event(self, told: dict[str, Any], events: list[StreamEvent]) -> None:
        if tells_fault(told):
            self._fault(told, events)
            return
        self._know(told, events)
        usage = told.get("usage")
        if type(usage) is dict:
            self._usage = usage
        choices = told.get("choices")
        if type(choices) is list and choices:
            self._choice(choices[0], events)
        if self.finishing and self._usage is not None:
            events += self.settle()

    def _fault(self, told: dict[str, Any], events: list[StreamEvent]) -> None:
        fault = fault_told(told, clean=self._clean)
        if not (isinstance(fault, UpstreamContentFiltered) and (self._has_text or self._has_reasoning)):
            raise fault
        self._reason, self.finishing = _FILTERED, True
        events += self.settle()

    def _know(self, told: dict[str, Any], events: list[StreamEvent]) -> None:
        """The ids: told by `response.created`, or else by the first event that has any."""
        created = told.get("response.created")
        source = created if type(created) is dict else told
        chat_id = source.get("chat_id")
        if type(chat_id) is str and chat_id not in ("", self._chat_id):
            raise UpstreamProtocolError(detail="an event of another chat")
        if self.ids is None and (type(created) is dict or told.get("response_id")):
            self.ids = answer_ids(source, "response_id")
            self.counted[Oddity.ID_MISSING] += self.ids.count(None)
            events.append(opened(self._chat_id, self.ids))

    def _choice(self, choice: Any, events: list[StreamEvent]) -> None:
        delta = choice.get("delta") if type(choice) is dict else None
        if delta is None:
            delta = {}
        if type(delta) is not dict:
            raise UpstreamProtocolError(detail="choices[0].delta is no object")
        reason = choice.get("finish_reason") if type(choice) is dict else None
        if type(reason) is str and not names_no_finish(reason):
            self._named_reason = self._finish_named(reason)
        if delta.get("role") == "function":
            self.counted[Oddity.FUNCTION_FRAME] += 1
            return
        phase = delta.get("phase")
        if phase == "answer" or not phase:
            self._answer(delta, events)
        elif phase == "think":
            self._reasoning(read_text(delta.get("content"), "delta.content").text, events)
        elif phase == "thinking_summary":
            self._summarised(delta, events)
        else:
            self.counted[Oddity.OTHER_PHASE] += 1

    def _answer(self, delta: dict[str, Any], events: list[StreamEvent]) -> None:
        text = read_text(delta.get("content"), "delta.content").text
        if text and self.finishing:
            self.counted[Oddity.AFTER_END] += 1
        elif text:
            self._has_text = True
            self._hollow = None
            events.append(TextDelta(text))
        if delta.get("status") == "finished" and not self.finishing:
            reason = self._named_reason or "stop"
            if self._has_text:
                self._reason, self.finishing = reason, True
            else:
                self._hollow = reason
                self.counted[Oddity.HOLLOW_FINISH] += 1

    def _reasoning(self, text: str, events: list[StreamEvent]) -> None:
        if text and not self.finishing:
            self._has_reasoning = True
            events.append(ReasoningDelta(text))

    def _summarised(self, delta: dict[str, Any], events: list[StreamEvent]) -> None:
        """A list of thoughts, which each time holds all those before."""
        extra = delta.get("extra")
        thought = extra.get("summary_thought") if type(extra) is dict else None
        content = thought.get("content") if type(thought) is dict else None
        if type(content) is not list:
            return
        summary = "\n".join(part for part in content if type(part) is str)
        if summary.startswith(self._summary):
            self._reasoning(summary[len(self._summary) :], events)
            self._summary = summary
        else:
            self.counted[Oddity.SUMMARY_REWRITTEN] += 1

    def _finish_named(self, word: str) -> str:
        reason = read_finish(word)
        if reason == FAILED:
            raise UpstreamFailed(detail="the finish reason tells a failure")
        if reason is None:
            self.counted[Oddity.UNKNOWN_FINISH] += 1
            return UNKNOWN_MEANS
        return reason


def answer_ids(told: dict[str, Any], name: str) -> AnswerIds:
    """The two ids in *told*; the answer's own is called *name* there."""
    parent_id, own_id = told.get("parent_id"), told.get(name)
    return AnswerIds(
        parent_id if type(parent_id) is str and parent_id else None, own_id if type(own_id) is str and own_id else None
    )


def opened(chat_id: str, ids: AnswerIds) -> Opened:
    """The event that tells of ids."""
    named = {"chat_id": chat_id, "parent_id": ids.parent_id, "response_id": ids.response_id}
    return Opened({name: value for name, value in named.items() if value is not None})


def usage_of(raw: dict[str, Any] | None) -> Usage | None:
    """The counts as OpenAI names them; None when none came, or nothing but zeros."""
    usage = read_usage(raw)
    if usage is None or raw is None or not (usage.prompt_tokens or usage.completion_tokens):
        return None
    cached = raw.get("cached_tokens")
    reasoning = (usage.completion_details or {}).get("reasoning_tokens")
    return usage._replace(
        prompt_details={"cached_tokens": cached} if type(cached) is int and cached >= 0 else None,
        completion_details={"reasoning_tokens": reasoning} if type(reasoning) is int and reasoning >= 0 else None,
    )
