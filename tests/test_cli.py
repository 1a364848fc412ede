"""The command line, as an operator meets it: one clear line for whatever is wrong, and never a traceback."""

import os
import re
import socket
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

import proxy
from proxy.__main__ import main
from proxy.config import ConfigError, Settings
from proxy.config.reference import BEGIN, reference

Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run the command line in an empty folder: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.upper().startswith("TURNSTILE_")]:
        monkeypatch.delenv(name)

    def run(*arguments: str) -> tuple[int, str, str]:
        try:
            code = main(arguments)
        except SystemExit as left:
            code = left.code if isinstance(left.code, int) else 1
        return code, *capsys.readouterr()

    return run


FILE = """
[auth]
mode = "none"
[[upstreams]]
name = "s"
kind = "scripted"
[[models]]
id = "{id}"
upstream = "s"
"""


class Daemon:
    """Stands in for the daemon: keeps what it was started with."""

    def __init__(self) -> None:
        self.settings: Settings
        self.reload: Callable[[], Settings]
        self.error: OSError | None = None

    def serve(self, settings: Settings, reload: Callable[[], Settings]) -> int:
        self.settings, self.reload = settings, reload
        if self.error is not None:
            raise self.error
        return 0


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch) -> Daemon:
    stand_in = Daemon()
    module = ModuleType("proxy.server.lifecycle")
    module.serve = stand_in.serve  # type: ignore[attr-defined]  # what the command imports
    monkeypatch.setitem(sys.modules, "proxy.server.lifecycle", module)
    return stand_in


# --- serve


def test_serve_needs_nothing(cli: Cli, daemon: Daemon) -> None:
    assert cli("serve") == (0, "", "")
    assert [model.id for model in daemon.settings.models] == ["scripted"]


@pytest.mark.parametrize(
    ("flag", "value", "field"),
    [
        ("--host", "::1", "server.host"),
        ("--port", "9000", "server.port"),
        ("--unix", "/run/t.sock", "server.unix"),
        ("--workers", "3", "server.workers"),
        ("--log-format", "console", "log.format"),
        ("--log-level", "debug", "log.level"),
    ],
)
def test_a_flag_sets_its_field(cli: Cli, daemon: Daemon, flag: str, value: str, field: str) -> None:
    assert cli("serve", flag, value)[0] == 0
    table, name = field.split(".")
    assert str(getattr(getattr(daemon.settings, table), name)) == value


def test_a_flag_beats_the_environment_beats_the_file(
    cli: Cli, daemon: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "turnstile.toml").write_text("[server]\nport = 1\nworkers = 1\ndrain_s = 1" + FILE.format(id="m"))
    monkeypatch.setenv("TURNSTILE_SERVER__PORT", "2")
    monkeypatch.setenv("TURNSTILE_SERVER__WORKERS", "2")

    assert cli("serve", "--port", "3")[0] == 0

    server = daemon.settings.server
    assert (server.port, server.workers, server.drain_s) == (3, 2, 1)


@pytest.mark.parametrize("flag", [("--port", "9000"), ("--host", "127.0.0.1")])
def test_asking_for_an_address_beats_a_socket_in_the_environment(
    cli: Cli, daemon: Daemon, monkeypatch: pytest.MonkeyPatch, flag: tuple[str, str]
) -> None:
    """A port that is asked for and silently not listened on is the worst of answers."""
    monkeypatch.setenv("TURNSTILE_SERVER__UNIX", "/run/t.sock")

    cli("serve")
    assert daemon.settings.server.unix == "/run/t.sock"
    cli("serve", *flag)
    assert daemon.settings.server.unix == ""
    cli("serve", *flag, "--unix", "/run/u.sock")
    assert daemon.settings.server.unix == "/run/u.sock"


