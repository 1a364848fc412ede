"""What the command line knows of the site: which way it chains, and what an older gateway's environment means."""

import itertools
import tomllib

import pytest

from proxy.__main__ import main
from proxy.commands.migrate_env import BY_HAND, RULES, migrated, variables
from proxy.commands.probe import FIRST, _try_all
from proxy.config import load
from proxy.testing.mix_site import MixSite
from tests.upstreams.mix.world import settings

ENVIRONMENT = """
# the older gateway
PORT=3001
BODY_SIZE_LIMIT=5mb
export INBOUND_BEARER_TOKEN="sk-inbound"
UPSTREAM_API_BASE=https://chat.example.net
UPSTREAM_AUTH_MODE=managed
UPSTREAM_TOKEN_PATH=/v2/token
UPSTREAM_TOKEN_EXPIRY_SKEW_MS=30000
UPSTREAM_TOKEN_BODY_JSON='{"grant": "g-1"}'
UPSTREAM_TOKEN_TIMEOUT_MS=7500
UPSTREAM_TIMEOUT_MS=90000
UPSTREAM_RETRY_COUNT=2
UPSTREAM_RETRY_BASE_MS=250
UPSTREAM_DYNAMIC_BASE_ENABLED=false
SESSION_STORE_MODE=memory
SESSION_TTL_MS=1800000
INCLUDE_CONTEXT_IN_QUERY=false
SEND_UPSTREAM_TOOLS=true
MODEL_LIST=demo-large, team/demo-small
MODEL_PROFILE_JSON={"demo-large": {"context_window": 100000, "max_input_tokens": 80000, "max_new_tokens": 4096}}
BUDGET_TRIM_RECENT_MESSAGES=8
BUDGET_HISTORY_SUMMARY_ENABLED=true
LOG_LEVEL=debug
CONTEXT_MAX=9
"""


def made(text):
    """The configuration that the command prints for a text, loaded."""
    tables, notes = migrated(variables(text))
    from proxy.commands.migrate_env import as_text

    environ = variables(text) | {"UPSTREAM_BEARER_TOKEN": "tok", "REDIS_URL": "redis://127.0.0.1/0"}
    return load(None, environ, tomllib.loads(as_text(tables))), notes


def test_an_environment_becomes_a_configuration_that_loads():
    found, notes = made(ENVIRONMENT)
    (upstream,) = found.upstreams

    assert (found.server.port, found.server.max_body_bytes) == (3001, 5_242_880)
    assert (found.auth.mode, len(found.auth.keys)) == ("keys", 1)
    assert (upstream.base_url, upstream.text_in, upstream.labels, upstream.upstream_stream) == (
        "https://chat.example.net", "messages", "zh", "match",
    )  # fmt: skip
    assert (upstream.credential.mode, upstream.credential.token_url, upstream.credential.skew_s) == (
        "managed",
        "/v2/token",
        30,
    )
    assert (found.clocks.token, found.clocks.first_event, found.clocks.idle) == (7.5, 90, 90)
    assert (found.retry.attempts, found.retry.base_s) == (3, 0.25)
    assert found.session.store.reveal() == "memory:"
    assert [model.id for model in found.models] == ["demo-large", "team/demo-small", "mix/*"]
    assert (found.models[0].max_output_tokens, found.models[1].upstream_model) == (4096, "demo-small")
    assert {model.tools for model in found.models} == {"native"}
    assert (found.budget.trim, found.budget.keep_messages, found.budget.summary) == ("oldest", 8, True)
    assert [note.partition(":")[0] for note in notes] == ["LOG_LEVEL", "CONTEXT_MAX", "UPSTREAM_TOKEN_BODY_JSON"]


def test_without_anything_the_older_gateways_defaults_hold():
    found, notes = made("UPSTREAM_API_BASE=https://h.example")

    assert (found.server.port, found.retry.attempts, found.budget.default_output_tokens) == (3001, 1, 1024)
    assert (found.session.key, found.session.key_header) == ("client", "x-session-key")
    assert found.auth.mode == "none"
    assert "allow_open" in notes[0]


@pytest.mark.parametrize(
    ("listed", "hosts"),
    [("a.example, b.example", ("a.example:*", "*.a.example:*", "b.example:*", "*.b.example:*")), ("", ("*:*",))],
)
def test_a_list_of_hosts_keeps_its_meaning(listed, hosts):
    text = f"UPSTREAM_DYNAMIC_BASE_ENABLED=true\nUPSTREAM_BASE_ALLOWLIST={listed}\nUPSTREAM_API_BASE=https://h.example"
    found, notes = made(text)

    assert found.upstreams[0].dynamic.allow_hosts == hosts
    assert any("allow_hosts" in note for note in notes) == (not listed)


@pytest.mark.parametrize("name", RULES)
def test_every_variable_with_a_rule_leads_to_a_field_that_there_is(name):
    values = {
        "PORT": "1",
        "BODY_SIZE_LIMIT": "1k",
        "UPSTREAM_AUTH_MODE": "none",
        "UPSTREAM_TOKEN_METHOD": "post",
        "UPSTREAM_TOKEN_PATH": "/t",
    }
    value = values.get(name, "https://h.example" if "URL" in name or ("BASE" in name and "MS" not in name) else "1")
    managed = "UPSTREAM_AUTH_MODE=managed\n" if "TOKEN_" in name or "RECOVERY" in name else ""
    made(f"UPSTREAM_API_BASE=https://h.example\n{managed}{name}={value}")


def test_no_variable_is_listed_twice():
    assert not RULES.keys() & set(BY_HAND)


def test_the_command(tmp_path, capsys):
    file = tmp_path / "old.env"
    file.write_text(ENVIRONMENT)
    assert main(["migrate-env", str(file)]) == 0
    printed = capsys.readouterr()
    assert tomllib.loads(printed.out)["upstreams"][0]["kind"] == "mix"
    assert "LOG_LEVEL: has no counterpart" in printed.err
    assert main(["migrate-env", str(tmp_path / "missing")]) == 1


@pytest.mark.parametrize(("chain", "right"), [("session", [True, False]), ("exchange", [True, True])])
async def test_probing_tells_the_truth_about_both_ways_to_chain(chain, right, capsys):
    """Under `session` the site goes on from its head, whatever exchange is named."""
    numbers = itertools.count(12_345)

    def reply(turn, before):
        return str(next(numbers)) if FIRST in turn.query else (before[-1] if before else "?")

    async with MixSite(chain=chain, reply=reply) as site:
        found = load(None, {}, settings(site))
        code = await _try_all(found.upstreams[0].variants_to_probe(), "demo", found)
    lines = capsys.readouterr().out.splitlines()

    assert code == 0
    assert [": remembers" in line for line in lines] == right
    assert [line.partition(":")[0] for line in lines] == ['chain = "session"', 'chain = "exchange"']
