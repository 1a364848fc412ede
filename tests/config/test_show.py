import tomllib
from collections.abc import Callable
from pathlib import Path

from proxy.config import Settings, as_toml, load

Load = Callable[..., Settings]

RICH = r"""
[server]
unix = "/run/t \"1\".sock"
trusted_proxies = ["10.0.0.0/8"]
[auth]
keys = [{ name = "dev", key = "env:K", models = ["m", "try/*"], rpm = 3 }]
[clocks]
body = 1
connect = 2
failover = 3
first_event = 4
idle = 5
progress = 6
total = 7
tail = 8
queue = 9
token = 9
client_write = 0
heartbeat = 0.5
commit_headers_after = 11
[[upstreams]]
name = "up"
base_url = "http://h/v1"
credential = { mode = "static", token = "env:T", headers = { "x.y" = "env:T" } }
clocks = { total = 0.25 }
[[upstreams]]
name = "scripted"
kind = "scripted"
scripts = [
  [{ say = "a\nb\u007f\u0001 ü \"q\" \\" }, { usage = { prompt_tokens = 1, completion_tokens = 2 } }],
  [{ cut = true }],
]
[[models]]
id = "m"
upstreams = ["up", "scripted"]
require_user = false
max_output_tokens = 5
[[models]]
id = "try/*"
upstream = "scripted"
"""
SECRETS = {"K": "k", "T": "t"}


def test_what_is_shown_can_be_used_as_a_file(loaded: Load, tmp_path: Path) -> None:
    """`config check` shows what is in force, no more and no less."""
    found = loaded(RICH, SECRETS)
    path = tmp_path / "shown.toml"
    path.write_text(as_toml(found), encoding="utf-8")

    assert load(path, SECRETS, {}) == found


def test_every_table_and_default_is_shown() -> None:
    shown = tomllib.loads(as_toml(load(None, {}, {})))

    assert list(shown) == [
        "server",
        "auth",
        "session",
        "clocks",
        "budget",
        "controls",
        "retry",
        "breaker",
        "upstreams",
        "models",
        "tools",
        "log",
    ]
    assert shown["server"]["port"] == 8080
    assert shown["clocks"]["total"] == 1800
    assert shown["upstreams"][0]["name"] == "scripted"
    assert shown["log"] == {"format": "json", "level": "info"}


def test_what_is_unset_is_not_shown() -> None:
    """TOML has no null."""
    (model,) = tomllib.loads(as_toml(load(None, {}, {})))["models"]

    assert {"max_input_tokens", "require_user", "upstream_model"}.isdisjoint(model)
