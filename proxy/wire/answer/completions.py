"""The answer of the legacy endpoint `/v1/completions`: the text of each choice, and nothing of calls or reasoning."""

from collections.abc import Iterable, Mapping

from proxy.wire.answer.body import whole_body
from proxy.wire.answer.fold import Answer
from proxy.wire.answer.frame_ends import FrameEnds
from proxy.wire.answer.head import AnswerHead
from proxy.wire.answer.json_out import dump
from proxy.wire.answer.sse_out import DONE, chunk_start, pieces
from proxy.wire.answer.usage import usage_object
from proxy.wire.events import ChoiceExtras, StreamEvent, TextDelta, Usage


def completion_body(head: AnswerHead, answer: Answer) -> bytes:
    """`{"id", "object":"text_completion", "created", "model", "choices", "usage"}`; see `chat_body`."""
    return whole_body(
        head,
        answer,
        "text_completion",
        [
            {
                "text": answer.text(index),
                "index": index,
                "logprobs": None,
                "finish_reason": told_finish(reason),
            }
            for index, reason in sorted(answer.finishes.items())
        ],
    )


def told_finish(reason: str) -> str:
    """The finish reason in the words of this endpoint, which knows no calls."""
    return "stop" if reason == "tool_calls" else reason


class CompletionFrames:
    """Writes the chunks of one answer: `text_completion` objects, the last of each choice with `"text":""`.

    Unlike those of a chat completion they never say `"usage":null`, which the public schema does not allow here.
    """

    def __init__(self, head: AnswerHead) -> None:
        self._head = head
        self._chunk_start = chunk_start(head, b"text_completion")
        self._text_start = self._chunk_start + b'{"text":'
        self._ends = FrameEnds(b"", has_delta=False)
        self._spoken: set[int] = set()
        self.closed = False

    @property
    def emitted(self) -> bool:
        """Whether any frame has been written."""
        return bool(self._spoken)

    def frames(self, events: Iterable[StreamEvent]) -> bytes:
        """All frames that *events* become, for one write; empty if they become none."""
        out: list[bytes] = []
        for event in events:
            if type(event) is TextDelta:
                text, index, extras = event
                self._spoken.add(index)
                end = self._ends.of(extras)
                for piece in pieces(text):
                    out += (self._text_start, dump(piece), b',"index":%d' % index, end)
                    end = self._ends.bare
            elif type(event) is ChoiceExtras:
                self._ends.of(event.extras)  # what holds for the whole answer is told from here on
        return b"".join(out)

    def closing(self, finishes: Mapping[int, str], usage: Usage) -> bytes:
        """The finish chunk of each choice, the usage if it was asked for, the end mark; see `ChatFrames.closing`."""
        if self._spoken - finishes.keys():
            raise ValueError("a choice has no finish reason")
        out: list[bytes] = []
        for index, reason in sorted(finishes.items()):
            end = self._ends.finish(dump(told_finish(reason)))
            out += (self._text_start, b'"","index":%d' % index, end)
        if self._head.include_usage:
            out += (self._chunk_start, b'],"usage":', dump(usage_object(usage)), self._ends.after_choices())
        out.append(DONE)
        self.closed = True
        return b"".join(out)
