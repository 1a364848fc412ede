"""`[budget]`: how much of a model's window input and output may take, and what is done with too long an input."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from proxy.config.fields import Count, Section, Unit

UNKNOWN_WINDOW_TOKENS = 200_000
UNKNOWN_OUTPUT_TOKENS = 8_192
INPUT_SHARE = 0.8  # of a window whose largest input nobody has told us

Chars = Annotated[int, Field(ge=1), Unit("characters")]


class BudgetTable(Section):
    """How much of a model's window input and output may take.

    The same table, in part, may stand on a model (`budget = { trim = "oldest" }`), and beats this.
    """

    default_output_tokens: Annotated[Count, Unit("tokens")] | None = None
    """What is reserved for the answer where the caller gives no limit; 0 = `max_output_tokens`."""
    trim: Literal["off", "oldest"] | None = None
    """`oldest` drops the oldest turns of an input that is too long, then shortens texts; `off` refuses it."""
    keep_messages: Annotated[Count, Unit("messages")] | None = None
    """The last messages that are never dropped, rounded up to a whole turn."""
    summary: bool | None = None
    """Whether the last of the dropped messages are told in a line each."""
    summary_max_chars: Chars | None = None
    """Longest such summary."""
    summary_max_lines: Annotated[int, Field(ge=1), Unit("lines")] | None = None
    """Most lines of it."""
    estimator: Literal["chars", "o200k"] | None = None
    """`chars` weighs characters; `o200k` counts exactly for a common vocabulary, slowly (needs the extra `o200k`)."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """The limits in force for one model entry.  *known*: the configuration says anything about them at all."""

    known: bool = False
    window_tokens: int = UNKNOWN_WINDOW_TOKENS
    max_input_tokens: int = int(UNKNOWN_WINDOW_TOKENS * INPUT_SHARE)
    max_output_tokens: int = UNKNOWN_OUTPUT_TOKENS
    default_output_tokens: int = 0
    trim: Literal["off", "oldest"] = "off"
    keep_messages: int = 6
    summary: bool = False
    summary_max_chars: int = 600
    summary_max_lines: int = 10
    estimator: Literal["chars", "o200k"] = "chars"

    def output_tokens(self, asked: int | None, *, always: bool) -> int:
        """What is reserved for the answer; where the upstream is not *always* told a limit, only what is asked for."""
        wanted = asked or self.default_output_tokens or (self.max_output_tokens if always else 0)
        return min(wanted, self.max_output_tokens, self.window_tokens - 1)

    def available_tokens(self, output_tokens: int) -> int:
        """What is left for the input."""
        return max(1, min(self.max_input_tokens, self.window_tokens - output_tokens))


def allowance(
    window_tokens: int | None, max_input_tokens: int | None, max_output_tokens: int | None, *tables: BudgetTable
) -> Allowance:
    """The limits of an entry, and what the *tables* say, of which a later one beats an earlier one."""
    given: dict[str, object] = {}
    for table in tables:
        given |= table.model_dump(exclude_none=True)
    window = window_tokens or UNKNOWN_WINDOW_TOKENS
    limits = (window_tokens, max_input_tokens, max_output_tokens)
    told = Allowance(
        known=bool(given) or any(limit is not None for limit in limits),
        window_tokens=window,
        max_input_tokens=max_input_tokens or max(1, int(window * INPUT_SHARE)),
        max_output_tokens=max_output_tokens or min(UNKNOWN_OUTPUT_TOKENS, max(1, window - 1)),
    )
    return Allowance(**{name: getattr(told, name) for name in told.__slots__} | given)
