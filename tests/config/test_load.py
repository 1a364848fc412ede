import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.config import ConfigError, ScriptedUpstream, Settings, find_file, load

Load = Callable[..., Settings]
Refused = Callable[..., list[str]]

NO_KEYS = 'mode "keys" needs at least one key; here auth.mode = "none" would do, as only this host calls'


def test_without_a_file_one_scripted_model_is_served_to_this_host_without_a_key() -> None:
    """The first start must need nothing."""
    found = load(None, {}, {})

    assert [upstream.name for upstream in found.upstreams] == ["scripted"]
    assert isinstance(found.upstreams[0], ScriptedUpstream)
    assert [(model.id, model.upstream) for model in found.models] == [("scripted", "scripted")]
    assert found.auth.mode == "none"
    assert (found.server.host, found.server.port, found.server.unix) == ("127.0.0.1", 8080, "")


def test_without_a_file_the_environment_and_the_command_line_still_count() -> None:
    found = load(None, {"TURNSTILE_SERVER__PORT": "9001"}, {"log": {"level": "debug"}})

    assert (found.server.port, found.log.level, found.models[0].id) == (9001, "debug", "scripted")


def test_without_a_file_a_key_from_the_environment_switches_keys_on() -> None:
    """Whoever gives keys means them, also in a container without a file."""
    found = load(None, {"TURNSTILE_AUTH__KEYS": '[{"name": "dev", "key": "env:KEY"}]', "KEY": "k"}, {})

    assert found.auth.mode == "keys"


def test_without_a_file_others_than_this_host_are_not_let_in_without_a_key() -> None:
    with pytest.raises(ConfigError) as caught:
        load(None, {}, {"server": {"host": "0.0.0.0"}})

    assert caught.value.lines == [
        'auth.mode: "none" needs a loopback address, a socket or auth.allow_open = true; the host is 0.0.0.0'
    ]


def test_a_whole_configuration_can_come_from_the_environment() -> None:
    environ = {
        "TURNSTILE_UPSTREAMS__0__NAME": "up",
        "TURNSTILE_UPSTREAMS__0__BASE_URL": "http://127.0.0.1:1/v1",
        "TURNSTILE_MODELS": '[{"id": "m", "upstream": "up"}]',
    }

    found = load(None, environ, {})

    assert ([each.name for each in found.upstreams], [each.id for each in found.models]) == (["up"], ["m"])


def test_a_file_says_everything_itself(tmp_path: Path) -> None:
    """Nothing of the first start leaks into a real configuration: no scripted model, no open door."""
    path = tmp_path / "turnstile.toml"
    path.write_text("")

    with pytest.raises(ConfigError) as caught:
        load(path, {}, {})

    assert caught.value.lines == [
        f"{path}: auth.keys: {NO_KEYS}",
        f"{path}: upstreams: at least one is needed",
        f"{path}: models: at least one is needed",
    ]


def test_the_command_line_beats_the_environment_beats_the_file_beats_the_default(loaded: Load) -> None:
    text, environ, flags = "[server]\nport = 1111", {"TURNSTILE_SERVER__PORT": "2222"}, {"server": {"port": "3333"}}

    assert loaded().server.port == 8080
    assert loaded(text).server.port == 1111
    assert loaded(text, environ).server.port == 2222
    assert loaded(text, environ, flags).server.port == 3333


def test_sources_are_merged_field_by_field(loaded: Load) -> None:
    found = loaded(
        "[server]\nport = 1111\nworkers = 2", {"TURNSTILE_SERVER__WORKERS": "3"}, {"server": {"host": "::1"}}
    )

    assert (found.server.port, found.server.workers, found.server.host) == (1111, 3, "::1")


def test_a_fault_is_told_with_the_source_of_the_value(loaded: Load, tmp_path: Path) -> None:
    """An operator must know which of three places to mend."""
    with pytest.raises(ConfigError) as caught:
        loaded(
            "[server]\nport = 'a'\nworkers = 'b'\ndrain_s = 'c'",
            {"TURNSTILE_SERVER__WORKERS": "d"},
            {"server": {"drain_s": "e"}},
        )

    assert caught.value.lines == [
        f"{tmp_path / 'turnstile.toml'}: server.port: expected a whole number, got 'a'",
        "TURNSTILE_SERVER__WORKERS: server.workers: expected a whole number, got 'd'",
        "command line: server.drain_s: expected a number, got 'e'",
    ]


