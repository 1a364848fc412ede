"""Every path and method, as callers of any make spell them."""

from typing import Any

import pytest

from proxy import __version__
from proxy.testing.frames import read_stream
from proxy.testing.process import Daemon, StartDaemon
from statechart.model import MODEL
from tests.e2e.wire import ask, chat

KEY = {"Authorization": "Bearer key-of-all"}
FEW = {"Authorization": "Bearer key-of-few"}
IDS = ["zeta", "org/model-x", "deep/nested/model", "alpha"]


@pytest.fixture(scope="module")
def config(config: dict[str, Any]) -> dict[str, Any]:
    return config | {
        "auth": {
            "keys": [
                {"name": "all", "key": "key-of-all"},
                {"name": "few", "key": "key-of-few", "models": ["alpha", "mix/*"]},
            ]
        },
        "models": [
            *({"id": model_id, "upstream": "scripted"} for model_id in IDS),
            {"id": "mix/*", "upstream": "scripted"},
            {"id": "with-alias", "aliases": ["alias"], "upstream": "scripted"},
        ],
    }


@pytest.mark.parametrize(
    "path",
    [
        "/v1/chat/completions",
        "/v1/chat/completions/",
        "/v1/chat/completions?x=1",
        "/",
        "/?api-version=2024-02-01&x=/v1",
    ],
)
async def test_chat_is_answered_under_each_of_its_paths(gateway: Daemon, path: str) -> None:
    answer = await ask(gateway.url, "POST", path, chat(model="alpha"), KEY)
    assert answer.status == 200
    assert answer.json["object"] == "chat.completion"
    assert answer.json["choices"][0]["message"]["content"] == "You said: Hello."


@pytest.mark.parametrize("path", ["/v1/completions", "/v1/completions/"])
async def test_completions_are_answered_in_their_own_form(gateway: Daemon, path: str) -> None:
    answer = await ask(gateway.url, "POST", path, {"model": "alpha", "prompt": "Hello."}, KEY)
    assert answer.status == 200
    assert answer.json["object"] == "text_completion"
    assert answer.json["id"].startswith("cmpl-")
    (choice,) = answer.json["choices"]
    assert choice == {"text": "You said: Hello.", "index": 0, "logprobs": None, "finish_reason": "stop"}


async def test_completions_stream_in_their_own_form(gateway: Daemon) -> None:
    asked = {"model": "alpha", "prompt": ["Hello."], "stream": True, "stream_options": {"include_usage": True}}
    answer = await ask(gateway.url, "POST", "/v1/completions", asked, KEY)
    stream = read_stream(answer.body)
    assert stream.done
    *texts, finish, usage = stream.chunks
    assert {chunk["object"] for chunk in stream.chunks} == {"text_completion"}
    assert "".join(chunk["choices"][0]["text"] for chunk in texts) == "You said: Hello."
    assert finish["choices"] == [{"text": "", "index": 0, "logprobs": None, "finish_reason": "stop"}]
    assert usage["choices"] == []
    assert usage["usage"]["total_tokens"] > 0


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("prompt", ["one", "two"], "unsupported_value"),
        ("prompt", [1, 2], "unsupported_value"),
        ("prompt", [], "unsupported_value"),
        ("prompt", None, "missing_required_parameter"),
        ("echo", True, "unsupported_parameter"),
        ("suffix", "x", "unsupported_parameter"),
        ("best_of", 2, "unsupported_parameter"),
        ("logprobs", 1, "unsupported_parameter"),
        ("tools", [{"type": "function", "function": {"name": "f"}}], "unsupported_parameter"),
    ],
)
async def test_what_completions_cannot_do_is_refused_by_its_field(
    gateway: Daemon, field: str, value: Any, code: str
) -> None:
    asked = {"model": "alpha", "prompt": "Hello.", field: value}
    answer = await ask(gateway.url, "POST", "/v1/completions", asked, KEY)
    assert (answer.status, answer.error["code"], answer.error["param"]) == (400, code, field)


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/", "/v1/models?limit=5"])
async def test_the_models_that_a_key_may_use_are_listed_in_configured_order(gateway: Daemon, path: str) -> None:
    answer = await ask(gateway.url, "GET", path, headers=KEY)
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json["object"] == "list"
    assert [model["id"] for model in answer.json["data"]] == [*IDS, "with-alias"]
    for model in answer.json["data"]:
        assert set(model) == {"id", "object", "created", "owned_by"}
        assert model["object"] == "model"
    few = await ask(gateway.url, "GET", path, headers=FEW)
    assert [model["id"] for model in few.json["data"]] == ["alpha"]


