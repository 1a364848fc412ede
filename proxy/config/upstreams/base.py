"""What the upstreams of all kinds have in common."""

from typing import Annotated, ClassVar, Self, get_args

from proxy.config.clocks import ClockTable
from proxy.config.controls import ControlTable
from proxy.config.fields import Count, Name, Unit
from proxy.wire.request import ModelRules


class UpstreamBase(ControlTable):
    """What upstreams of every kind have."""

    requires_user: ClassVar[bool] = True
    """Whether requests to upstreams of this kind need a user message, unless the model entry says otherwise."""

    default_dialect: ClassVar[str] = "native"
    """How its models write tool calls, unless the model entry says otherwise."""
    connect_s: ClassVar[float | None] = None
    """The clock `connect`, where it is not set and this kind needs another than most."""

    short_model_names: ClassVar[bool] = False
    """Whether a model's name there is what follows the last `/` of its id, unless the model entry says otherwise."""

    name: Name
    """What model entries, logs and metrics call it."""
    kind: str = "openai"
    """What it speaks: `codex`, `mix`, `openai`, `qwen` or `scripted`."""
    max_parallel: Annotated[Count, Unit("calls")] = 0
    """Calls at a time, per worker; 0 = no limit."""
    clocks: ClockTable = ClockTable()
    """Clocks that differ for this upstream."""

    @property
    def shares_credential(self) -> bool:
        """Whether all callers' requests go there under one credential."""
        return False

    @property
    def calls_at_a_time(self) -> int:
        """Calls that may be under way at a time, per worker; 0 = no limit."""
        return self.max_parallel

    @property
    def always_streams(self) -> bool:
        """Whether it is asked for a stream also when the caller wants the answer in one piece."""
        return False

    @property
    def rules(self) -> ModelRules:
        """What requests may hold that are to go there."""
        return ModelRules(require_user=self.requires_user)

    @property
    def probes_branch(self) -> bool:
        """Whether a setting is right only if a turn that is not the last can be continued."""
        return False

    def variants_to_probe(self) -> dict[str, Self]:
        """Settings that only a live account can tell right from wrong, each with how it is written."""
        return {}

    @classmethod
    def unknown_key(cls, key: str) -> str:
        """Tell a key of another kind from one that nobody knows."""
        plainest_first = sorted(UpstreamBase.__subclasses__(), key=lambda other: other.kind_name() != "openai")
        for other in plainest_first:
            if key in other.model_fields:
                return f"a field of kind {other.kind_name()!r}; this upstream is of kind {cls.kind_name()!r}"
        return super().unknown_key(key)

    @classmethod
    def kind_name(cls) -> str:
        """The one word that `kind` may be."""
        name: str = get_args(cls.model_fields["kind"].annotation)[0]
        return name