def test_every_fault_is_told_at_once(refused: Refused) -> None:
    lines = refused('[server]\nport = 70000\nprot = 1\n[log]\nlevel = "loud"\n[[upstreams]]\nname = "up"')

    assert lines == [
        "server.port: must be at most 65535, got 70000",
        "server.prot: unknown key; did you mean 'port'?",
        "upstreams[0].base_url: is required",
        "log.level: expected 'debug', 'info', 'warning' or 'error', got 'loud'",
    ]


def test_loading_leaves_its_arguments_alone(loaded: Load) -> None:
    """A reload calls it again with the same flags and environment."""
    environ, flags = {"TURNSTILE_SERVER__PORT": "2222"}, {"server": {"workers": 2}}

    assert loaded("", environ, flags) == loaded("", environ, flags)
    assert (environ, flags) == ({"TURNSTILE_SERVER__PORT": "2222"}, {"server": {"workers": 2}})


def test_settings_are_frozen(loaded: Load) -> None:
    found = loaded()

    for table, field in ((found, "server"), (found.server, "port"), (found.models[0], "id")):
        with pytest.raises(ValueError, match="frozen"):
            setattr(table, field, None)


def test_bad_syntax_is_told_with_line_and_column(tmp_path: Path) -> None:
    path = tmp_path / "turnstile.toml"
    path.write_text("[server]\nport = = 1\n")

    with pytest.raises(ConfigError) as caught:
        load(path, {}, {})

    assert caught.value.lines == [f"{path}: Invalid value (at line 2, column 8)"]


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "turnstile.toml"
    path.write_bytes(b"# \xff")

    with pytest.raises(ConfigError) as caught:
        load(path, {}, {})

    assert caught.value.lines == [f"{path}: not UTF-8 (at byte 2)"]


@pytest.mark.parametrize(("name", "reason"), [("none.toml", "no such file or directory"), (".", "is a directory")])
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / name, {}, {})

    assert caught.value.lines == [f"cannot read {tmp_path / name}: {reason}"]


def test_the_file_is_the_flags_else_the_environments_else_the_folders_else_none(tmp_path: Path) -> None:
    environ = {"TURNSTILE_CONFIG": "env.toml"}

    assert find_file(None, {}, tmp_path) is None
    (tmp_path / "turnstile.toml").touch()
    assert find_file(None, {}, tmp_path) == tmp_path / "turnstile.toml"
    assert find_file(None, environ, tmp_path) == tmp_path / "env.toml"
    assert find_file("flag.toml", environ, tmp_path) == tmp_path / "flag.toml"
    assert find_file("/abs/flag.toml", environ, tmp_path) == Path("/abs/flag.toml")


def test_a_home_folder_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", os.fspath(tmp_path))

    assert find_file("~/t.toml", {}, Path("/elsewhere")) == tmp_path / "t.toml"


_KEYS = (
    st.sampled_from(["server", "auth", "clocks", "upstreams", "models", "host", "port", "keys", "key", "name", "id"])
    | st.sampled_from(["kind", "scripted", "script", "scripts", "say", "call", "arguments", "usage", "cut", "fallback"])
    | st.sampled_from(["credential", "token", "headers", "total", "trusted_proxies", "cors_origins", "base_url"])
    | st.sampled_from(["0", "1", "9", "", "x", "a\nb"])
)
_SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | _KEYS | st.just("http://h/v1")
)
_TREES = st.dictionaries(
    _KEYS,
    st.recursive(
        _SCALARS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3),
        max_leaves=12,
    ),
    max_size=4,
)


@given(_TREES)
@settings(max_examples=150, deadline=None)
def test_whatever_is_written_loads_or_is_refused_in_plain_lines(tree: dict[str, Any]) -> None:
    """No spelling may end in a traceback."""
    try:
        lines = [] if load(None, {}, tree).models else [""]
    except ConfigError as error:
        lines = error.lines

    assert all(line and line.isprintable() for line in lines)
