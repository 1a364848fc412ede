"""auth: who is calling, what they may, and whether there is room for them."""

import pytest

from proxy.testing.play import Play
from proxy.testing.script import Upstream
from proxy.testing.walk import path

ANSWERED = "validate auth session upstream stream tool_parse render done"
KEYS = {
    "mode": "keys",
    "keys": [
        {"name": "dev", "key": "sk-dev"},
        {"name": "mixer", "key": "sk-mix", "models": ["mix/*"]},
    ],
}


@pytest.mark.parametrize(
    "headers", [{"Authorization": "Bearer sk-dev"}, {"authorization": "bearer sk-dev"}, {"x-api-key": "sk-dev"}]
)
async def test_a_known_key_is_let_in(play: Play, headers: dict[str, str]) -> None:
    x = await play(auth=KEYS, headers=headers)

    assert path(x) == ANSWERED
    assert x.exchange.caller.name == "dev"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer nobody"},
        {"Authorization": "sk-dev"},
        {"Authorization": "Bearer sk-dev", "x-api-key": "other"},
    ],
    ids=["none", "unknown", "malformed", "two"],
)
async def test_any_other_key_is_not(play: Play, headers: dict[str, str]) -> None:
    x = await play(auth=KEYS, headers=headers)

    assert path(x) == "validate auth unauthorized"
    assert (x.status, x.code) == (401, "invalid_api_key")
    assert x.client.headers["WWW-Authenticate"] == "Bearer"


async def test_a_key_may_use_its_own_models_alone(play: Play) -> None:
    x = await play(auth=KEYS, headers={"x-api-key": "sk-mix"})

    assert path(x) == "validate auth unauthorized"
    assert (x.status, x.code, x.error["param"]) == (403, "model_not_allowed", "model")


async def test_a_key_for_a_prefix_may_use_what_is_under_it(play: Play) -> None:
    x = await play(
        auth=KEYS, headers={"x-api-key": "sk-mix"}, model={"id": "mix/*"}, body={"model": "mix/any"}, stream=False
    )

    assert (x.status, x.json["model"]) == (200, "mix/any")


async def test_a_key_for_a_model_may_use_its_aliases(play: Play) -> None:
    keys = {"mode": "keys", "keys": [{"name": "one", "key": "sk-one", "models": ["demo"]}]}
    x = await play(auth=keys, headers={"x-api-key": "sk-one"}, model={"aliases": ["pet"]}, body={"model": "pet"})

    assert path(x) == ANSWERED


async def test_an_unknown_model_is_told_to_those_who_may_ask(play: Play) -> None:
    x = await play(auth=KEYS, headers={"x-api-key": "sk-dev"}, body={"model": "nobody"})

    assert path(x) == "validate auth invalid_request"
    assert (x.status, x.code, x.error["param"]) == (404, "model_not_found", "model")


async def test_and_to_nobody_else(play: Play) -> None:
    """Which models exist is not for strangers."""
    x = await play(auth=KEYS, body={"model": "nobody"})

    assert (x.status, x.code) == (401, "invalid_api_key")


def limited(**limits: int) -> dict[str, object]:
    return {"mode": "keys", "keys": [{"name": "dev", "key": "sk-dev", **limits}]}


async def test_a_key_has_so_many_requests_a_minute(play: Play) -> None:
    world = play.world(auth=limited(rpm=2))
    walks = [await world.begin(headers={"x-api-key": "sk-dev"}).end() for _ in range(3)]

    assert [x.status for x in walks] == [200, 200, 429]
    assert path(walks[2]) == "validate auth rate_limited"
    assert walks[2].code == "rate_limit_exceeded"
    assert walks[2].client.headers["Retry-After"] == "60"
    assert [x.client.headers["x-ratelimit-remaining-requests"] for x in walks] == ["1", "0", "0"]
    assert walks[0].client.headers["x-ratelimit-limit-requests"] == "2"

    await world.clock.advance(60)
    assert (await world.begin(headers={"x-api-key": "sk-dev"}).end()).status == 200


async def test_a_key_has_so_many_requests_at_a_time(play: Play) -> None:
    world = play.world(Upstream.answers("Hel").then_stalls(), auth=limited(max_parallel=1))
    first = world.begin(headers={"x-api-key": "sk-dev"})
    await first.until("stream")
    second = await world.begin(headers={"x-api-key": "sk-dev"}).end()

    assert path(second) == "validate auth rate_limited"
    assert (second.status, second.code) == (429, "concurrency_limit_exceeded")
    assert second.client.headers["Retry-After"] == "1"
    first.client.leave()
    await first.end()
    third = world.begin(headers={"x-api-key": "sk-dev"})
    await third.until("stream")
    third.client.leave()
    await third.end()


async def test_a_queue_is_served_in_its_order(play: Play) -> None:
    world = play.world(Upstream.waits(1).then_says("Hello."), server={"max_in_flight": 2})
    walks = [world.begin() for _ in range(6)]
    for walk in walks:
        await walk.end()

    assert [x.request_id for x in world.ended] == [walk.exchange.request_id for walk in walks]
    assert {x.state for x in walks} == {"done"}
