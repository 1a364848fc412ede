"""The catalog: from an id to those who may answer."""

from random import Random
from typing import Any

import pytest

from proxy.config import Settings, load
from proxy.ports import Caller, Upstream
from proxy.routing.catalog import ModelCatalog
from proxy.routing.health import UpstreamHealth
from proxy.testing.clock import ManualClock
from proxy.testing.inprocess import InProcessUpstream

CREATED = 1_790_000_000
EVERYBODY = Caller("dev", "-", ("*",), 0, 0)


def settings(models: list[dict[str, Any]], upstreams: list[dict[str, Any]] | None = None, **tables: Any) -> Settings:
    named = upstreams or [{"name": "a", "kind": "scripted"}, {"name": "b", "kind": "openai", "base_url": "http://b/v1"}]
    return load(None, {}, {"models": models, "upstreams": named, **tables})


def catalog(models: list[dict[str, Any]], **tables: Any) -> ModelCatalog:
    configured = settings(models, **tables)
    upstreams: dict[str, Upstream] = {
        each.name: InProcessUpstream(each.name, (), ManualClock(), kind=each.kind) for each in configured.upstreams
    }
    healths = {
        each.name: UpstreamHealth(configured.breaker, ManualClock(), Random(1), shared_credential=True)
        for each in configured.upstreams
    }
    return ModelCatalog(configured, upstreams, healths, CREATED)


def asked(models: ModelCatalog, model_id: str) -> list[tuple[str, str]]:
    route = models.find(model_id)
    assert route is not None
    return [(candidate.model_id, candidate.upstream_model) for candidate in route.candidates]


def test_an_id_leads_to_its_entry() -> None:
    assert asked(catalog([{"id": "one", "upstream": "a"}]), "one") == [("one", "one")]


def test_the_upstream_may_know_it_by_another_name() -> None:
    assert asked(catalog([{"id": "one", "upstream": "a", "upstream_model": "big-7"}]), "one") == [("one", "big-7")]


def test_an_alias_is_answered_by_the_entry() -> None:
    assert asked(catalog([{"id": "one", "upstream": "a", "aliases": ["pet"]}]), "pet") == [("one", "one")]


@pytest.mark.parametrize("model_id", ["two", "ONE", "one ", "", "mix/", "mix"])
def test_nobody_serves_what_is_not_configured(model_id: str) -> None:
    models = catalog([{"id": "one", "upstream": "a"}, {"id": "mixed/*", "upstream": "a"}])

    assert models.find(model_id) is None


def test_a_prefix_serves_every_id_under_it_by_that_id() -> None:
    models = catalog([{"id": "mix/*", "upstream": "a"}])

    assert asked(models, "mix/some/model") == [("mix/some/model", "mix/some/model")]


def test_the_longest_prefix_wins_and_an_id_beats_any() -> None:
    models = catalog(
        [
            {"id": "mix/*", "upstream": "a", "upstream_model": "wide"},
            {"id": "mix/fine/*", "upstream": "a", "upstream_model": "narrow"},
            {"id": "mix/fine/one", "upstream": "a", "upstream_model": "exact"},
        ]
    )

    assert asked(models, "mix/other")[0][1] == "wide"
    assert asked(models, "mix/fine/two")[0][1] == "narrow"
    assert asked(models, "mix/fine/one")[0][1] == "exact"


def test_fallbacks_follow_in_their_order() -> None:
    models = catalog(
        [
            {"id": "one", "upstream": "a", "fallback": ["three", "two"]},
            {"id": "two", "upstream": "b", "upstream_model": "big-2"},
            {"id": "three", "upstream": "a"},
        ]
    )

    assert asked(models, "one") == [("one", "one"), ("three", "three"), ("two", "big-2")]


def test_a_prefix_may_fall_back_too() -> None:
    models = catalog([{"id": "mix/*", "upstream": "a", "fallback": ["one"]}, {"id": "one", "upstream": "b"}])

    assert asked(models, "mix/x") == [("mix/x", "mix/x"), ("one", "one")]


def test_an_entry_may_have_several_upstreams() -> None:
    route = catalog([{"id": "one", "upstreams": ["b", "a"]}]).find("one")

    assert route is not None
    assert [place.upstream.name for place in route.candidates[0].places] == ["b", "a"]


def test_the_clocks_of_a_place_are_those_of_model_upstream_and_all() -> None:
    models = catalog(
        [{"id": "one", "upstream": "a", "clocks": {"idle": 1}}, {"id": "two", "upstream": "a"}],
        upstreams=[{"name": "a", "kind": "scripted", "clocks": {"idle": 2, "connect": 2}}],
        clocks={"idle": 3, "connect": 3, "total": 3},
    )
    found = [models.find(name) for name in ("one", "two")]
    clocks = [route.candidates[0].places[0].clocks for route in found if route is not None]

    assert [(each.idle, each.connect, each.total) for each in clocks] == [(1, 2, 3), (2, 2, 3)]


def test_models_of_one_upstream_share_its_slots() -> None:
    models = catalog([{"id": "one", "upstream": "a"}, {"id": "two", "upstream": "a"}])
    places = [route.candidates[0].places[0] for name in ("one", "two") if (route := models.find(name))]

    assert places[0].slots is places[1].slots


@pytest.mark.parametrize(("upstreams", "openai"), [(["a"], False), (["b"], True), (["a", "b"], False)])
def test_requests_are_checked_for_every_kind_that_may_answer(upstreams: list[str], *, openai: bool) -> None:
    """What one of them would not take is refused, whoever's turn it is."""
    route = catalog([{"id": "one", "upstreams": upstreams}]).find("one")

    assert route is not None
    assert route.rules.openai is openai


# --- listing


def test_a_listing_has_what_the_caller_may_use_in_configured_order() -> None:
    models = catalog([{"id": name, "upstream": "a"} for name in ("zwei", "one", "three")])
    caller = Caller("dev", "-", ("one", "zwei"), 0, 0)

    assert [each["id"] for each in models.listing(caller)] == ["zwei", "one"]
    assert models.listing(EVERYBODY)[0] == {
        "id": "zwei",
        "object": "model",
        "created": CREATED,
        "owned_by": "turnstile",
    }


def test_prefixes_and_aliases_are_not_listed() -> None:
    models = catalog([{"id": "mix/*", "upstream": "a"}, {"id": "one", "upstream": "a", "aliases": ["pet"]}])

    assert [each["id"] for each in models.listing(EVERYBODY)] == ["one"]


def test_one_model_is_shown_to_those_who_may_use_it() -> None:
    models = catalog([{"id": "mix/*", "upstream": "a"}, {"id": "one", "upstream": "a", "aliases": ["pet"]}])
    mixer = Caller("mixer", "-", ("mix/*",), 0, 0)

    assert models.show("one", EVERYBODY) == models.listing(EVERYBODY)[0]
    assert models.show("mix/x", mixer) == {**models.listing(EVERYBODY)[0], "id": "mix/x"}
    assert models.show("pet", EVERYBODY) == {**models.listing(EVERYBODY)[0], "id": "pet"}
    assert models.show("one", mixer) is None
    assert models.show("nobody", EVERYBODY) is None
