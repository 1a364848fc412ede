"""The fold: all events of an answer added up, for a body, a record, an estimate, or a second telling as frames."""

from collections.abc import Iterable
from typing import Any, Literal

import orjson

from proxy.errors import UpstreamProtocolError
from proxy.wire.answer.extras import (
    accumulate,
    add_logprobs,
    call_members,
    choice_logprobs,
    choice_members,
    chunk_members,
    delta_members,
)
from proxy.wire.answer.json_out import dump
from proxy.wire.events import (
    ChoiceExtras,
    Extras,
    Finished,
    ReasoningDelta,
    RefusalDelta,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    Usage,
)

MAX_CALLS = 128  # per choice; official clients refuse an index above 127


class FoldedCall:
    """One tool call; *members* are unknown keys beside it, accumulated."""

    __slots__ = ("id", "kind", "members", "name", "pieces")

    def __init__(self, call_id: str, name: str, kind: Literal["function", "custom"]) -> None:
        self.id = call_id
        self.name = name
        self.kind = kind
        self.pieces: list[str] = []
        self.members: dict[str, Any] = {}

    @property
    def arguments(self) -> str:
        """The JSON text as it came, of a custom tool its free text; empty if none did."""
        return "".join(self.pieces)

    @property
    def whole(self) -> bool:
        """Whether the arguments are one whole JSON text; none at all are whole, and mean `{}`.  Parses them.

        What a custom tool takes is free text, which nothing shows to be cut.
        """
        if self.kind == "custom":
            return True
        arguments = self.arguments
        try:
            orjson.loads(arguments or "{}")
        except orjson.JSONDecodeError:
            return False
        return True


class FoldedChoice:
    """One choice; texts are kept in pieces, and joined when they are asked for."""

    __slots__ = ("calls", "delta", "logprobs", "members", "reasoning_pieces", "refusal_pieces", "text_pieces")

    def __init__(self) -> None:
        self.text_pieces: list[str] = []
        self.reasoning_pieces: list[str] = []
        self.refusal_pieces: list[str] = []
        self.calls: list[FoldedCall] = []
        self.logprobs: dict[str, Any] | None = None
        self.members: dict[str, Any] = {}  # unknown keys of the choice, the last of each
        self.delta: dict[str, Any] = {}  # unknown keys of the deltas, accumulated

    @property
    def text(self) -> str:
        """All text of the answer."""
        return "".join(self.text_pieces)

    @property
    def reasoning(self) -> str:
        """All text of the reasoning."""
        return "".join(self.reasoning_pieces)

    @property
    def refusal(self) -> str:
        """All text of the refusal."""
        return "".join(self.refusal_pieces)


