"""Who may call, what they may ask for and how often; and that what is secret stays so."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from multidict import CIMultiDict

from proxy.testing.frames import text_of_stream
from proxy.testing.process import Daemon, StartDaemon
from tests.e2e.configs import script_config
from tests.e2e.wire import Answer, ask, chat, connected, request

KEY = "sk-the-key-of-all"
RPM = 3


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    scripts: dict[str, list[Any]] = {
        "quick": [{"say": "Hi"}],
        "other": [{"say": "Ho"}],
        "slow": [{"say": "Hello there", "chunk": 1, "every_ms": 40}],
    }
    keys = [
        {"name": "all", "key": KEY},
        {"name": "one", "key": "sk-one", "models": ["quick"]},
        {"name": "under", "key": "sk-under", "models": ["mix/*"]},
        {"name": "counted", "key": "sk-counted", "rpm": RPM},
        {"name": "single", "key": "sk-single", "max_parallel": 1},
    ]
    tables = script_config(scripts, auth={"keys": keys})
    tables["models"].append({"id": "mix/*", "upstream": "quick"})
    return tables


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def post(gateway: Daemon, headers: CIMultiDict[str] | dict[str, str], model: str = "quick") -> Answer:
    return await ask(gateway.url, "POST", "/v1/chat/completions", chat(model=model), headers)


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {KEY}"},
        {"Authorization": f"bearer {KEY}"},
        {"authorization": f"BEARER   {KEY}"},
        {"x-api-key": KEY},
        {"X-API-Key": KEY, "Authorization": f"Bearer {KEY}"},
    ],
    ids=["Bearer", "bearer", "BEARER", "x-api-key", "both, the same"],
)
async def test_a_key_is_taken_wherever_clients_put_it(gateway: Daemon, headers: dict[str, str]) -> None:
    assert (await post(gateway, headers)).status == 200
    assert (await ask(gateway.url, "GET", "/v1/models", headers=headers)).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("Authorization", "")],
        [("Authorization", "Bearer")],
        [("Authorization", "Bearer ")],
        [("Authorization", KEY)],
        [("Authorization", f"Basic {KEY}")],
        [("Authorization", "Bearer sk-unknown")],
        [("Authorization", f"Bearer {KEY} x")],
        [("Authorization", f"Bearer {KEY}x")],
        [("Authorization", f"Bearer {KEY[:-1]}")],
        [("Authorization", f"Bearer {KEY.upper()}")],
        [("Authorization", "Bearer é")],
        [("Authorization", "Bearer " + "x" * 9000)],
        [("x-api-key", "")],
        [("x-api-key", "sk-unknown")],
        [("x-api-key", "sk-one"), ("Authorization", f"Bearer {KEY}")],
        [("Authorization", f"Bearer {KEY}"), ("Authorization", "Bearer sk-one")],
        [("Cookie", f"key={KEY}")],
    ],
    ids=lambda pairs: "; ".join(f"{name}: {value[:20]}" for name, value in pairs) or "none",
)
async def test_without_one_good_key_nothing_is_told(gateway: Daemon, headers: list[tuple[str, str]]) -> None:
    """Not even whether the model exists."""
    for model in ("quick", "there is none"):
        answer = await post(gateway, CIMultiDict(headers), model)
        error = answer.error
        assert (answer.status, error["code"], error["type"]) == (401, "invalid_api_key", "invalid_request_error")
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.headers["x-end-reason"] == "unauthorized"
        assert "sk-" not in error["message"]
    models = await ask(gateway.url, "GET", "/v1/models", headers=CIMultiDict(headers))
    assert (models.status, models.error["code"]) == (401, "invalid_api_key")


async def test_a_key_opens_its_own_models_only(gateway: Daemon) -> None:
    allowed = {("sk-one", "quick"), ("sk-under", "mix/a"), ("sk-under", "mix/a/b")}
    for key in ("sk-one", "sk-under"):
        for model in ("quick", "other", "mix/a", "mix/a/b"):
            answer = await post(gateway, bearer(key), model)
            if (key, model) in allowed:
                assert answer.status == 200, (key, model)
                assert answer.json["model"] == model
            else:
                assert (answer.status, answer.error["code"]) == (403, "model_not_allowed"), (key, model)
                assert answer.headers["x-end-reason"] == "unauthorized"
    missing = await post(gateway, bearer("sk-one"), "there is none")
    assert (missing.status, missing.error["code"], missing.error["param"]) == (404, "model_not_found", "model")


async def test_requests_per_minute_are_counted_and_told(gateway: Daemon) -> None:
    """A client that is told how long to wait can; one that guesses comes back too early."""
    for left in reversed(range(RPM)):
        answer = await post(gateway, bearer("sk-counted"))
        assert answer.status == 200
        assert answer.headers["x-ratelimit-limit-requests"] == str(RPM)
        assert answer.headers["x-ratelimit-remaining-requests"] == str(left)
        assert re.fullmatch(r"(\d+m)?\d+(\.\d)?s", answer.headers["x-ratelimit-reset-requests"])
    for stream in (False, True):
        over = await ask(gateway.url, "POST", "/", chat(model="quick", stream=stream), bearer("sk-counted"))
        error = over.error
        assert (over.status, error["type"], error["code"]) == (429, "rate_limit_error", "rate_limit_exceeded")
        assert 50 <= int(over.headers["retry-after"]) <= 60
        assert int(over.headers["retry-after"]) * 1000 >= int(over.headers["retry-after-ms"]) > 50_000
        assert over.headers["x-ratelimit-remaining-requests"] == "0"
        assert "x-should-retry" not in over.headers
        assert (await gateway.logged(over.headers["x-request-id"]))["end_reason"] == "rate_limited"
    other = await post(gateway, bearer(KEY))
    assert other.status == 200, "each key has a count of its own"
    assert not [name for name in other.headers if name.lower().startswith("x-ratelimit")]


async def test_a_key_has_no_more_live_requests_than_it_may(gateway: Daemon) -> None:
    """And the place is free again as soon as one has ended, also by its caller's leaving."""
    live = chat(model="slow", stream=True)
    async with connected(gateway.url) as first:
        await first.send(request("POST", "/", live, bearer("sk-single")))
        assert (await first.head())[0] == 200
        over = await post(gateway, bearer("sk-single"))
        assert (over.status, over.error["code"]) == (429, "concurrency_limit_exceeded")
        assert over.headers["retry-after"] == "1"
        assert (await post(gateway, bearer(KEY))).status == 200
        assert text_of_stream(await first.rest()) == "Hello there"
    assert (await post(gateway, bearer("sk-single"))).status == 200
    async with connected(gateway.url) as second:
        await second.send(request("POST", "/", live, bearer("sk-single") | {"x-request-id": "left-early"}))
        assert (await second.head())[0] == 200
        second.reset()
        await gateway.logged("left-early")
    assert (await post(gateway, bearer("sk-single"))).status == 200


