"""The tables of kind `qwen`."""

from collections.abc import Callable
from pathlib import Path

import pytest

from proxy.config import QwenUpstream, Settings, as_toml, load

Load = Callable[..., Settings]
Refused = Callable[..., list[str]]

HEAD = '[[upstreams]]\nname = "up"\nkind = "qwen"\n'
MODELS = '[[models]]\nid = "m"\nupstream = "up"\n[auth]\nmode = "none"\n'
SECRETS = """
credential = { mode = "static", token = "umid-token-1", cookies = "cna=abcdef12" }
extra_headers = { bx-ua = "fingerprint-9", authorization = "env:AUTH", accept = "" }
"""


def _first(settings: Settings) -> QwenUpstream:
    upstream = settings.upstreams[0]
    assert isinstance(upstream, QwenUpstream)
    return upstream


def test_it_needs_no_more_than_a_name(loaded: Load) -> None:
    found = _first(loaded(HEAD))

    assert (found.base_url, found.token_header, found.chat_mode) == ("https://chat.qwen.ai", "bx-umidtoken", "auto")
    assert found.user_agent.startswith("Mozilla/5.0 (")
    assert (found.extra_headers, found.extra_body, found.feature_config) == ({}, {}, {})
    assert (found.chat_title, found.chain, found.upstream_stream) == ("API chat", "parent_id", "always")
    assert (found.system_mode, found.thinking, found.unsupported_parts) == ("message", "off", "reject")
    assert (found.on_tools_change, found.empty_answer, found.stop_on_abort) == ("announce", "error", True)
    assert (found.models, found.models_ttl_s, found.credential.mode) == ("configured", 3600, "none")
    assert (found.default_dialect, found.shares_credential, found.requires_user) == ("xml_tags", True, True)


def test_no_secret_is_ever_shown(tmp_path: Path) -> None:
    path = tmp_path / "turnstile.toml"
    path.write_text(HEAD + SECRETS + MODELS)
    settings = load(path, {"AUTH": "bearer-of-mine"}, {})

    found = _first(settings)
    assert found.extra_headers["bx-ua"].reveal() == "fingerprint-9"
    assert found.extra_headers["authorization"].reveal() == "bearer-of-mine"
    for shown in (as_toml(settings), repr(settings), str(settings)):
        for secret in ("umid-token-1", "abcdef12", "fingerprint-9", "bearer-of-mine"):
            assert secret not in shown
    assert "env:AUTH" in as_toml(settings)


def test_the_path_of_a_login_starts_at_the_folder_of_the_configuration(tmp_path: Path) -> None:
    path = tmp_path / "turnstile.toml"
    path.write_text(HEAD + 'credential = { mode = "managed", path = "login.json" }\n' + MODELS)

    assert _first(load(path, {}, {})).credential.path == str(tmp_path / "login.json")


def test_what_requests_may_hold_depends_on_the_settings(loaded: Load) -> None:
    plain, other = _first(loaded(HEAD)).rules, HEAD + 'unsupported_parts = "placeholder"\nthinking = "request"'
    assert (plain.any_part, plain.honoured, plain.openai, plain.needs_new_text) == (False, frozenset(), False, True)
    rules = _first(loaded(other)).rules
    assert (rules.any_part, rules.honoured) == (True, {"reasoning_effort"})


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ('thinking = "maybe"', "upstreams[0].thinking: expected 'off', 'on' or 'request', got 'maybe'"),
        ("models_ttl_s = -1", "upstreams[0].models_ttl_s: must be at least 0, got -1"),
        ('user_agent = "ü"', "upstreams[0].user_agent: is sent in a header, so it is made of ASCII characters"),
        ("think_tags = true", "upstreams[0].think_tags: a field of kind 'openai'; this upstream is of kind 'qwen'"),
        (
            'credential = { mode = "static", token = "t" }',
            'upstreams[0].credential: mode "static" needs `token` and `cookies`',
        ),
        (
            'credential = { mode = "managed" }',
            'upstreams[0].credential: `path` and mode = "managed" belong together',
        ),
        (
            'credential = { mode = "managed", path = 1 }',
            "upstreams[0].credential.path: expected the path of a file, got a whole number",
        ),
        (
            'extra_headers = { host = "x" }',
            "upstreams[0].extra_headers.host.[key]: 'host' belongs to one connection, and is never passed on",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_path(refused: Refused, fields: str, line: str) -> None:
    (told,) = refused(HEAD + fields)

    assert told.startswith(line)
