"""The pytest plugin that users get: light, harmless, and worth having."""

import os
import subprocess
import sys

import pytest

pytest_plugins = ["pytester"]

USERS_TEST = """
    import pytest
    from proxy.testing.script import Upstream
    from proxy.testing.walk import path

    @pytest.mark.asyncio
    async def test_upstream_breaking_mid_stream(play):
        x = await play(Upstream.answers("Hel").then_breaks())
        assert path(x) == "validate auth session upstream stream upstream_error"

    @pytest.mark.asyncio
    async def test_gateway_on_a_socket(gateway_server, upstream_server):
        import aiohttp
        upstream = await upstream_server(Upstream.answers("Hello."))
        gateway = await gateway_server({
            "auth": {"mode": "none"},
            "upstreams": [{"name": "up", "kind": "openai", "base_url": upstream.base_url}],
            "models": [{"id": "demo", "upstream": "up"}],
        })
        body = {"model": "demo", "messages": [{"role": "user", "content": "Hi."}]}
        async with aiohttp.ClientSession() as session:
            response = await session.post(f"{gateway.base_url}/chat/completions", json=body)
            told = await response.json()
        assert told["choices"][0]["message"]["content"] == "Hello."
"""


USERS_OWN_FIXTURE = """
    import pytest

    @pytest.fixture
    def play():
        return "theirs"

    def test_theirs(play):
        assert play == "theirs"
"""


def test_users_can_play_with_an_upstream_and_keep_what_is_theirs(pytester: pytest.Pytester) -> None:
    """In pytest-asyncio's strict mode, which is its default."""
    pytester.makepyfile(test_gateway=USERS_TEST, test_own=USERS_OWN_FIXTURE)

    pytester.makeini("[pytest]\nasyncio_mode = strict\nasyncio_default_fixture_loop_scope = function")

    pytester.runpytest_subprocess("-W", "error").assert_outcomes(passed=3)


def test_a_run_without_asynchronous_plugins_is_left_alone(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_theirs():\n    assert True")
    without = [
        argument for name in ("asyncio", "aiohttp", "anyio", "hypothesispytest") for argument in ("-p", f"no:{name}")
    ]

    pytester.runpytest_subprocess("-W", "error", *without).assert_outcomes(passed=1)


def test_the_plugin_brings_nothing_along() -> None:
    """Every test run of whoever has the gateway installed imports it, with pytest-asyncio or without."""
    code = """
import sys
sys.modules["pytest_asyncio"] = None
import proxy.testing.plugin
heavy = ("aiohttp", "pydantic", "structlog", "orjson", "transitions", "proxy.config", "statechart")
print([name for name in heavy if name in sys.modules])
"""
    command = [sys.executable, "-W", "error", "-c", code]
    told = subprocess.run(command, capture_output=True, text=True, check=True, env=dict(os.environ))  # noqa: S603 - ours

    assert told.stdout.strip() == "[]"
