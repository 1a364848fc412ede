"""Models that nobody has configured, but an upstream offers."""

from collections.abc import Callable, Iterator, Mapping

from proxy.config import Model
from proxy.ports import Offer, OffersModels, Route, Upstream


class OfferedRoutes:
    """The offers of all upstreams, the first that offers an id wins; *route* makes a route for a model there.

    A route is kept as long as the offer does not change, so that the upstreams' slots and circuits stay the same.
    """

    def __init__(self, upstreams: Mapping[str, Upstream], route: Callable[[Model, str], Route]) -> None:
        self._offering = {name: each for name, each in upstreams.items() if isinstance(each, OffersModels)}
        self._route = route
        self._routes: dict[str, tuple[str, Offer, Route]] = {}
        for upstream in self._offering.values():
            upstream.offered()  # asked once now, so that the first request finds the answer

    def ids(self) -> Iterator[str]:
        """Every id on offer, once."""
        return iter({model_id: None for upstream in self._offering.values() for model_id in upstream.offered()})

    def offer(self, model_id: str) -> Offer | None:
        """What is known of a model on offer."""
        found = self._found(model_id)
        return found[1] if found is not None else None

    def find(self, model_id: str) -> Route | None:
        """The route of a model on offer."""
        found = self._found(model_id)
        if found is None:
            self._routes.pop(model_id, None)
            return None
        kept = self._routes.get(model_id)
        if kept is None or kept[:2] != found:
            name, offer = found
            entry = Model(
                id=model_id,
                upstream=name,
                context_window_tokens=offer.context_window_tokens,
                max_output_tokens=offer.max_output_tokens,
            )
            kept = self._routes[model_id] = (name, offer, self._route(entry, name))
        return kept[2]

    def _found(self, model_id: str) -> tuple[str, Offer] | None:
        for name, upstream in self._offering.items():
            offer = upstream.offered().get(model_id)
            if offer is not None:
                return name, offer
        return None
