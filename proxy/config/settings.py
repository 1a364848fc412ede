"""Settings: the whole configuration, frozen, with the few questions that it can answer itself."""

from functools import cached_property

from pydantic import field_validator

from proxy.config.budget import Allowance, BudgetTable, allowance
from proxy.config.clocks import Clocks, ClockTable, merged
from proxy.config.controls import Controls, ControlTable, merged_controls
from proxy.config.fields import Section
from proxy.config.models import Model
from proxy.config.sections import Auth, Breaker, Log, Retry, Server, Tools
from proxy.config.session import Session
from proxy.config.upstreams import Upstream


class Settings(Section):
    """All settings in force.  A reload makes a new one."""

    server: Server = Server()
    """Where the daemon listens, and how much it takes on."""
    auth: Auth = Auth()
    """Who may call."""
    session: Session = Session()
    """Conversations with upstreams that keep the history themselves."""
    clocks: ClockTable = ClockTable()
    """How long each wait may last."""
    budget: BudgetTable = BudgetTable()
    """How much of a model's window input and output may take."""
    controls: ControlTable = ControlTable()
    """How answers are told."""
    retry: Retry = Retry()
    """What is spent on a request whose upstream fails."""
    breaker: Breaker = Breaker()
    """When an upstream that fails is left alone."""
    upstreams: tuple[Upstream, ...] = ()
    """The backends."""
    models: tuple[Model, ...] = ()
    """What callers may ask for."""
    tools: Tools = Tools()
    """Tool calls that models write as text."""
    log: Log = Log()
    """How the daemon logs."""

    @field_validator("models")
    @classmethod
    def _with_variants(cls, models: tuple[Model, ...]) -> tuple[Model, ...]:
        """The entries as they are served: those that stand for variants come last."""
        return (*models, *(variant for model in models for variant in model.variants))

    def clocks_for(self, model: Model | None = None, upstream: Upstream | None = None) -> Clocks:
        """The clocks in force for *model* on *upstream*; where one is not known yet, as far as they are."""
        return self.all_clocks[model.id if model else None, upstream.name if upstream else None]

    def allowance_for(self, model: Model) -> Allowance:
        """The limits in force for *model*."""
        limits = (model.context_window_tokens, model.max_input_tokens, model.max_output_tokens)
        return allowance(*limits, self.budget, model.budget)

    def controls_for(self, model: Model | None, upstream: Upstream) -> Controls:
        """The controls in force for *model* on *upstream*; None = a model that nobody has configured."""
        return merged_controls(*(table for table in (self.controls, upstream, model) if table is not None))

    def model_named(self, requested: str) -> Model | None:
        """The entry that serves an id: by its id, an alias, or the longest prefix."""
        entry = self.models_by_name.get(requested)
        if entry is not None:
            return entry
        return next((model for prefix, model in self.models_by_prefix if requested.startswith(prefix)), None)

    def requires_user(self, model: Model) -> bool:
        """Whether requests for *model* need a user message."""
        if model.require_user is not None:
            return model.require_user
        return any(self.upstreams_by_name[name].requires_user for name in model.upstream_names)

    @cached_property
    def upstreams_by_name(self) -> dict[str, Upstream]:
        """Every upstream, by its name."""
        return {upstream.name: upstream for upstream in self.upstreams}

    @cached_property
    def models_by_name(self) -> dict[str, Model]:
        """The entries that are asked for by name, by id and alias."""
        return {name: model for model in self.models if model.prefix is None for name in (model.id, *model.aliases)}

    @cached_property
    def models_by_prefix(self) -> list[tuple[str, Model]]:
        """The entries that serve a prefix, the longest first."""
        found = [(model.prefix, model) for model in self.models if model.prefix is not None]
        return sorted(found, key=lambda row: len(row[0]), reverse=True)

    @cached_property
    def all_clocks(self) -> dict[tuple[str | None, str | None], Clocks]:
        """The clocks in force, by model id and upstream name; None = not known yet."""
        return {
            (model.id if model else None, upstream.name if upstream else None): merged(
                ClockTable(connect=upstream.connect_s if upstream else None),
                *(table.clocks for table in (self, upstream, model) if table is not None),
            )
            for model in (None, *self.models)
            for upstream in (None, *self.upstreams)
        }
