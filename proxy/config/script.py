"""What a scripted upstream says: steps, each a table with exactly one verb."""

import json
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator, PlainValidator, ValidationInfo

from proxy.config.fields import Count, Milliseconds, Name, Seconds, Section, Unit
from proxy.config.problems import kind_of, nearest, problem
from proxy.errors import error_classes

UPSTREAM_CODES: tuple[str, ...] = tuple(
    dict.fromkeys(error.code for error in error_classes() if error.__module__.startswith("proxy.errors.upstream"))
)
"""The error codes that an upstream's failure can have."""


def _upstream_code(code: str) -> str:
    if code not in UPSTREAM_CODES:
        raise problem(f"no failure of an upstream has this code; {nearest(code, UPSTREAM_CODES)}")
    return code


def _json_text(value: Any) -> Any:
    """A table as compact JSON; text stays as it is, so that a script can also call with broken JSON."""
    if not isinstance(value, dict):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)  # TOML has dates, JSON has none


def _only_true(value: bool) -> bool:  # noqa: FBT001 - a validator
    if not value:
        raise problem("is true, or is left out")
    return value


Yes: TypeAlias = Annotated[bool, AfterValidator(_only_true)]


class _InPieces(Section):
    """Something that is told piece by piece."""

    chunk: Annotated[Count, Unit("characters")] = 4
    """Length of a piece; 0 = all at once."""
    every_ms: Milliseconds = 20.0
    """Wait before each piece but the first."""


class Say(_InPieces):
    """The step `say`."""

    say: str
    """Text of the answer."""


class Think(_InPieces):
    """The step `think`."""

    think: str
    """Text of the model's reasoning."""


class Refuse(_InPieces):
    """The step `refuse`."""

    refuse: str
    """Text of a refusal."""


class Call(_InPieces):
    """The step `call`."""

    call: Name
    """A tool call: the tool's name."""
    arguments: Annotated[str, BeforeValidator(_json_text)] = "{}"
    """Arguments: a table, or the text of a JSON object."""


class Pause(Section):
    """The step `pause_ms`."""

    pause_ms: Milliseconds
    """A wait."""


class Fail(Section):
    """The step `fail`."""

    fail: Annotated[str, AfterValidator(_upstream_code)]
    """A failure: its error code, such as `upstream_rate_limited`."""
    retry_after_s: Seconds | None = None
    """The upstream's Retry-After."""


class Cut(Section):
    """The step `cut`."""

    cut: Yes
    """The connection breaks."""


class Stall(Section):
    """The step `stall`."""

    stall: Yes
    """Nothing more comes, and the connection stays open."""


class Finish(Section):
    """The step `finish`."""

    finish: Literal["stop", "length", "content_filter", "tool_calls"]
    """The finish reason."""


class TokenCounts(Section):
    """Token counts."""

    prompt_tokens: Annotated[Count, Unit("tokens")]
    """Tokens of the request."""
    completion_tokens: Annotated[Count, Unit("tokens")]
    """Tokens of the answer."""


class Report(Section):
    """The step `usage`."""

    usage: TokenCounts
    """The token counts that are reported."""


VERBS: dict[str, type[Section]] = {
    "say": Say,
    "think": Think,
    "refuse": Refuse,
    "call": Call,
    "pause_ms": Pause,
    "fail": Fail,
    "cut": Cut,
    "stall": Stall,
    "finish": Finish,
    "usage": Report,
}
"""The kinds of step, by their verb: the key that says which one a table is."""


def _step(value: Any, info: ValidationInfo) -> Any:
    if isinstance(value, Section):
        return value
    if not isinstance(value, dict):
        raise problem(f"expected a table with one verb, got {kind_of(value)}")
    verbs = [verb for verb in VERBS if verb in value]
    if len(verbs) > 1:
        raise problem(f"a step has exactly one verb, and this one has {' and '.join(verbs)}")
    if not verbs:
        wanted = next(iter(value), "")
        raise problem(f"a step needs a verb; {nearest(wanted, VERBS, of='there are')}")
    return VERBS[verbs[0]].model_validate(value, context=info.context)


Step: TypeAlias = Annotated[
    Say | Think | Refuse | Call | Pause | Fail | Cut | Stall | Finish | Report, PlainValidator(_step)
]
Script: TypeAlias = tuple[Step, ...]
