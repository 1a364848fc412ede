"""What every dialect offers: words that tell a model of its tools, and a decoder that finds the calls it writes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from proxy.dialects.ids import CallIds
from proxy.wire.events import StreamEvent

MAX_CALL_BYTES = 1024 * 1024  # of one call's text: enough for a written file, little enough for any flood


def uncounted(_word: str) -> None:
    """Nobody keeps numbers."""


def unheard(_error: Exception) -> None:
    """Nobody listens."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that may be called: *parameters* is its JSON schema."""

    name: str
    description: str
    parameters: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Toolset:
    """The tools of one request that may become calls, in the order declared, and how they may be called.

    *must_call*: the model has to call at least one.  *parallel*: it may call several.
    """

    tools: tuple[Tool, ...] = ()
    must_call: bool = False
    parallel: bool = True


@dataclass(frozen=True, slots=True)
class DialectOptions:
    """How a model entry has its text read.

    *reasoning_tags*: text between `<think>` and `</think>` is reasoning; *reasoning_preopened*: the answer begins
    inside.  *fences*: which code fences may hold calls.  *entities*: whether `&lt;` and the like are decoded in values;
    empty = as the dialect does it.  *final*: a dialect that knows a form for the answer itself reads it.  *ids*: those
    that calls get.  *count* is told in a word what was found, for whoever keeps numbers; *fault*
    hears of a bug.
    """

    reasoning_tags: bool = False
    reasoning_preopened: bool = False
    fences: Literal["", "whole", "text", "calls"] = ""
    entities: Literal["", "raw", "xml"] = ""
    max_call_bytes: int = MAX_CALL_BYTES
    final: bool = True
    ids: CallIds = field(default_factory=CallIds, compare=False)
    count: Callable[[str], None] = field(default=uncounted, compare=False)
    fault: Callable[[Exception], None] = field(default=unheard, compare=False)


@dataclass(frozen=True, slots=True)
class PastCall:
    """A call that the history holds; *arguments* is the text that the caller sent, mostly a JSON object.

    *tool* is what this request declares under that name, if it does.
    """

    name: str
    arguments: str
    tool: Tool | None = None


@dataclass(frozen=True, slots=True)
class PastResult:
    """What a tool has answered: to the call number *position* (from 1) of *calls*; *tool* is None if nobody knows."""

    tool: str | None
    position: int
    calls: int
    text: str


class Decoder(Protocol):
    """Events in, events out; pure, incremental, and never raising."""

    @property
    def cut(self) -> bool:
        """Whether the answer is over by our own decision: the upstream is to be cancelled."""

    @property
    def oversize(self) -> bool:
        """Whether that is because a call, of which the beginning was told, is too large to be read to its end."""

    def feed(self, events: Sequence[StreamEvent]) -> Sequence[StreamEvent]:
        """The events that *events* become, as far as that is certain by now."""

    def end(self) -> Sequence[StreamEvent]:
        """The upstream has ended: what was still held back."""


class Dialect(Protocol):
    """One way of writing calls as text.

    The same tools give the same words, byte for byte: models' prefix caches, and changes, are found by them.
    """

    def block(self, toolset: Toolset) -> str:
        """What the model is told of its tools; "" without any."""

    def call_text(self, call: PastCall) -> str:
        """A call as the model would have written it."""

    def result_text(self, result: PastResult) -> str:
        """A tool's result as the model is told it."""

    def decoder(self, toolset: Toolset, options: DialectOptions) -> Decoder:
        """A decoder of one answer, of one choice."""
