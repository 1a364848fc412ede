"""The surfaces: which endpoint's shape an answer is told in, and who writes it."""

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import NamedTuple, Protocol

from proxy.wire.answer.body import chat_body
from proxy.wire.answer.completions import CompletionFrames, completion_body
from proxy.wire.answer.fold import Answer
from proxy.wire.answer.frames import ChatFrames
from proxy.wire.answer.head import AnswerHead
from proxy.wire.events import StreamEvent, Usage


class Surface(StrEnum):
    """An endpoint, by the shape of its answers."""

    CHAT = "chat"
    COMPLETIONS = "completions"


class FrameRenderer(Protocol):
    """Writes the frames of one answer, whichever its surface; *closed* once the end mark was written."""

    closed: bool

    @property
    def emitted(self) -> bool:
        """Whether any frame has been written: from then on nothing can be taken back."""

    def frames(self, events: Iterable[StreamEvent]) -> bytes:
        """All frames that *events* become, for one write; empty if they become none."""

    def closing(self, finishes: Mapping[int, str], usage: Usage) -> bytes:
        """All that is left to say, and the end mark.  Raises ValueError if a choice would have no finish reason."""


class Rendering(NamedTuple):
    """How a surface is written, and what its ids begin with."""

    id_prefix: str
    frames: Callable[[AnswerHead], FrameRenderer]
    body: Callable[[AnswerHead, Answer], bytes]


RENDERINGS: Mapping[Surface, Rendering] = {
    Surface.CHAT: Rendering("chatcmpl-", ChatFrames, chat_body),
    Surface.COMPLETIONS: Rendering("cmpl-", CompletionFrames, completion_body),
}


def answer_id(surface: Surface, hex_digits: str) -> str:
    """The id of an answer, from the 32 hexadecimal digits that the request was given."""
    return RENDERINGS[surface].id_prefix + hex_digits


def frames_for(surface: Surface, head: AnswerHead) -> FrameRenderer:
    """A new writer of frames for one answer."""
    return RENDERINGS[surface].frames(head)


def body_of(surface: Surface, head: AnswerHead, answer: Answer) -> bytes:
    """The body of a settled answer.  Raises ValueError for one that is not."""
    return RENDERINGS[surface].body(head, answer)
