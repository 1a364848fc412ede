"""The harness itself: what it writes is what was meant, and what goes wrong is told."""

import os
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.testing.process import Daemon, DaemonFailed, clean_environment, toml, urls_in

SCALARS = (
    st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
TREES = st.dictionaries(
    st.text(), st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10)
)


@settings(max_examples=50)
@given(tree=TREES)
def test_a_tree_of_tables_comes_back_from_toml_as_it_was(tree: dict[str, object]) -> None:
    """Also with quotes, line ends and control characters in keys and values."""
    assert tomllib.loads(toml(tree)) == tree


def test_where_it_listens_is_found_in_a_log_of_any_form() -> None:
    json_line = '{"url":"http://127.0.0.1:8080","pid":1,"event":"server.listening"}\n'
    logfmt = "level=info event=server.listening url=http://[::1]:8080 pid=1\n"
    console = "[info     ] server.listening               pid=1 url=unix:/run/turnstile.sock\n"
    unfinished = '{"url":"http://127.0.0.1:80","event":"server.listening"'
    assert urls_in(json_line + logfmt + console + "something else\n" + unfinished) == [
        "http://127.0.0.1:8080",
        "http://[::1]:8080",
        "unix:/run/turnstile.sock",
    ]


def test_a_daemon_that_does_not_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(DaemonFailed, match=r"exit code 2\): turnstile: .*prot: unknown key"):
        Daemon({"server": {"prot": 1}}, folder=tmp_path).__enter__()


def test_settings_of_the_machine_do_not_leak_into_a_test(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TURNSTILE_SERVER__PORT", "1")
    environment = clean_environment(tmp_path)
    assert not [name for name in environment if name.startswith("TURNSTILE_")]
    assert environment["HOME"] == str(tmp_path)
    assert environment["PATH"] == os.environ["PATH"]
