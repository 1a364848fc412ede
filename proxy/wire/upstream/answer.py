"""Chunks to events: the decoded chunks of one Chat Completions answer, however sloppy, as the same strict events."""

from collections import Counter
from typing import Any

from proxy.errors import UpstreamEmptyAnswer, UpstreamProtocolError, UpstreamTruncated
from proxy.wire.events import (
    ChoiceExtras,
    Extras,
    Opened,
    ReasoningDelta,
    RefusalDelta,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from proxy.wire.upstream.calls import CallIds
from proxy.wire.upstream.choice import ChoiceReader
from proxy.wire.upstream.extras import CHOICE_KEYS, DELTA_KEYS, ExtrasKeeper, Part, unknown_keys
from proxy.wire.upstream.faults import fault_in_band, tells_error
from proxy.wire.upstream.reading import Anomaly, Reading
from proxy.wire.upstream.usage import read_usage

_tuple = tuple.__new__  # makes a named tuple in half the time that its own constructor takes

_SAID: dict[str, type[TextDelta] | type[ReasoningDelta]] = {
    "content": TextDelta,
    "reasoning_content": ReasoningDelta,
    "reasoning": ReasoningDelta,
}


class Answer:
    """Takes chunks in order and appends the events that they become.  Whatever it raises ends the answer.

    `usage_last`: a chunk brought usage and nothing else after every choice had finished, so nothing more is due.
    """

    def __init__(self, reading: Reading, anomalies: Counter[str]) -> None:
        self.usage_last = False
        self._reading = reading
        self._anomalies = anomalies
        self._apart = False  # a chunk without choices has come
        self._plain = reading.text == "delta" and not reading.think_tags
        self._opened = False
        self._choices: dict[int, ChoiceReader] = {}
        self._ids = CallIds(reading.make_call_id)
        self._extras = ExtrasKeeper()
        self._usage: Usage | None = None

    @property
    def empty(self) -> bool:
        """Whether chunks have come, but none with a choice."""
        return self._apart and not self._choices

    @property
    def produced(self) -> bool:
        """Whether any text or call has come."""
        return any(choice.produced for choice in self._choices.values())

    @property
    def finished(self) -> bool:
        """Whether every choice that was asked for has a finish reason."""
        if len(self._choices) != self._reading.n:
            return False
        for choice in self._choices.values():  # noqa: SIM110 - `all` would make a generator for every chunk
            if choice.finish is None:
                return False
        return True

    def take(self, chunk: dict[str, Any], events: list[StreamEvent]) -> None:
        """Take the next chunk.  Raises the error that it tells, or UpstreamProtocolError."""
        choices = chunk.get("choices")
        plain = self.take_plain(chunk)
        if plain:
            events.append(plain)
            return
        self._refuse_error(chunk)
        if not self._opened:
            self._open(chunk, events)
        if choices is None or choices == []:
            self._take_apart(chunk, events)
            return
        if type(choices) is not list:
            raise UpstreamProtocolError(detail="choices is no array")
        own = self._extras.of_chunk(chunk)
        before = len(events)
        finishing = False
        for choice in choices:
            finishing = self._take_choice(choice, own, events) or finishing
        if chunk.get("usage") is not None:
            self._take_usage(chunk["usage"], alone=not finishing and len(events) == before)

    def end(self, events: list[StreamEvent]) -> None:
        """Append the final events: the upstream says that the answer is whole.

        A choice without a finish reason has stopped.  Raises UpstreamEmptyAnswer if there is no choice at all,
        UpstreamTruncated if one has no finish reason and ends inside a tool call, and what `settle` raises.
        """
        if not self._choices:
            raise UpstreamEmptyAnswer
        if any(choice.finish is None and choice.ends_inside_call for choice in self._choices.values()):
            raise UpstreamTruncated(detail="the answer ended inside a tool call, without a finish reason")
        missing = self._reading.n - len(self._choices)
        if missing:
            self._anomalies[Anomaly.CHOICES_MISSING] += missing
        self.settle(events)

    def settle(self, events: list[StreamEvent]) -> None:
        """Append what was held back, the usage, and the end of each choice.  Raises UpstreamProtocolError."""
        ends = [self._choices[index].settle(events) for index in sorted(self._choices)]
        if self._usage is not None and self._is_usage(self._usage):
            events.append(self._usage)
        events += ends

    def take_plain(self, chunk: dict[str, Any]) -> TextDelta | ReasoningDelta | None:
        """Take a chunk that is one piece of text or reasoning and tells nothing else, as nearly all chunks are.

        None, and nothing is taken, if it is any other; the long way would give the same event.
        """
        choices = chunk.get("choices")
        if not self._plain or type(choices) is not list or len(choices) != 1:
            return None
        raw = choices[0]
        index = raw.get("index") if type(raw) is dict else None
        choice = self._choices.get(index) if type(index) is int else None
        if choice is None or choice.finish is not None or raw.get("finish_reason") is not None or "error" in raw:
            return None
        if "error" in chunk or "type" in chunk or chunk.get("usage") is not None:
            return None
        if not self._opened and chunk.get("id"):
            return None
        said = _the_one_text(raw.get("delta"))
        if said is None:
            return None
        choice.produced = True
        return _tuple(said[0], (said[1], index, self._extras.for_text(chunk, raw)))

    def _refuse_error(self, told: dict[str, Any]) -> None:
        """Raise the error that *told*, a chunk or a choice, tells, if it does.

        Once something was produced no credential is renewed: the answer is broken, whoever's key it was.
        """
        if tells_error(told):
            raise fault_in_band(told, credential="static" if self.produced else self._reading.credential)

    def _open(self, chunk: dict[str, Any], events: list[StreamEvent]) -> None:
        theirs = chunk.get("id")
        if type(theirs) is str and theirs:
            self._opened = True
            events.append(Opened({"id": theirs}))

    def _take_apart(self, chunk: dict[str, Any], events: list[StreamEvent]) -> None:
        """Take a chunk without choices: the usage, or a note of a filter, or a ping."""
        self._apart = True
        if chunk.get("usage") is None:
            return
        self._take_usage(chunk["usage"], alone=True)
        extras = self._extras.without_event(self._extras.of_chunk(chunk), None, None)
        if extras is not None:
            events.append(ChoiceExtras(extras))

    def _take_usage(self, raw: Any, *, alone: bool) -> None:
        usage = read_usage(raw)
        if usage is not None and self._is_usage(usage):
            self._usage = usage
            self.usage_last = alone and self.finished

    def _is_usage(self, usage: Usage) -> bool:
        """Whether it is a count: zero is none once something was produced."""
        return usage.completion_tokens > 0 or not self.produced

    def _take_choice(self, raw: Any, own: Part, events: list[StreamEvent]) -> bool:
        """Take one of `choices`, *own* being the chunk's unknown keys; give whether it had a finish reason."""
        if type(raw) is not dict:
            raise UpstreamProtocolError(detail="a choice is no object")
        choice = self._choice_at(raw.get("index"))
        delta = raw.get("delta")
        others = unknown_keys(raw, CHOICE_KEYS)
        self._refuse_error(raw)
        if type(delta) is not dict:
            delta = _delta_in_other_words(raw)
        first = len(events)
        choice.take_delta(delta, events)
        self._attach(choice.index, (own, others, unknown_keys(delta, DELTA_KEYS)), events, first)
        if raw.get("usage") is not None:
            self._take_usage(raw["usage"], alone=False)
        return choice.take_finish(raw.get("finish_reason"))

    def _choice_at(self, index: Any) -> ChoiceReader:
        choice = self._choices.get(index) if type(index) is int else None
        if choice is None:
            index = 0 if index is None else index
            if type(index) is not int or not 0 <= index < self._reading.n:
                raise UpstreamProtocolError(detail=f"a choice's index is none of the {self._reading.n} asked for")
            choice = self._choices.get(index)
        if choice is None:
            choice = ChoiceReader(index, self._reading, self._ids, self._anomalies)
            self._choices[index] = choice
        return choice

    def _attach(self, index: int, parts: tuple[Part, Part, Part], events: list[StreamEvent], first: int) -> None:
        """Put the unknown keys of chunk, choice and delta on the first event that came of them."""
        if len(events) == first:
            extras = self._extras.without_event(*parts)
            if extras is not None:
                events.append(ChoiceExtras(extras, index))
            return
        extras = self._extras.for_event(*parts)
        event = events[first]
        if extras is not None and isinstance(event, TextDelta | ReasoningDelta | RefusalDelta | ToolCallDelta):
            if event.extras is not None:  # of a tool call itself
                extras = Extras(*extras[:3], event.extras.call)
            events[first] = event._replace(extras=extras)


def _delta_in_other_words(raw: dict[str, Any]) -> dict[str, Any]:
    """Give what stands in the place of a missing `delta`: `message`, or `text`."""
    if raw.get("delta") is not None:
        raise UpstreamProtocolError(detail="a delta is no object")
    message = raw.get("message")
    if message is None:
        return {"content": raw.get("text")}
    if type(message) is not dict:
        raise UpstreamProtocolError(detail="a message is no object")
    return message


def _the_one_text(delta: Any) -> tuple[type[TextDelta] | type[ReasoningDelta], str] | None:
    """Give the text of a delta that holds one, and besides it at most a role, nulls, or empty texts; else None."""
    if type(delta) is not dict:
        return None
    found = None
    for key, value in delta.items():
        if value is None or key == "role":
            continue
        kind = _SAID.get(key)
        if kind is None or type(value) is not str or (value and found is not None):
            return None
        if value:
            found = (kind, value)
    return found