async def test_a_model_is_of_the_same_age_whenever_it_is_asked_for(gateway: Daemon) -> None:
    """A client that caches the list must not find it changed."""
    listing = await ask(gateway.url, "GET", "/v1/models", headers=KEY)
    (created,) = {model["created"] for model in listing.json["data"]}
    shown = await ask(gateway.url, "GET", "/v1/models/alpha", headers=KEY)
    assert shown.json == {"id": "alpha", "object": "model", "created": created, "owned_by": "turnstile"}


@pytest.mark.parametrize(
    ("path", "model_id"),
    [
        ("alpha", "alpha"),
        ("alpha/", "alpha"),
        ("alpha?x=1", "alpha"),
        ("org/model-x", "org/model-x"),
        ("org%2Fmodel-x", "org/model-x"),
        ("org%2fmodel-x/", "org/model-x"),
        ("deep/nested/model", "deep/nested/model"),
        ("deep%2Fnested%2Fmodel", "deep/nested/model"),
        ("deep/nested%2Fmodel", "deep/nested/model"),
        ("mix/anything", "mix/anything"),
        ("alias", "alias"),
    ],
)
async def test_a_model_is_found_by_its_id_however_its_slashes_are_written(
    gateway: Daemon, path: str, model_id: str
) -> None:
    """Clients differ in whether they encode a slash in a path."""
    answer = await ask(gateway.url, "GET", f"/v1/models/{path}", headers=KEY)
    assert answer.status == 200
    assert answer.json["id"] == model_id


@pytest.mark.parametrize("path", ["beta", "ALPHA", "org", "org/model", "%00", "%ff%fe", "mix", "a" * 5000])
async def test_a_model_that_there_is_not_is_not_found(gateway: Daemon, path: str) -> None:
    answer = await ask(gateway.url, "GET", f"/v1/models/{path}", headers=KEY)
    error = answer.error
    assert (answer.status, error["code"], error["param"]) == (404, "model_not_found", "model")
    assert len(error["message"]) <= 400


async def test_a_model_that_the_key_may_not_use_is_not_found(gateway: Daemon) -> None:
    """What a key may not use it is not to learn of."""
    answer = await ask(gateway.url, "GET", "/v1/models/zeta", headers=FEW)
    assert (answer.status, answer.error["code"]) == (404, "model_not_found")
    assert (await ask(gateway.url, "GET", "/v1/models/mix/any", headers=FEW)).status == 200


async def test_a_key_is_asked_for_wherever_something_is_to_be_had(gateway: Daemon) -> None:
    asked = [
        ("POST", "/v1/chat/completions", chat(model="alpha")),
        ("POST", "/", chat(model="alpha")),
        ("POST", "/v1/completions", {"model": "alpha", "prompt": "Hello."}),
        ("GET", "/v1/models", None),
        ("GET", "/v1/models/alpha", None),
        ("GET", "/v1/models/none", None),
    ]
    for method, path, body in asked:
        answer = await ask(gateway.url, method, path, body)
        assert (answer.status, answer.error["code"], answer.error["param"]) == (401, "invalid_api_key", None), path
        assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/v1/chat/completions", "POST"),
        ("/v1/chat/completions/", "POST"),
        ("/", "POST"),
        ("/v1/completions", "POST"),
        ("/v1/models", "GET"),
        ("/v1/models/org/model-x", "GET"),
        ("/livez", "GET"),
        ("/readyz", "GET"),
        ("/health", "GET"),
        ("/healthz", "GET"),
    ],
)
async def test_another_method_is_refused_with_the_one_that_is_allowed(gateway: Daemon, path: str, allowed: str) -> None:
    """Also OPTIONS, as long as no page of another origin may call."""
    for method in {"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"} - {allowed}:
        answer = await ask(gateway.url, method, path)
        assert (answer.status, answer.error["code"]) == (405, "method_not_supported")
        assert allowed in answer.headers["allow"].split(", ")
        assert method not in answer.headers["allow"].split(", ")
        assert not answer.headers.get("access-control-allow-origin")


