"""What every table of the configuration is made of: the base class, and the sorts of value that a field can hold.

A field's docstring is its line in the reference.  `Unit` says what its number counts, and `NEEDS_RESTART` that a reload
can't change it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Self, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails

from proxy.config.problems import explain, nearest, problem, problems, shown


@dataclass(frozen=True, slots=True)
class Unit:
    """What a number counts."""

    name: str


@dataclass(frozen=True, slots=True)
class NeedsRestart:
    """Marks a field that is read once, at the start."""


NEEDS_RESTART = NeedsRestart()


class Section(BaseModel):
    """A table: frozen, and strict about its keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    @model_validator(mode="wrap")
    @classmethod
    def _told_plainly(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Put every fault into one plain sentence here, where the table's own keys are known."""
        try:
            return handler(data)
        except ValidationError as refused:
            raise problems(
                cls.__name__,
                [(error["loc"], cls._explained(error)) for error in refused.errors(include_url=False)],
            ) from None

    @classmethod
    def _explained(cls, error: ErrorDetails) -> str:
        return cls.unknown_key(str(error["loc"][-1])) if error["type"] == "extra_forbidden" else explain(error)

    @classmethod
    def unknown_key(cls, key: str) -> str:
        """What is said of a *key* that the table does not have."""
        return f"unknown key; {nearest(key, cls.model_fields, of='known keys')}"


def _no_boolean(value: Any) -> Any:
    if isinstance(value, bool):
        raise problem(f"expected a number, got {shown(value)}")
    return value


def printable(text: str) -> str:
    """*text*, if it can be shown on one line as it is."""
    if not text.isprintable():
        raise problem("must not contain control characters or line breaks")
    return text


def _trimmed(text: str) -> str:
    if text != text.strip():
        raise problem("must not begin or end with a blank")
    return text


def unique(values: tuple[str, ...]) -> tuple[str, ...]:
    """*values*, if none of them comes twice."""
    twice = duplicates(values)
    if twice:
        raise problem(f"{twice[0]!r} is given twice")
    return values


def duplicates(values: Iterable[str]) -> list[str]:
    """Those of *values* that came before, in order."""
    seen: set[str] = set()
    return [value for value in values if value in seen or seen.add(value)]  # type: ignore[func-returns-value]  # add() is None


Integer: TypeAlias = Annotated[int, BeforeValidator(_no_boolean)]
Number: TypeAlias = Annotated[float, BeforeValidator(_no_boolean), Field(allow_inf_nan=False)]
Text: TypeAlias = Annotated[str, AfterValidator(printable)]

Count: TypeAlias = Annotated[Integer, Field(ge=0)]
Positive: TypeAlias = Annotated[Integer, Field(ge=1)]
Bytes: TypeAlias = Annotated[Integer, Field(ge=1), Unit("bytes")]
Tokens: TypeAlias = Annotated[Integer, Field(ge=1), Unit("tokens")]
Seconds: TypeAlias = Annotated[Number, Field(ge=0), Unit("s")]
Milliseconds: TypeAlias = Annotated[Number, Field(ge=0), Unit("ms")]

Name: TypeAlias = Annotated[
    str, Field(min_length=1, max_length=256), AfterValidator(printable), AfterValidator(_trimmed)
]
"""An operator's name for something: one line, as long as the `model` of a request may be."""
Names: TypeAlias = Annotated[tuple[Name, ...], AfterValidator(unique)]
