"""The frames of a streamed chat completion: this is the only place that writes them.

Per choice: one role chunk, directly before the first other chunk; then the deltas; then one chunk with the finish
reason.  After all choices: the usage, if it was asked for; then the end mark.  `role` and a call's `id`, `type` and
`name` are sent once, since official clients join repeated strings.
"""

from collections.abc import Iterable, Mapping

import orjson

from proxy.wire.answer.call_deltas import around_arguments, call_members_alone, call_start
from proxy.wire.answer.extras import call_members
from proxy.wire.answer.fold import MAX_CALLS, too_many_calls
from proxy.wire.answer.frame_ends import FrameEnds
from proxy.wire.answer.head import AnswerHead
from proxy.wire.answer.json_out import dump
from proxy.wire.answer.sse_out import DONE, SHORT_CHARS, chunk_start, pieces
from proxy.wire.answer.usage import usage_object
from proxy.wire.events import (
    ChoiceExtras,
    Extras,
    ReasoningDelta,
    RefusalDelta,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    Usage,
)

CONTENT = b'"content":'
REFUSAL = b'"refusal":'


class OpenChoice:
    """A choice whose role has been told.  *bare_calls* are the functions called without arguments so far, in order."""

    __slots__ = ("bare_calls", "calls", "content_start", "start")

    def __init__(self, start: bytes) -> None:
        self.start = start
        self.content_start = start + CONTENT
        self.calls = 0
        self.bare_calls: dict[int, None] = {}


class ChatFrames:
    """Writes the frames of one answer.  How events are cut into batches changes no byte of the whole."""

    __slots__ = ("_choices", "_chunk_start", "_ends", "_head", "_reasoning", "_waiting", "closed")

    def __init__(self, head: AnswerHead) -> None:
        self._head = head
        self._chunk_start = chunk_start(head, b"chat.completion.chunk")
        self._ends = FrameEnds(b',"usage":null' if head.include_usage else b"", has_delta=True)
        self._reasoning = dump(head.reasoning_field) + b":" if head.reasoning_field else None
        self._choices: dict[int, OpenChoice] = {}
        self.closed = False  # whether `closing` has written the end mark: nothing may follow it
        self._waiting: dict[int, list[bytes]] = {}  # ends of frames of extras that came before a choice's first delta

    @property
    def emitted(self) -> bool:
        """Whether any frame has been written."""
        return bool(self._choices)

    def frames(self, events: Iterable[StreamEvent]) -> bytes:
        """All frames that *events* become, for one write; empty if they become none.

        Raises `UpstreamProtocolError` at the 129th call of a choice.
        """
        out: list[bytes] = []
        choices, ends = self._choices, self._ends
        for event in events:
            if type(event) is TextDelta:
                text, index, extras = event
                end = ends.full if extras is ends.extras else ends.of(extras)
                choice = choices.get(index) or self._open(index, b'""', out)
                if len(text) <= SHORT_CHARS and text.isascii():
                    out += (choice.content_start, orjson.dumps(text), end)
                else:
                    self._cut(choice.content_start, text, b"", end, out)
            else:
                self._other(event, out)
        return b"".join(out)

    def closing(self, finishes: Mapping[int, str], usage: Usage) -> bytes:
        """All that is left to say once *finishes* are settled, one for each choice; with the end mark.

        Raises ValueError if a choice that has spoken would be left without a finish: its answer must not look complete.
        """
        if self._choices.keys() - finishes.keys():
            raise ValueError("a choice has no finish reason")
        out: list[bytes] = []
        for index, reason in sorted(finishes.items()):
            choice = self._choices.get(index) or self._open(index, b'""', out)
            for call in choice.bare_calls:
                before, after = around_arguments(call, "function", legacy=self._head.legacy_functions)
                out += (choice.start, before, b'"{}"', after, self._ends.bare)
            out += (choice.start, self._ends.finish(dump(self._head.told_finish(reason))))
        if self._head.include_usage:
            out += (self._chunk_start, b'],"usage":', dump(usage_object(usage)), self._ends.after_choices())
        out.append(DONE)
        self.closed = True
        return b"".join(out)

    def _open(self, index: int, content: bytes, out: list[bytes]) -> OpenChoice:
        choice = OpenChoice(b'%b{"index":%d,"delta":{' % (self._chunk_start, index))
        self._choices[index] = choice
        out += (choice.start, b'"role":"assistant","content":%b,"refusal":null' % content, self._ends.bare)
        for end in self._waiting.pop(index, ()):
            out += (choice.start, end)
        return choice

    def _other(self, event: StreamEvent, out: list[bytes]) -> None:
        match event:
            case ReasoningDelta(text, index, extras):
                if self._reasoning is None:
                    self._alone(extras, index, out)
                else:
                    self._text(self._reasoning, text, index, extras, out)
            case ToolCallDelta():
                self._call(event, out)
            case RefusalDelta(text, index, extras):
                self._text(REFUSAL, text, index, extras, out)
            case ChoiceExtras(extras, index):
                self._alone(extras, index, out)
            case _:
                pass  # Opened is not told; Usage and Finished are told at the end, settled

    def _text(self, key: bytes, text: str, index: int, extras: Extras | None, out: list[bytes]) -> None:
        end = self._ends.of(extras)
        choice = self._choices.get(index) or self._open(index, b'""', out)
        self._cut(choice.start + key, text, b"", end, out)

    def _alone(self, extras: Extras | None, index: int, out: list[bytes]) -> None:
        """Tell unknown keys that came with nothing else; before the choice's first delta they wait for it."""
        end = self._ends.alone(extras)
        if end is None:
            return
        choice = self._choices.get(index)
        if choice is None:
            self._waiting.setdefault(index, []).append(end)
        else:
            out += (choice.start, end)

    def _call(self, event: ToolCallDelta, out: list[bytes]) -> None:
        number = event.index
        if number >= MAX_CALLS:
            raise too_many_calls()
        legacy = self._head.legacy_functions
        if legacy and number > 0:
            self._alone(event.extras, event.choice, out)  # a `function_call` is one call
            return
        end = self._ends.of(event.extras)
        choice = self._choices.get(event.choice) or self._open(event.choice, b"null", out)
        members = {} if legacy or event.extras is None else call_members(event.extras)
        if number == choice.calls:
            choice.calls += 1
            if event.kind == "function":
                choice.bare_calls[number] = None
            out += (choice.start, call_start(event, members, legacy=legacy), end)
            end = self._ends.bare
        elif members:
            out += (choice.start, call_members_alone(number, event.kind, members), end)
            end = self._ends.bare
        elif not event.arguments:
            self._alone(event.extras, event.choice, out)
        if event.arguments:
            choice.bare_calls.pop(number, None)
            before, after = around_arguments(number, event.kind, legacy=legacy)
            self._cut(choice.start + before, event.arguments, after, end, out)

    def _cut(self, start: bytes, text: str, after: bytes, end: bytes, out: list[bytes]) -> None:
        if len(text) <= SHORT_CHARS:
            out += (start, dump(text), after, end)
            return
        for piece in pieces(text):
            out += (start, dump(piece), after, end)
            end = self._ends.bare
