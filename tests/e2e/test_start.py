"""Starting: where it listens, what a former life may leave behind, and how it says that it can't."""

import asyncio
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.testing.process import StartDaemon, clean_environment
from tests.e2e.wire import ask, chat


async def turnstile(folder: Path, *arguments: str) -> tuple[int | None, str, str]:
    """Run the command in *folder*: exit code, standard output, standard error."""
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("turnstile"),
        *arguments,
        cwd=folder,
        env=clean_environment(folder),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, errors = await process.communicate()
    return process.returncode, out.decode(), errors.decode()


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="ts-") as folder:
        yield Path(folder)


async def test_with_no_configuration_at_all_it_answers_and_does_so_again_after_a_kill(daemon: StartDaemon) -> None:
    """A first start needs no file, no account, no key; and a second one finds the port free."""
    first = daemon()
    assert first.url.startswith("http://127.0.0.1:")
    (listening,) = first.lines(event="server.listening")
    assert listening["pid"] == first.pid
    assert [model["id"] for model in (await ask(first.url, "GET", "/v1/models")).json["data"]] == ["scripted"]
    answer = await ask(first.url, "POST", "/v1/chat/completions", chat("Are you there?"))
    assert answer.json["choices"][0]["message"]["content"] == "You said: Are you there?"

    first.signal(signal.SIGKILL)
    assert await first.exited() == -signal.SIGKILL
    second = daemon(args=["--port", first.url.rpartition(":")[2]])
    assert second.url == first.url
    assert (await ask(second.url, "POST", "/", chat())).status == 200


async def test_what_the_operator_can_mend_is_one_clear_line(tmp_path: Path) -> None:
    """No traceback; and the exit code says it, so that whoever supervises the process knows."""
    (tmp_path / "wrong.toml").write_text("[server]\nprot = 1\n")
    (tmp_path / "data").write_text("precious")
    with socket.create_server(("127.0.0.1", 0)) as other:
        busy = str(other.getsockname()[1])
        told = {
            ("--prot", "1"): (2, "turnstile: unrecognized arguments: --prot 1 (see 'turnstile --help')"),
            ("--port", busy): (1, f"turnstile: cannot listen on 127.0.0.1:{busy}: address already in use"),
            ("--unix", "data"): (1, "turnstile: cannot listen on data: address already in use"),
            ("--config", "no.toml"): (2, f"turnstile: cannot read {tmp_path}/no.toml: no such file or directory"),
            ("--config", "wrong.toml"): (
                2,
                f"turnstile: {tmp_path}/wrong.toml: server.prot: unknown key; did you mean 'port'?",
            ),
        }
        ended = await asyncio.gather(*(turnstile(tmp_path, "serve", *arguments) for arguments in told))
    assert ended == [(code, "", f"{line}\n") for code, line in told.values()]
    assert (tmp_path / "data").read_text() == "precious"


async def test_a_unix_socket_is_listened_on_kept_and_cleaned_up(
    daemon: StartDaemon, short_path: Path, tmp_path: Path
) -> None:
    """Nobody else can take it meanwhile."""
    path = short_path / "turnstile.sock"
    running = daemon(args=["--unix", str(path)])
    assert running.url == f"unix:{path}"
    assert stat.S_ISSOCK(path.stat().st_mode)
    answer = await ask(running.url, "POST", "/v1/chat/completions", chat(stream=True))
    assert answer.status == 200
    assert answer.body.endswith(b"data: [DONE]\n\n")
    assert (await running.logged(answer.headers["x-request-id"]))["end_reason"] == "done"

    second = await turnstile(tmp_path, "serve", "--unix", str(path))
    assert second == (1, "", f"turnstile: cannot listen on {path}: address already in use\n")
    assert (await ask(running.url, "GET", "/readyz")).status == 200

    running.signal(signal.SIGTERM)
    assert await running.exited() == 0
    assert not path.exists()


async def test_a_unix_socket_that_a_kill_has_left_is_taken_over(daemon: StartDaemon, short_path: Path) -> None:
    path = short_path / "turnstile.sock"
    first = daemon(args=["--unix", str(path)])
    first.signal(signal.SIGKILL)
    await first.exited()
    assert path.exists()
    second = daemon(args=["--unix", str(path)])
    assert (await ask(second.url, "GET", "/readyz")).status == 200


def test_a_log_that_nobody_reads_any_more_does_not_matter(tmp_path: Path) -> None:
    """As with `turnstile serve | head -1`."""
    reading, writing = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "proxy", "serve", "--port", "0"],
        cwd=tmp_path,
        env=clean_environment(tmp_path),
        stdout=writing,
        stderr=subprocess.PIPE,
    ) as process:
        os.close(writing)
        with os.fdopen(reading) as log:
            assert json.loads(log.readline())["event"] == "server.listening"
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=10)
    assert process.returncode == 0
    assert errors == b""
