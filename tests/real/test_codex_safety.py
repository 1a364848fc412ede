"""A real codex process is safe by default: nothing but the caller's words and tools reaches the model, or anybody."""

import os
import stat
from pathlib import Path

import pytest

from proxy.testing.responses_endpoint import Call, Reply
from tests.real.codex_world import codex_world, compact, needs_codex, tools, user

pytestmark = [pytest.mark.real, needs_codex]

TOOLS = tools("look", "find")


async def test_nothing_but_the_callers_words_and_tools_reaches_the_model():
    history = [
        {"role": "system", "content": "Be terse."},
        user("first"),
        {"role": "assistant", "content": "second"},
        user("third"),
    ]
    async with codex_world() as world:
        await world.say(history, tools=TOOLS, reasoning_effort="low")

        [request] = world.model.received
        assert [(item["role"], item["content"][0]["text"]) for item in request.items] == [
            ("developer", "Be terse."),
            ("user", "first"),
            ("assistant", "second"),
            ("user", "third"),
        ]
        assert request.body.get("instructions", "") == ""
        assert [tool["name"] for tool in request.body["tools"]] == ["look", "find"]
        assert request.body["reasoning"]["effort"] == "low"
        assert world.model.strays == []


async def test_a_chat_without_instructions_has_none():
    async with codex_world() as world:
        await world.say("hi")

        [request] = world.model.received
        assert [(item["role"], item["content"][0]["text"]) for item in request.items] == [("user", "hi")]
        assert request.body.get("instructions", "") == ""
        assert request.body["tools"] == []


@pytest.mark.parametrize("name", ["exec_command", "shell", "apply_patch", "update_plan", "view_image"])
async def test_a_model_that_calls_a_tool_of_codex_runs_nothing(name, tmp_path):
    proof = tmp_path / "proof"
    arguments = compact({"cmd": f"touch {proof}", "command": ["touch", str(proof)]})
    async with codex_world(Reply.calls(Call(name, arguments)), Reply.says("well")) as world:
        assert (await world.say("hi", tools=TOOLS))["content"] == "well"

        assert not proof.exists()
        [[output]] = world.model.received[1].outputs().values()
        assert "unsupported" in str(output)


async def test_the_process_has_no_environment_but_what_it_needs(monkeypatch):
    monkeypatch.setenv("TURNSTILE_KEY", "tiger")
    monkeypatch.setenv("FOR_CODEX", "yes")
    credential = {"mode": "static", "token": "sk-provider"}
    async with codex_world(credential=credential, env_pass=["FOR_CODEX"]) as world:
        await world.say("hi")
        raw = Path(f"/proc/{world.slot.ready.pid}/environ").read_text()  # noqa: ASYNC240 - proc(5) does not block
        environment = dict(pair.split("=", 1) for pair in raw.split("\0") if pair)
        config = Path(environment["CODEX_HOME"], "config.toml")

        assert environment.keys() <= {"PATH", "LANG", "TZ", "HOME", "CODEX_HOME", "UPSTREAM_KEY", "FOR_CODEX"}
        assert stat.S_IMODE(config.stat().st_mode) == 0o600  # noqa: ASYNC240 - of a file that is there
        assert world.model.received[0].headers["Authorization"] == "Bearer sk-provider"
        assert environment["HOME"] != os.environ["HOME"]


async def test_a_home_with_a_login_is_used_and_not_written_to(tmp_path):
    """The same settings reach the process as arguments."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "config.toml").write_text('model = "mine"\n')
    async with codex_world(codex_home=str(home)) as world:
        await world.say([{"role": "system", "content": "Be terse."}, user("hi")], tools=TOOLS)

        [request] = world.model.received
        assert (home / "config.toml").read_text() == 'model = "mine"\n'
        assert [(item["role"], item["content"][0]["text"]) for item in request.items] == [
            ("developer", "Be terse."),
            ("user", "hi"),
        ]
        assert [tool["name"] for tool in request.body["tools"]] == ["look", "find"]


async def test_an_address_of_an_image_is_not_fetched_by_the_process():
    """Nothing but the model provider is ever contacted."""
    async with codex_world() as world:
        url = world.model.base_url.replace("/v1", "/picture.png")
        parts = [{"type": "text", "text": "what?"}, {"type": "image_url", "image_url": {"url": url}}]
        await world.ask([{"role": "user", "content": parts}, {"role": "assistant", "content": "x"}, user("and?")])
        await world.ask([{"role": "user", "content": parts}])

        assert world.model.strays == []