class Answer:
    """One attempt's answer.

    *finishes* holds the upstream's finish reason of each choice, until the settled ones are set in their place; *usage*
    the upstream's count, until an estimate is set where there was none.  Only with both is an answer told as a body.
    """

    __slots__ = ("_constant", "choices", "chunk", "finishes", "size_bytes", "usage")

    def __init__(self) -> None:
        self.choices: dict[int, FoldedChoice] = {}
        self.finishes: dict[int, str] = {}
        self.usage: Usage | None = None
        self.chunk: dict[str, Any] = {}  # unknown keys of the chunks, the last of each
        self.size_bytes = 0  # of all that grows with the answer, as UTF-8
        self._constant: Extras | None = None  # the last ones that add nothing when they come again

    def fold(self, events: Iterable[StreamEvent]) -> None:
        """Add events.  Raises `UpstreamProtocolError` at the 129th call of a choice."""
        choices = self.choices
        for event in events:
            if type(event) is TextDelta:
                text, index, extras = event
                choice = choices.get(index) or self._choice(index)
                choice.text_pieces.append(text)
                self.size_bytes += len(text) if text.isascii() else utf8_bytes(text)
                if extras is not None and extras is not self._constant:
                    self._extras(extras, choice)
            else:
                self._other(event)

    @property
    def text_only(self) -> bool:
        """Whether nothing but text of one choice has come: another candidate could go on from it."""
        if not self.choices:
            return True
        if self.choices.keys() != {0}:
            return False
        choice = self.choices[0]
        return not (choice.reasoning_pieces or choice.refusal_pieces or choice.calls)

    def text(self, index: int) -> str:
        """All text of a choice; empty for one that has said nothing."""
        choice = self.choices.get(index)
        return choice.text if choice else ""

    def cut_calls(self) -> list[tuple[int, int]]:
        """(choice, call) of each call whose arguments are not whole.  Parses them all: to be asked once, at the end."""
        return [
            (index, number)
            for index, choice in sorted(self.choices.items())
            for number, call in enumerate(choice.calls)
            if not call.whole
        ]

    def events(self) -> list[StreamEvent]:
        """The shortest events that fold to the same answer, for one that is collected first and then told as frames.

        Without Finished and Usage, which leave with the closing frames.
        """
        out: list[StreamEvent] = []
        chunk = self.chunk or None
        for index, choice in sorted(self.choices.items()):
            members = {**choice.members, "logprobs": choice.logprobs} if choice.logprobs else choice.members
            if chunk or members or choice.delta:
                out.append(ChoiceExtras(Extras(chunk, members or None, choice.delta or None), index))
                chunk = None
            if choice.reasoning_pieces:
                out.append(ReasoningDelta(choice.reasoning, index))
            if choice.text_pieces:
                out.append(TextDelta(choice.text, index))
            if choice.refusal_pieces:
                out.append(RefusalDelta(choice.refusal, index))
            for number, call in enumerate(choice.calls):
                extras = Extras(call=call.members) if call.members else None
                out.append(ToolCallDelta(number, call.id, call.name, call.arguments, index, extras, call.kind))
        return out

    def _choice(self, index: int) -> FoldedChoice:
        choice = self.choices.get(index)
        if choice is None:
            choice = self.choices[index] = FoldedChoice()
        return choice

    def _other(self, event: StreamEvent) -> None:
        match event:
            case ReasoningDelta(text, index, extras):
                self._pieces(text, self._choice(index).reasoning_pieces, extras, index)
            case ToolCallDelta():
                self._call(event)
            case RefusalDelta(text, index, extras):
                self._pieces(text, self._choice(index).refusal_pieces, extras, index)
            case ChoiceExtras(extras, index):
                self._extras(extras, self._choice(index))
            case Usage():
                self.usage = event
            case Finished(reason, index):
                self._choice(index)
                self.finishes[index] = reason
            case _:
                pass  # Opened bears ids, TextDelta was folded before

    def _pieces(self, text: str, pieces: list[str], extras: Extras | None, index: int) -> None:
        pieces.append(text)
        self.size_bytes += utf8_bytes(text)
        if extras is not None:
            self._extras(extras, self._choice(index))

    def _call(self, event: ToolCallDelta) -> None:
        choice = self._choice(event.choice)
        if event.index >= MAX_CALLS:
            raise too_many_calls()
        if event.index == len(choice.calls):
            choice.calls.append(FoldedCall(event.id or "", event.name or "", event.kind))
            self.size_bytes += utf8_bytes(event.name or "")
        call = choice.calls[event.index]
        self._pieces(event.arguments, call.pieces, event.extras, event.choice)
        if event.extras is not None and event.extras.call:
            accumulate(call.members, call_members(event.extras))
            self.size_bytes += len(dump(event.extras.call))

    def _extras(self, extras: Extras, choice: FoldedChoice) -> None:
        if extras.chunk:
            self.chunk.update(chunk_members(extras))
        self._constant = None if extras.choice or extras.delta else extras
        if extras.choice:
            choice.members.update(choice_members(extras))
            choice.logprobs = add_logprobs(choice.logprobs, choice_logprobs(extras))
            self.size_bytes += len(dump(extras.choice))
        if extras.delta:
            accumulate(choice.delta, delta_members(extras))
            self.size_bytes += len(dump(extras.delta))


def too_many_calls() -> UpstreamProtocolError:
    """The error of a choice with more calls than clients take."""
    return UpstreamProtocolError(f"The upstream made more than {MAX_CALLS} tool calls in one answer.")


def utf8_bytes(text: str) -> int:
    """How many bytes *text* is as UTF-8; lone surrogates count as what they are replaced by."""
    return len(text.encode(errors="surrogatepass"))
