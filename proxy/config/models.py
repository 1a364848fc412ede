"""`[[models]]`: what callers may ask for, and who answers."""

from typing import Annotated, Literal, Self, TypeAlias

from pydantic import AfterValidator, model_validator

from proxy.config.budget import UNKNOWN_WINDOW_TOKENS, BudgetTable
from proxy.config.clocks import ClockTable
from proxy.config.controls import ControlTable
from proxy.config.fields import Name, Names, Tokens, unique
from proxy.config.problems import nearest, problem, problems, shown
from proxy.dialects import DIALECTS, NATIVE

_PREFIX_MARK = "/*"
DEFAULT_TEXT_DIALECT = "json"  # whatever a model has seen in training, it has seen JSON
TEXT_DIALECTS = tuple(name for name in DIALECTS if name != NATIVE)


def _model_id(model_id: str) -> str:
    if "*" in model_id.removesuffix(_PREFIX_MARK) or model_id == _PREFIX_MARK:
        raise problem("an id may hold '*' only at its end, after a prefix: 'mix/*'")
    return model_id


def _exact(model_id: str) -> str:
    if "*" in model_id:
        raise problem("names one model: '*' has no meaning here")
    return model_id


def _dialect(name: str) -> str:
    if name not in TEXT_DIALECTS:
        raise problem(f"unknown dialect {shown(name)}; {nearest(name, TEXT_DIALECTS, of='dialects')}")
    return name


ModelId: TypeAlias = Annotated[Name, AfterValidator(_model_id)]
ExactIds: TypeAlias = Annotated[tuple[Annotated[Name, AfterValidator(_exact)], ...], AfterValidator(unique)]


class Model(ControlTable):
    """A model that callers may ask for.  An id that ends in `/*` serves every id with that prefix."""

    id: ModelId
    """What callers ask for."""
    aliases: ExactIds = ()
    """Other names for it."""
    upstream: Name | None = None
    """The upstream that answers."""
    upstreams: Names = ()
    """Or several, which take turns."""
    fallback: ExactIds = ()
    """Models tried in this order when this one fails before anything of the answer has left."""
    resume: bool = False
    """After a cut in mid-stream, let the next candidate go on from the text already sent."""
    delivery: Literal["live", "assured"] = "live"
    """`assured` collects an answer before it is sent, so that a cut can fail over; `x-delivery` chooses per request."""
    require_user: bool | None = None
    """Refuse requests without a user message; unset: only where the upstream's kind needs one (all but `openai`)."""
    reasoning_field: Literal["reasoning_content", "reasoning", "off"] = "reasoning_content"
    """The field that reasoning is told in; `off` drops it."""
    report_model: Literal["answering", "requested"] = "answering"
    """What an answer's `model` names: the entry that answered, or what was asked for."""
    upstream_model: Name | None = None
    """The model's name at the upstream; unset: the id, or with `mix` what follows its last `/`."""
    tools: Literal["auto", "native", "text", "off"] = "auto"
    """How tools are told: `native` in the upstream's own field, `text` in words, `off` never, `auto` as its kind is."""
    dialect: Annotated[str, AfterValidator(_dialect)] | None = None
    """How the model writes calls where tools are text; unset: as its kind does."""
    tool_prompt: str = ""
    """Said to the model in place of the dialect's own instructions; the tools follow, one line of JSON each."""
    reasoning_tags: bool = False
    """Whether text between `<think>` and `</think>`, at the beginning or after a call, is reasoning."""
    reasoning_preopened: bool = False
    """With `reasoning_tags`: an answer begins inside of them."""
    fences: Literal["calls", "whole", "text"] | None = None
    """Code fences that may hold calls: all, one that is the whole answer, none; unset: as the dialect does it."""
    entities: Literal["raw", "xml"] | None = None
    """Whether `&lt;` and the like are decoded in values written as text; unset: as the dialect does it."""
    effort: Name | None = None
    """Reasoning effort where the caller asks for none; for kind `codex`."""
    effort_variants: Names = ()
    """Efforts that are offered as models of their own: `low` adds the id of this entry followed by `-low`."""
    context_window_tokens: Tokens | None = None
    """What input and output may take together; unset: unknown."""
    max_input_tokens: Tokens | None = None
    """Longest input; unset: unknown."""
    max_output_tokens: Tokens | None = None
    """Longest output; unset: unknown."""
    budget: BudgetTable = BudgetTable()
    """Budget that differs for this model."""
    clocks: ClockTable = ClockTable()
    """Clocks that differ for this model."""

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        found = []
        if self.upstream is not None and self.upstreams:
            found.append((("upstreams",), "is given along with `upstream`; keep one of them"))
        if self.upstream is None and not self.upstreams:
            found.append((("upstream",), "is required"))
        if self.effort_variants and self.id.endswith(_PREFIX_MARK):
            found.append((("effort_variants",), "an entry for a prefix can't have them"))
        window = self.context_window_tokens or UNKNOWN_WINDOW_TOKENS
        told = "" if self.context_window_tokens else " as long as it is unset"
        for name in ("max_input_tokens", "max_output_tokens"):
            most = getattr(self, name)
            if most is not None and most > window:
                found.append(((name,), f"{most} is above context_window_tokens, which is {window}{told}"))
        if found:
            raise problems("model", found)
        return self

    def dialect_at(self, default: str) -> str:
        """How the model writes calls, where *default* is how its kind does it best."""
        if self.tools in ("native", "off") or (self.tools == "auto" and default == NATIVE):
            return NATIVE
        return self.dialect or (default if default in TEXT_DIALECTS else DEFAULT_TEXT_DIALECT)

    @property
    def variants(self) -> "tuple[Model, ...]":
        """The entries that `effort_variants` stand for; the model's name at the upstream stays that of this one."""
        shared = {"upstream_model": self.upstream_model or self.id, "aliases": (), "effort_variants": ()}
        return tuple(
            self.model_copy(update={**shared, "id": f"{self.id}-{effort}", "effort": effort})
            for effort in self.effort_variants
        )

    @property
    def prefix(self) -> str | None:
        """What the ids begin with that this entry serves, for an entry whose id ends in `/*`."""
        return self.id.removesuffix("*") if self.id.endswith(_PREFIX_MARK) else None

    @property
    def upstream_names(self) -> tuple[str, ...]:
        """The upstreams that answer, in order."""
        return self.upstreams or ((self.upstream,) if self.upstream is not None else ())

    def sent_as(self, requested: str) -> str:
        """The model's name at the upstream, for a request for *requested*: an alias becomes the id."""
        return self.upstream_model or (self.id if self.prefix is None else requested)
