"""The catalog: from the ids that callers ask for to the upstreams that may answer."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import count

from multidict import MultiMapping

from proxy.config import Clocks, Credential, Model, Settings
from proxy.dialects import NAMES_IN_TAGS, check_parameter_names
from proxy.errors import RequestRejected
from proxy.ports import Caller, Candidate, ChecksRequests, Place, RequestCheck, Route, Upstream
from proxy.routing.health import UpstreamHealth
from proxy.routing.offers import OfferedRoutes
from proxy.routing.slots import slots_of
from proxy.wire.request import ChatRequest, common_rules, named_base_url

OWNER = "turnstile"


class ModelCatalog:
    """The models of one configuration, built once; *created* is the same for every model object of the process."""

    def __init__(
        self,
        settings: Settings,
        upstreams: Mapping[str, Upstream],
        healths: Mapping[str, UpstreamHealth],
        created: int,
    ) -> None:
        self._created = created
        self._settings = settings
        self._healths = healths
        self._upstreams = upstreams
        self._slots = {upstream.name: slots_of(upstream.calls_at_a_time) for upstream in settings.upstreams}
        self._offers = OfferedRoutes(upstreams, self._offered_route)
        self._places = self._all_places(settings)
        self._routes = {entry.id: self._route(entry) for entry in settings.models}

    def find(self, model_id: str) -> Route | None:
        """The route of an id or an alias; else of the longest prefix that the id is under."""
        entry = self._settings.model_named(model_id)
        if entry is None:
            return self._offers.find(model_id)
        route = self._routes[entry.id]
        return route if entry.prefix is None else self._under_prefix(route, model_id)

    def listing(self, caller: Caller) -> list[dict[str, object]]:
        """The model objects that *caller* may use; prefix entries have no id to list."""
        configured = [entry.id for entry in self._settings.models if entry.prefix is None]
        offered = [model_id for model_id in self._offers.ids() if model_id not in self._settings.models_by_name]
        return [self._object(model_id) for model_id in (*configured, *offered) if caller.may_use(model_id)]

    def show(self, model_id: str, caller: Caller) -> dict[str, object] | None:
        """One model object, under the id asked for, if there is such a model and the caller may use it."""
        route = self.find(model_id)
        if route is None or not (caller.may_use(model_id) or caller.may_use(route.candidates[0].model_id)):
            return None
        return self._object(model_id)

    def _object(self, model_id: str) -> dict[str, object]:
        offer = self._offers.offer(model_id) if self._settings.model_named(model_id) is None else None
        return {
            "id": model_id,
            "object": "model",
            "created": (offer.created if offer is not None else None) or self._created,
            "owned_by": offer.owned_by if offer is not None else OWNER,
        }

    def _all_places(self, settings: Settings) -> dict[tuple[str, str], Place]:
        return {
            (entry.id, name): self._place(entry, name, settings.clocks_for(entry, settings.upstreams_by_name[name]))
            for entry in settings.models
            for name in entry.upstream_names
        }

    def _place(self, entry: Model, upstream: str, clocks: Clocks) -> Place:
        configured = self._settings.upstreams_by_name[upstream]
        return Place(
            upstream=self._upstreams[upstream],
            slots=self._slots[upstream],
            clocks=clocks,
            health=self._healths[upstream].of_model(entry.id),
            always_streams=configured.always_streams,
            dialect=entry.dialect_at(configured.default_dialect),
            controls=self._settings.controls_for(entry, configured),
        )

    def _offered_route(self, entry: Model, upstream: str) -> Route:
        """The route of a model that nobody has configured, but an upstream offers."""
        configured = self._settings.upstreams_by_name[upstream]
        place = self._place(entry, upstream, self._settings.clocks_for(None, configured))
        candidate = Candidate(entry.id, entry.id, entry, (place,), self._settings.allowance_for(entry))
        return Route(configured.rules, (candidate,), count(), checks=checks_at(place))

    def _route(self, entry: Model) -> Route:
        chain = [entry, *(self._settings.models_by_name[model_id] for model_id in entry.fallback)]
        rules = common_rules(
            [self._settings.upstreams_by_name[name].rules for name in entry.upstream_names],
            require_user=self._settings.requires_user(entry),
        )
        return Route(
            rules,
            tuple(self._candidate(each, each.id) for each in chain),
            count(),
            passed_header=self._passed(entry),
            checks=tuple(check for name in entry.upstream_names for check in checks_at(self._places[entry.id, name])),
        )

    def _passed(self, entry: Model) -> str:
        """The header whose token goes to the entry's upstream."""
        credential = getattr(self._settings.upstreams_by_name[entry.upstream_names[0]], "credential", None)
        passes = isinstance(credential, Credential) and credential.mode == "pass_through"
        return credential.header if passes and isinstance(credential, Credential) else ""

    def _candidate(self, entry: Model, requested: str) -> Candidate:
        return Candidate(
            model_id=requested,
            upstream_model=self._name_there(entry, requested),
            entry=entry,
            places=tuple(self._places[entry.id, name] for name in entry.upstream_names),
            allowance=self._settings.allowance_for(entry),
        )

    def _name_there(self, entry: Model, requested: str) -> str:
        """The model's name at its upstreams."""
        name = entry.sent_as(requested)
        short = any(self._settings.upstreams_by_name[each].short_model_names for each in entry.upstream_names)
        return name.rpartition("/")[2] or name if short and entry.upstream_model is None else name

    def _under_prefix(self, route: Route, requested: str) -> Route:
        first, *rest = route.candidates
        return replace(route, candidates=(self._candidate(first.entry, requested), *rest))


def checks_at(place: Place) -> tuple[RequestCheck, ...]:
    """What a request to *place* must stand, beyond the rules of its kind."""
    return (check_of(place.upstream), *((takes_names,) if place.dialect in NAMES_IN_TAGS else ()))


def takes_names(request: ChatRequest, _caller_headers: MultiMapping[str]) -> None:
    """Refuse tools that the model can't be told of in its dialect."""
    check_parameter_names(request)


def check_of(upstream: Upstream) -> RequestCheck:
    """What an upstream finds fault with; one that has no such opinion can't be sent elsewhere by callers."""
    return upstream.check if isinstance(upstream, ChecksRequests) else takes_no_base_url


def takes_no_base_url(request: ChatRequest, caller_headers: MultiMapping[str]) -> None:
    """Refuse a request that names a base URL: it is never ignored where a request goes."""
    if named_base_url(request, caller_headers) is not None:
        raise RequestRejected(
            "Invalid 'upstream_base_url': expected it left out with this model, got a value.",
            code="unsupported_parameter",
            param="upstream_base_url",
        )
