"""Stream controls: how answers are told once a tool was called, and what becomes of one whose caller has left."""

from dataclasses import dataclass
from typing import Annotated, Literal

from proxy.config.fields import Count, Milliseconds, Seconds, Section, Unit


@dataclass(frozen=True, slots=True)
class Controls:
    """The controls in force for one model entry on one upstream."""

    stop_after_tools: Literal["off", "first", "burst"] = "off"
    tool_grace_ms: float = 300.0  # models write the calls of one burst without pauses
    suppress_tail_after_tools: bool = False
    tool_block_max: int = 0
    on_disconnect: Literal["interrupt", "finish"] = "interrupt"
    finish_s: float = 60.0


class ControlTable(Section):
    """How answers are told.

    The same fields may stand on an upstream and on a model: the model's beat the upstream's, and those beat these.
    """

    stop_after_tools: Literal["off", "first", "burst"] | None = None
    """End an answer after its `first` whole tool call, or after a `burst` of them; `x-stop-after-tools` per request."""
    tool_grace_ms: Milliseconds | None = None
    """A burst is over when no further call is whole within this time."""
    suppress_tail_after_tools: bool | None = None
    """Leave out text that follows a whole tool call; `x-suppress-tail` per request."""
    tool_block_max: Annotated[Count, Unit("calls")] | None = None
    """Tool calls that an answer may have; the next one ends it; 0 = no limit; `x-tool-block-max` per request."""
    on_disconnect: Literal["interrupt", "finish"] | None = None
    """When the caller leaves: `interrupt` the upstream, or let it `finish`, so that the conversation can go on."""
    finish_s: Seconds | None = None
    """How long an answer without a caller may take to finish."""

    def given_controls(self) -> dict[str, object]:
        """The controls that this table sets."""
        found = {name: getattr(self, name) for name in ControlTable.model_fields}
        return {name: value for name, value in found.items() if value is not None}


def merged_controls(*tables: ControlTable) -> Controls:
    """The controls in force under *tables*, of which a later one beats an earlier one."""
    given: dict[str, object] = {}
    for table in tables:
        given |= table.given_controls()
    return Controls(**given)  # type: ignore[arg-type]  # the fields are checked, and have the same names
