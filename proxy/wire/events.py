"""The normalised events: all that an upstream can say, whatever it speaks.

Adapters make them, the dialect decoder maps them, the renderer and the answer fold them.  They are tuples, since one is
made for every chunk of every stream.  *choice* is the index of the choice that an event belongs to.
"""

from typing import Any, Literal, NamedTuple, TypeAlias


class Extras(NamedTuple):
    """Unknown keys of an upstream chunk, to be merged back into the frame that the event becomes.

    *call* holds those of an entry of `tool_calls`: signatures that the caller must send back with the call, for one.
    """

    chunk: dict[str, Any] | None = None
    choice: dict[str, Any] | None = None
    delta: dict[str, Any] | None = None
    call: dict[str, Any] | None = None


class Opened(NamedTuple):
    """The upstream has begun: its own ids, by name (`id`, `chat_id`, …).  Not a delta: nothing leaves for it."""

    ids: dict[str, str]


class TextDelta(NamedTuple):
    """Text of the answer; never empty."""

    text: str
    choice: int = 0
    extras: Extras | None = None


class ReasoningDelta(NamedTuple):
    """Text of the model's reasoning; never empty."""

    text: str
    choice: int = 0
    extras: Extras | None = None


class RefusalDelta(NamedTuple):
    """Text of a refusal; never empty."""

    text: str
    choice: int = 0
    extras: Extras | None = None


class ToolCallDelta(NamedTuple):
    """A piece of a tool call.

    *index* counts the calls of a choice from 0, without gaps.  The first piece of a call carries *id* and *name*,
    later ones None.  *arguments* is the next piece of one JSON text, maybe empty; of a call to a `custom` tool, of
    its free text.
    """

    index: int  # type: ignore[assignment]  # shadows tuple.index, which has no use here
    id: str | None
    name: str | None
    arguments: str
    choice: int = 0
    extras: Extras | None = None
    kind: Literal["function", "custom"] = "function"


class ChoiceExtras(NamedTuple):
    """Unknown keys of a chunk that bore nothing else for its choice (log probabilities of an empty piece, say)."""

    extras: Extras
    choice: int = 0


class Usage(NamedTuple):
    """Token counts; details are objects as the upstream gave them, or None."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_details: dict[str, Any] | None = None
    completion_details: dict[str, Any] | None = None
    estimated: bool = False


class Finished(NamedTuple):
    """The upstream has finished a choice.

    *reason* is one of `stop`, `length`, `content_filter`, `tool_calls`.  Comes once per choice, last.
    """

    reason: str
    choice: int = 0


StreamEvent: TypeAlias = (
    Opened | TextDelta | ReasoningDelta | RefusalDelta | ToolCallDelta | ChoiceExtras | Usage | Finished
)

DELTAS = frozenset({TextDelta, ReasoningDelta, RefusalDelta, ToolCallDelta, Finished})
"""What counts as a delta: the clocks `first_event`, `failover` and `progress` are ended or reset by these alone."""
