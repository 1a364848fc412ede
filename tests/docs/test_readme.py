"""The first minutes of a reader: what the README shows is run against a daemon as `make serve` starts it."""

import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from proxy.config import OpenAIUpstream, load
from proxy.testing.frames import read_stream, text_of_stream
from proxy.testing.process import Daemon
from tests.docs.pages import PAGES, blocks

URL = "http://127.0.0.1:8080"
README = PAGES[0]
(COMMANDS, CURL), (PYTHON,), (TOML,) = blocks(README, "sh"), blocks(README, "python"), blocks(README, "toml")
SAID = "You said: Hello"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Without a configuration, a key or an account."""
    with Daemon(folder=tmp_path_factory.mktemp("served")) as daemon:
        yield daemon


def answered(command: str) -> bytes:
    """What an HTTP client gets that is given curl's arguments."""
    words = shlex.split(command)
    header, body = words[words.index("-H") + 1], words[words.index("-d") + 1]
    (url,) = [word for word in words if word.startswith("http://")]
    with urlopen(Request(url, body.encode(), dict([header.split(": ")]))) as answer:  # noqa: S310 - the daemon's own URL
        told: bytes = answer.read()
    return told


def test_the_request_of_the_readme_is_answered_in_frames(served: Daemon) -> None:
    told = answered(CURL.replace(URL, served.url))

    assert text_of_stream(told) == SAID
    assert read_stream(told).done


@pytest.mark.real
@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here")
def test_the_curl_example_works_as_written(served: Daemon) -> None:
    done = subprocess.run(["sh", "-c", CURL.replace(URL, served.url)], capture_output=True, check=True)  # noqa: S603, S607 - as a reader does

    assert text_of_stream(done.stdout) == SAID
    assert read_stream(done.stdout).done


@pytest.mark.real
def test_the_python_example_works_as_written(served: Daemon) -> None:
    command = [sys.executable, "-c", PYTHON.replace(URL, served.url)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - as a reader does

    assert done.stdout == f"{SAID}\n{SAID}"


def test_the_configuration_of_the_readme_serves_another_server(tmp_path: Path) -> None:
    """That other server is a second daemon here; the model's id is all that the two must agree on."""
    path = tmp_path / "turnstile.toml"
    path.write_text(TOML)
    settings = load(path, {}, {})
    (model,), (upstream,) = settings.models, settings.upstreams
    assert isinstance(upstream, OpenAIUpstream)
    there = {
        "auth": {"mode": "none"},
        "upstreams": [{"name": "scripted", "kind": "scripted"}],
        "models": [{"id": model.id, "upstream": "scripted"}],
    }
    with (
        Daemon(there, folder=tmp_path / "there") as backend,
        Daemon(TOML.replace(upstream.base_url, f"{backend.url}/v1"), folder=tmp_path / "here") as gateway,
    ):
        told = answered(CURL.replace(URL, gateway.url).replace('"scripted"', json.dumps(model.id)))

    assert text_of_stream(told) == SAID


def test_the_daemon_listens_where_the_readme_says() -> None:
    server = load(None, {}, {}).server

    assert f"http://{server.host}:{server.port}" == URL
    assert f"make serve      # the daemon on {URL}" in COMMANDS