def test_the_file_is_found_by_flag_by_environment_and_in_the_folder(
    cli: Cli, daemon: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(name: str) -> str:
        (tmp_path / name).write_text(FILE.format(id=name))
        return name

    def served() -> str:
        return daemon.settings.models[0].id

    write("turnstile.toml")
    cli("serve")
    assert served() == "turnstile.toml"
    monkeypatch.setenv("TURNSTILE_CONFIG", write("env.toml"))
    cli("serve")
    assert served() == "env.toml"
    cli("serve", "--config", write("flag.toml"))
    assert served() == "flag.toml"


def test_the_daemon_can_read_its_configuration_again(
    cli: Cli, daemon: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same file and the same flags, wherever the process stands by then."""
    path = tmp_path / "turnstile.toml"
    path.write_text(FILE.format(id="old"))
    cli("serve", "--port", "9000")
    path.write_text(FILE.format(id="new"))
    monkeypatch.chdir("/")

    again = daemon.reload()

    assert ([model.id for model in again.models], again.server.port) == (["new"], 9000)
    path.write_text("[server]\nprot = 1")
    with pytest.raises(ConfigError):
        daemon.reload()


def test_an_address_that_cannot_be_listened_on_is_one_line(cli: Cli, daemon: Daemon) -> None:
    daemon.error = OSError(98, "cannot listen on 127.0.0.1:8080: address already in use")

    assert cli("serve") == (1, "", "turnstile: cannot listen on 127.0.0.1:8080: address already in use\n")


def test_a_busy_port_is_one_line(cli: Cli) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]

        code, out, err = cli("serve", "--port", str(port))

    assert (code, out, err) == (1, "", f"turnstile: cannot listen on 127.0.0.1:{port}: address already in use\n")


# --- what is wrong is told in one line


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ((), "the following arguments are required: COMMAND (see 'turnstile --help')"),
        (("--nope",), "the following arguments are required: COMMAND (see 'turnstile --help')"),
        (("serve", "--nope"), "unrecognized arguments: --nope (see 'turnstile --help')"),
        (("serve", "--port"), "argument --port: expected one argument (see 'turnstile serve --help')"),
        (("serve", "--conf", "x"), "unrecognized arguments: --conf x (see 'turnstile --help')"),
        (("config",), "the following arguments are required: ACTION (see 'turnstile config --help')"),
    ],
)
def test_a_wrong_command_line_is_one_line(cli: Cli, arguments: tuple[str, ...], line: str) -> None:
    assert cli(*arguments) == (2, "", f"turnstile: {line}\n")


def test_an_unknown_command_is_one_line(cli: Cli) -> None:
    code, out, err = cli("sevre")

    assert (code, out) == (2, "")
    assert re.fullmatch(r"turnstile: argument COMMAND: invalid choice: 'sevre' \(choose from .*serve.*\n", err)


@pytest.mark.parametrize("command", [("serve",), ("config", "check")])
@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[server]\nprot = 1\n[auth]\nmode = 'none'", "server.prot: unknown key; did you mean 'port'?"),
        ("[server\n", "Expected ']' at the end of a table declaration (at line 1, column 8)"),
    ],
)
def test_a_broken_file_is_told_by_name(
    cli: Cli, tmp_path: Path, command: tuple[str, ...], text: str, line: str
) -> None:
    (tmp_path / "t.toml").write_text(text)

    assert cli(*command, "--config", "t.toml") == (2, "", f"turnstile: {tmp_path / 't.toml'}: {line}\n")


@pytest.mark.parametrize("command", [("serve",), ("config", "check")])
def test_a_missing_file_is_one_line(cli: Cli, tmp_path: Path, command: tuple[str, ...]) -> None:
    line = f"turnstile: cannot read {tmp_path / 'none.toml'}: no such file or directory\n"

    assert cli(*command, "--config", "none.toml") == (2, "", line)


def test_a_missing_file_of_the_environment_is_one_line(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is named is meant: falling back to the first-start settings would open another door."""
    monkeypatch.setenv("TURNSTILE_CONFIG", "none.toml")

    assert cli("config", "check")[::2] == (
        2,
        f"turnstile: cannot read {tmp_path / 'none.toml'}: no such file or directory\n",
    )


def test_a_flag_out_of_range_is_told_as_such(cli: Cli, daemon: Daemon) -> None:
    line = "turnstile: command line: server.port: expected a whole number, got 'http'\n"

    assert cli("serve", "--port", "http") == (2, "", line)


def test_each_fault_has_its_line(cli: Cli) -> None:
    code, _, err = cli("serve", "--port", "-1", "--workers", "0", "--host", "0.0.0.0")

    assert code == 2
    assert err.splitlines() == [
        "turnstile: command line: server.port: must be at least 0, got '-1'",
        "turnstile: command line: server.workers: must be at least 1, got '0'",
    ]


# --- config, chart, version


def test_config_check_prints_the_settings_in_force(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TURNSTILE_SERVER__PORT", "9000")

    code, out, err = cli("config", "check")

    assert (code, err) == (0, "")
    assert tomllib.loads(out)["server"]["port"] == 9000


def test_config_check_masks_secrets(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "turnstile.toml").write_text(
        '[auth]\nkeys = [{ name = "a", key = "s3cret" }]\n'
        '[[upstreams]]\nname = "u"\nbase_url = "http://h"\ncredential = { mode = "static", token = "s3cret" }\n'
        '[[models]]\nid = "m"\nupstream = "u"\n'
    )

    code, out, err = cli("config", "check")

    assert (code, err) == (0, "")
    assert "s3cret" not in out
    assert out.count("********") == 2


def test_config_reference_prints_the_reference(cli: Cli) -> None:
    assert cli("config", "reference") == (0, reference(), "")


def test_config_reference_brings_a_document_up_to_date(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "doc.md").write_text(f"# Intro\n\n{BEGIN}old\n")

    assert cli("config", "reference", "--update", "doc.md") == (0, "", "")
    assert (tmp_path / "doc.md").read_text() == f"# Intro\n\n{BEGIN}\n{reference()}"


def test_config_reference_tells_what_it_cannot_update(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "doc.md").write_text("# Intro\n")

    for name in ("doc.md", "none.md"):
        code, out, err = cli("config", "reference", "--update", name)
        assert (code, out, err.count("\n")) == (1, "", 1)
        assert err.startswith(f"turnstile: cannot update {name}: ")


def test_chart_prints_the_chart(cli: Cli) -> None:
    code, out, err = cli("chart")

    assert (code, err) == (0, "")
    assert "validate --> auth" in out


def test_chart_prints_other_formats(cli: Cli) -> None:
    code, out, _ = cli("chart", "--format", "json")

    assert code == 0
    assert out.startswith("{")


def test_version(cli: Cli) -> None:
    assert cli("--version") == (0, f"turnstile {proxy.__version__}\n", "")


@pytest.mark.parametrize("arguments", [("--help",), ("serve", "--help"), ("config", "--help"), ("chart", "--help")])
def test_help_is_there(cli: Cli, arguments: tuple[str, ...]) -> None:
    code, out, err = cli(*arguments)

    assert (code, err) == (0, "")
    assert out.startswith("usage: turnstile")


def test_python_m_proxy_is_the_same_command(tmp_path: Path) -> None:
    """One real process: the exit code and the one line reach the shell."""
    ran = subprocess.run(
        [sys.executable, "-m", "proxy", "config", "check", "--config", "none.toml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == f"turnstile: cannot read {tmp_path / 'none.toml'}: no such file or directory\n"