async def test_the_log_names_a_caller_by_a_fingerprint(gateway: Daemon) -> None:
    one, again, other = [await post(gateway, bearer(key)) for key in (KEY, KEY, "sk-one")]
    callers = [(await gateway.logged(answer.headers["x-request-id"]))["caller"] for answer in (one, again, other)]
    assert callers[0] == callers[1] != callers[2]
    assert all(re.fullmatch(r"[0-9a-f]{8,16}", caller) for caller in callers)


async def test_no_secret_is_in_any_line_or_answer(daemon: StartDaemon, tmp_path: Path) -> None:
    """A log is read by more people than a key is meant for."""
    secrets = {
        name: f"sk-canary-{name}-7f3a" for name in ("plain", "env", "file", "upstream", "header", "wrong", "cookie")
    }
    words = {name: f"canary {name} 5b1e" for name in ("prompt", "system", "result", "argument", "session", "user")}
    (tmp_path / "key").write_text(secrets["file"] + "\n")
    config = script_config(
        {"quick": [{"say": "canary completion 5b1e"}], "bad": [{"fail": "upstream_error"}]},
        auth={
            "keys": [
                {"name": "plain", "key": secrets["plain"]},
                {"name": "env", "key": "env:SECRET_KEY"},
                {"name": "file", "key": f"file:{tmp_path / 'key'}"},
            ]
        },
        retry={"attempts": 1},
    )
    nowhere = {
        "name": "nowhere",
        "kind": "openai",
        "base_url": "http://127.0.0.1:9/v1",
        "credential": {"mode": "static", "token": secrets["upstream"], "headers": {"x-secret": secrets["header"]}},
    }
    config["upstreams"].append(nowhere)
    config["models"].append({"id": "nowhere", "upstream": "nowhere"})
    running = daemon(config, env={"SECRET_KEY": secrets["env"]})

    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": f'{{"a":"{words["argument"]}"}}'}}
    said = {
        "messages": [
            {"role": "system", "content": words["system"]},
            {"role": "user", "content": words["prompt"]},
            {"role": "assistant", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c", "content": words["result"]},
        ],
        "user": words["user"],
    }
    models = ("quick", "bad", "nowhere", "none")
    told: list[Answer] = []
    for name in ("plain", "env", "file", "wrong"):
        headers = bearer(secrets[name]) | {"Cookie": secrets["cookie"], "x-session-id": "canary-session-5b1e"}
        asked = [chat(model=model, stream=stream) | said for model in models for stream in (False, True)]
        told += [await ask(running.url, "POST", f"/?key={secrets['cookie']}", body, headers) for body in asked]
        told.append(await ask(running.url, "GET", f"/nowhere?api_key={secrets[name]}", headers=headers))
        told.append(await ask(running.url, "POST", "/", secrets["cookie"].encode(), headers))
        told.append(await ask(running.url, "GET", "/health", headers=headers))
    assert {answer.status for answer in told} <= {200, 400, 401, 404, 502, 503}
    async with connected(running.url) as connection:
        await connection.send(f"garbage {secrets['plain']}\r\n\r\n".encode())
        told.append(await connection.answer())
    running.configure("[auth]\nkeys = [{ name = 'x', key = 'env:UNSET', models = 1 }]")
    await asyncio.to_thread(running.stop)

    log = running.log_path.read_text() + running.errors
    assert log.count('"request.completed"') == len(told) - 4, "health checks are not requests"
    for secret in secrets.values():
        assert secret not in log
        assert not [answer for answer in told if secret.encode() in answer.body or secret in str(answer.headers)]
    for word in words.values():
        assert word not in log
    assert "canary" not in log
