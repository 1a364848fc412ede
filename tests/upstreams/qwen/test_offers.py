"""The site's own models: asked for in the background, one fetch at a time, kept for a while."""

import asyncio
from typing import Any

import pytest

from proxy.testing.gateway import GatewayServer
from proxy.testing.qwen import QwenSite, Refuses
from tests.e2e.wire import ask
from tests.upstreams.qwen.conftest import CREDENTIAL

LIST = "/api/models"


def model(model_id: str, **info: Any) -> dict[str, Any]:
    meta = {"max_context_length": 1000, "max_generation_length": 100, "chat_type": ["t2t"]}
    told = {"is_active": True, "is_visitor_active": True, "created_at": 1_700_000_000, "meta": meta, **info}
    return {"id": model_id, "name": model_id, "object": "model", "owned_by": "qwen", "info": told}


async def known(line) -> list[str]:
    """The ids on offer, when no fetch is under way any more."""
    line.adapter.offered()
    fetch = line.adapter.offers._fetch
    if fetch is not None:
        await asyncio.wait([fetch])
    return list(line.adapter.offered())


async def test_the_site_is_not_asked_unless_configured(connect):
    line = await connect()

    assert await known(line) == []
    assert line.site.received == []


async def test_the_list_is_fetched_once_and_kept_as_long_as_configured(connect, clock):
    line = await connect(models="discover", models_ttl_s=100)
    line.site.models = [model("a")]
    assert line.adapter.offered() == line.adapter.offered() == {}
    assert await known(line) == ["a"]
    line.site.models = [model("b")]
    await clock.advance(99.0)
    assert await known(line) == ["a"]
    await clock.advance(1.0)
    assert await known(line) == ["b"]

    assert len(line.site.calls(LIST)) == 2
    assert line.site.calls(LIST)[0].headers["bx-umidtoken"] == CREDENTIAL["token"]
    assert "content-type" not in line.site.calls(LIST)[0].headers


async def test_a_list_that_is_too_old_serves_while_it_is_renewed(connect, clock):
    line = await connect(models="discover", models_ttl_s=100)
    line.site.models = [model("a")]
    await known(line)
    await clock.advance(100.0)

    assert list(line.adapter.offered()) == ["a"]


@pytest.mark.parametrize("refusal", [Refuses(500, {}), Refuses.page(), Refuses(200, b"{}"), Refuses(cut="eof")])
async def test_a_failed_fetch_serves_the_old_list_and_waits_a_minute(connect, clock, refusal):
    line = await connect(models="discover", models_ttl_s=100)
    line.site.models = [model("a")]
    await known(line)
    line.site.model_list = refusal
    await clock.advance(100.0)
    assert await known(line) == ["a"]
    calls = len(line.site.calls(LIST))
    line.site.model_list = None
    await clock.advance(59.0)
    assert await known(line) == ["a"]
    assert len(line.site.calls(LIST)) == calls
    line.site.models = [model("b")]
    await clock.advance(1.0)
    assert await known(line) == ["b"]


async def test_without_a_credential_there_is_no_list_and_no_call(connect):
    line = await connect(models="discover", credential=None)

    assert await known(line) == []
    assert line.site.received == []


async def test_guests_see_the_models_for_visitors(connect):
    listed = [model("a"), model("b", is_visitor_active=False), model("c", is_active=False)]
    for cookies, seen in (("cna=1", ["a"]), ("token=1", ["a", "b"])):
        line = await connect(models="discover", credential={**CREDENTIAL, "cookies": cookies})
        line.site.models = listed
        assert await known(line) == seen


def config(site: QwenSite, **entry: Any) -> dict[str, Any]:
    return {
        "auth": {"keys": [{"name": "all", "key": "k"}, {"name": "few", "key": "f", "models": ["qwen-new"]}]},
        "upstreams": [
            {
                "name": "site",
                "kind": "qwen",
                "base_url": site.url,
                "credential": CREDENTIAL,
                "models": "discover",
                **entry,
            },
            {"name": "other", "kind": "scripted"},
        ],
        "models": [{"id": "qwen3-max", "upstream": "site"}, {"id": "plain", "upstream": "other"}],
    }


async def get(gateway: GatewayServer, path: str, key: str = "k") -> Any:
    answer = await ask(gateway.url, "GET", path, headers={"Authorization": f"Bearer {key}"})
    return answer.json


async def test_offered_models_are_listed_after_those_configured_and_answer():
    async with QwenSite() as site:
        site.models = [model("qwen-new"), model("qwen3-max"), {**model("bare", created_at=None), "owned_by": ""}]
        async with GatewayServer(config(site)) as gateway:
            listed = (await get(gateway, "/v1/models"))["data"]
            created = listed[0]["created"]
            assert [each["id"] for each in listed] == ["qwen3-max", "plain", "qwen-new", "bare"]
            assert listed[2:] == [
                {"id": "qwen-new", "object": "model", "created": 1_700_000_000, "owned_by": "qwen"},
                {"id": "bare", "object": "model", "created": created, "owned_by": "qwen"},
            ]
            assert await get(gateway, "/v1/models/qwen-new") == listed[2]
            assert [each["id"] for each in (await get(gateway, "/v1/models", "f"))["data"]] == ["qwen-new"]

            body = {"model": "qwen-new", "messages": [{"role": "user", "content": "Hi."}]}
            answer = await ask(gateway.url, "POST", "/", body, {"Authorization": "Bearer k"})
            assert answer.json["model"] == "qwen-new"
            assert site.created[0]["models"] == ["qwen-new"]
            long = {"model": "qwen-new", "messages": [{"role": "user", "content": "long " * 2000}]}
            refused = await ask(gateway.url, "POST", "/", long, {"Authorization": "Bearer k"})
            assert refused.error["code"] == "context_length_exceeded"


@pytest.mark.parametrize("refusal", [Refuses(500, {}), Refuses.page(), Refuses(cut="stall")])
async def test_without_a_list_only_the_models_of_this_upstream_are_missing(refusal, monkeypatch):
    monkeypatch.setattr("proxy.upstreams.qwen.offers.FIRST_LIST_S", 0.05)
    async with QwenSite() as site:
        site.model_list = refusal
        async with GatewayServer(config(site)) as gateway:
            assert [each["id"] for each in (await get(gateway, "/v1/models"))["data"]] == ["qwen3-max", "plain"]
            body = {"model": "qwen-new", "messages": [{"role": "user", "content": "Hi."}]}
            answer = await ask(gateway.url, "POST", "/", body, {"Authorization": "Bearer k"})
            assert (answer.status, answer.error["code"]) == (404, "model_not_found")


async def test_after_a_reload_the_old_list_serves_until_there_is_a_new_one():
    async with QwenSite() as site:
        site.models = [model("qwen-new")]
        async with GatewayServer(config(site)) as gateway:
            await get(gateway, "/v1/models")
            gateway.gateway.reload(gateway.settings)
            assert gateway.gateway.ports.catalog.find("qwen-new") is not None

            gateway.gateway.reload(GatewayServer(config(site, models="configured")).settings)
            assert gateway.gateway.ports.catalog.find("qwen-new") is None
