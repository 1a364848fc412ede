"""SIGHUP: another configuration, while requests run on under the one that they began with."""

import signal
from typing import Any

from proxy.testing.frames import read_stream, text_of_stream
from proxy.testing.process import StartDaemon
from tests.e2e.configs import script_config
from tests.e2e.wire import ask, chat, connected, request

OLD: dict[str, list[Any]] = {"first": [{"say": "0123456789", "chunk": 1, "every_ms": 60}], "kept": [{"say": "old"}]}
NEW: dict[str, list[Any]] = {"second": [{"say": "Hi"}], "kept": [{"say": "new"}]}


def with_key(scripts: dict[str, list[Any]], key: str, **tables: Any) -> dict[str, Any]:
    return script_config(scripts, auth={"keys": [{"name": "caller", "key": key}]}, **tables)


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def test_keys_models_and_upstreams_change_and_a_live_stream_goes_on(daemon: StartDaemon) -> None:
    running = daemon(with_key(OLD, "sk-old"))
    async with connected(running.url) as live, connected(running.url) as kept:
        await live.send(request("POST", "/", chat(model="first", stream=True), bearer("sk-old")))
        assert (await live.head())[0] == 200
        running.configure(with_key(NEW, "sk-new"))
        running.signal(signal.SIGHUP)
        reloaded = await running.line(event="config.reloaded")
        assert reloaded["needs_restart"] == []

        refused = await ask(running.url, "POST", "/", chat(model="kept"), bearer("sk-old"))
        assert (refused.status, refused.error["code"]) == (401, "invalid_api_key")
        gone = await ask(running.url, "POST", "/", chat(model="first"), bearer("sk-new"))
        assert (gone.status, gone.error["code"]) == (404, "model_not_found")
        for model, text in (("second", "Hi"), ("kept", "new")):
            await kept.send(request("POST", "/", chat(model=model), bearer("sk-new")))
            assert (await kept.answer()).json["choices"][0]["message"]["content"] == text
        models = await ask(running.url, "GET", "/v1/models", headers=bearer("sk-new"))
        assert [model["id"] for model in models.json["data"]] == ["second", "kept"]

        body = await live.rest()
    assert text_of_stream(body) == "0123456789"
    assert read_stream(body).done


async def test_a_broken_file_is_refused_with_one_line_and_the_old_settings_stay(daemon: StartDaemon) -> None:
    """An operator who mistypes must not take the service down."""
    running = daemon(with_key(OLD, "sk-old"))
    broken = {
        "[server": "turnstile.toml",
        "[server]\nprot = 1\n": "server.prot",
        '[[models]]\nid = "m"\nupstream = "none"\n': "none",
    }
    for number, (text, told) in enumerate(broken.items(), start=1):
        running.configure(text)
        running.signal(signal.SIGHUP)
        line = await running.line(number, event="config.refused")
        assert line["level"] == "error"
        assert any(told in problem for problem in line["problems"])
        assert (await ask(running.url, "POST", "/", chat(model="kept"), bearer("sk-old"))).status == 200
    running.config_path.unlink()
    running.signal(signal.SIGHUP)
    await running.line(len(broken) + 1, event="config.refused")
    assert (await ask(running.url, "POST", "/", chat(model="kept"), bearer("sk-old"))).status == 200

    server = {"port": 1, "max_in_flight": 7, "workers": 3}
    running.configure(with_key(NEW, "sk-new", server=server, log={"level": "error"}))
    running.signal(signal.SIGHUP)
    line = await running.line(event="config.reloaded")
    assert set(line["needs_restart"]) >= {"server.max_in_flight", "server.workers", "log.level"}, "said so, and left"
    answer = await ask(running.url, "POST", "/", chat(model="kept"), bearer("sk-new"))
    assert answer.status == 200
    assert (await running.logged(answer.headers["x-request-id"]))["level"] == "info"
    assert running.errors == ""