@pytest.mark.parametrize(
    "path", ["/v1", "/v2/chat/completions", "/v1/chat", "/v1/embeddings", "/nowhere", "//", "/v1//models", "/.env"]
)
async def test_a_path_that_leads_nowhere_is_told_as_such(gateway: Daemon, path: str) -> None:
    for method in ("GET", "POST", "OPTIONS"):
        answer = await ask(gateway.url, method, path, b"{}" if method == "POST" else None)
        assert (answer.status, answer.error["code"]) == (404, "unknown_url")


@pytest.mark.parametrize("slash", ["", "/"])
async def test_health_is_told_without_a_key(gateway: Daemon, slash: str) -> None:
    assert (await ask(gateway.url, "GET", f"/livez{slash}")).json == {"status": "ok"}
    assert (await ask(gateway.url, "GET", f"/readyz{slash}")).json == {"status": "ok"}
    for path in ("/health", "/healthz"):
        answer = await ask(gateway.url, "GET", path + slash)
        assert answer.status == 200
        assert answer.headers["cache-control"] == "no-store"
        assert answer.json["status"] == "ok"
        assert answer.json["version"] == __version__
        assert answer.json["chart"] == MODEL.hash
        assert [upstream["name"] for upstream in answer.json["upstreams"]] == ["scripted"]


async def test_pages_of_the_configured_origins_may_call(daemon: StartDaemon, config: dict[str, Any]) -> None:
    """A browser asks first, and lets a page read only the headers that it is told of."""
    site = "https://chat.example.org"
    running = daemon(config | {"server": {"cors_origins": [site]}})
    asks = {"Origin": site, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    for path in ("/v1/chat/completions", "/v1/chat/completions/", "/", "/v1/models", "/v1/models/alpha"):
        preflight = await ask(running.url, "OPTIONS", path, headers=asks)
        assert preflight.status == 204
        assert preflight.headers["x-request-id"]
        assert preflight.headers["access-control-allow-origin"] == site
        assert "POST" in preflight.headers["access-control-allow-methods"]
        assert "authorization" in preflight.headers["access-control-allow-headers"]
    good = await ask(running.url, "POST", "/", chat(model="alpha"), KEY | {"Origin": site})
    stream = await ask(running.url, "POST", "/", chat(model="alpha", stream=True), KEY | {"Origin": site})
    refused = await ask(running.url, "POST", "/", chat(model="none"), KEY | {"Origin": site})
    missing = await ask(running.url, "GET", "/nowhere", headers={"Origin": site})
    assert [each.status for each in (good, stream, refused, missing)] == [200, 200, 404, 404]
    for answer in (good, stream, refused, missing):
        assert answer.headers["access-control-allow-origin"] == site
        assert answer.headers["vary"] == "Origin"
        exposed = answer.headers["access-control-expose-headers"].split(", ")
        assert {"x-request-id", "x-session-id", "retry-after"} <= set(exposed)

    stranger = await ask(running.url, "OPTIONS", "/", headers=asks | {"Origin": "https://evil.example"})
    assert stranger.status == 204
    assert "access-control-allow-origin" not in stranger.headers
    assert (await ask(running.url, "OPTIONS", "/nowhere", headers=asks)).status == 404
