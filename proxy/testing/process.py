"""The daemon as a process: started as an operator starts it, watched by its own log, ended by its process id.

    with Daemon({"upstreams": [...], "models": [...]}, folder=tmp_path) as daemon:
        ...                                             # talk to daemon.url
        line = await daemon.logged("req_1")             # its one log line

Under pytest the fixture `daemon` starts as many as a test asks for, and ends them after it.
"""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any, Protocol, Self

import orjson
import pytest

START_LIMIT_S = 30.0
LINE_LIMIT_S = 5.0  # the daemon gathers its lines for some 50 ms; the rest is for a busy machine
ASK_AGAIN_S = 1.0  # what is still live then is cut
STOP_LIMIT_S = 10.0
POLL_S = 0.005
URL = re.compile(r'(http://|unix:)[^"\s]+')

Line = dict[str, Any]


class DaemonFailed(RuntimeError):
    """The daemon ended before it listened; the message has its exit code and what it said."""


class Daemon:
    """One `turnstile serve`, as a context manager: inside the block it listens, after the block it is gone.

    *config* is a TOML text, a tree of tables as a dictionary, or None for the daemon's own default.  Unless it says
    where to listen, the port is any free one of the loopback interface.  *env* is added to an environment in which no
    setting of the daemon is left, and whose home is *folder*.  *args* are further arguments of `serve`.
    """

    def __init__(
        self,
        config: Mapping[str, Any] | str | None = None,
        *,
        folder: Path,
        env: Mapping[str, str] | None = None,
        args: Sequence[str] = (),
    ) -> None:
        self.folder = folder
        self.config_path = folder / "turnstile.toml"
        self.log_path = folder / "daemon.log"
        self.errors_path = folder / "daemon.errors"
        self.url = ""
        self._config = config
        self._env = env or {}
        self._args = args
        self._lines: list[Line] = []
        self._before_bytes = self._read_bytes = 0
        self._process: subprocess.Popen[bytes] | None = None

    # --- life

    def __enter__(self) -> Self:
        """Start, and wait until every worker listens.  Raises `DaemonFailed`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._config is not None:
            self.configure(self._config)
        settings = tomllib.loads(self.config_path.read_text()) if self.config_path.exists() else {}
        server = settings.get("server", {})
        anywhere = [] if server.keys() & {"port", "unix"} else ["--port", "0"]
        self._before_bytes = self._read_bytes = self.log_path.stat().st_size if self.log_path.exists() else 0
        with self.log_path.open("ab") as log, self.errors_path.open("ab") as errors:
            self._process = subprocess.Popen(  # noqa: S603 - a command of ours
                [sys.executable, "-P", "-m", "proxy", "serve", *anywhere, *self._args],
                cwd=self.folder,
                env={**clean_environment(self.folder), **self._env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=errors,
                start_new_session=True,  # Ctrl-C reaches the tests alone, and what is left of its group can be ended
            )
        try:
            self._wait_until_listening(server.get("workers", 1))
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        """End it, whatever it is doing."""
        self.stop()

    def configure(self, config: Mapping[str, Any] | str) -> None:
        """Write the configuration file; SIGHUP makes a running daemon read it."""
        self.config_path.write_text(config if isinstance(config, str) else toml(config))

    def stop(self) -> None:
        """Ask twice, then kill; the workers too, if any are left."""
        for number, limit_s in ((signal.SIGTERM, ASK_AGAIN_S), (signal.SIGTERM, STOP_LIMIT_S), (signal.SIGKILL, None)):
            if self.exit_code is not None:
                break
            self.signal(number)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(limit_s)
        with suppress(ProcessLookupError):  # it has taken its workers along
            os.killpg(self.pid, signal.SIGKILL)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process that was started; under several workers that is their supervisor."""
        self.process.send_signal(number)

    async def exited(self, limit_s: float = STOP_LIMIT_S) -> int:
        """The exit code, once it has ended by itself.  Raises `subprocess.TimeoutExpired`."""
        return await asyncio.to_thread(self.process.wait, limit_s)

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        """The process that was started."""
        assert self._process is not None, "not started"  # noqa: S101 - a mistake of the test that uses this
        return self._process

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    @property
    def exit_code(self) -> int | None:
        """Its exit code, None while it runs."""
        return self.process.poll()

    @property
    def errors(self) -> str:
        """What it has written to standard error."""
        return self.errors_path.read_text()

    # --- its log

    @property
    def log(self) -> list[Line]:
        """The log so far, which is to be in JSON: one dictionary per line."""
        with self.log_path.open("rb") as file:
            file.seek(self._read_bytes)
            whole, newline, _unfinished = file.read().rpartition(b"\n")
        self._read_bytes += len(whole) + len(newline)
        self._lines += map(orjson.loads, whole.splitlines())
        return self._lines

    def lines(self, **fields: Any) -> list[Line]:
        """The lines so far that have all these *fields*."""
        return [line for line in self.log if fields.items() <= line.items()]

    async def line(self, number: int = 1, /, **fields: Any) -> Line:
        """The first, or *number*-th, line that has all these *fields*; waits for it.  Raises TimeoutError."""
        end = time.monotonic() + LINE_LIMIT_S
        while len(found := self.lines(**fields)) < number:
            if time.monotonic() > end:
                raise TimeoutError(f"{len(found)} lines with {fields}, not {number}, in {self.log_path}")
            await asyncio.sleep(POLL_S)
        return found[number - 1]

    async def logged(self, request_id: str) -> Line:
        """The one line about a request; waits for it."""
        return await self.line(event="request.completed", request_id=request_id)

    def _wait_until_listening(self, workers: int) -> None:
        end = time.monotonic() + START_LIMIT_S
        while len(urls := urls_in(self._said())) < workers:
            if self.exit_code is not None or time.monotonic() > end:
                raise DaemonFailed(f"not listening (exit code {self.exit_code}): {self.errors}")
            time.sleep(POLL_S)
        self.url = urls[0]

    def _said(self) -> str:
        """The log since it was started; another may have used the folder before."""
        return self.log_path.read_bytes()[self._before_bytes :].decode()


def urls_in(log: str) -> list[str]:
    """Where the workers listen, by a log of any format."""
    listening = (line for line in log.splitlines(keepends=True) if "server.listening" in line and line.endswith("\n"))
    return [found[0] for line in listening if (found := URL.search(line))]


def clean_environment(home: Path) -> dict[str, str]:
    """The environment without any setting of the daemon, and with *home* for whatever is kept per user."""
    homes = {name: str(home) for name in ("HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME")}
    return {name: value for name, value in os.environ.items() if not name.startswith("TURNSTILE_")} | homes


def toml(config: Mapping[str, Any]) -> str:
    """A tree of tables as TOML."""
    return "".join(f"{_scalar(name)} = {_inline(value)}\n" for name, value in config.items())


def _inline(value: Any) -> str:
    match value:
        case Mapping():
            return f"{{{', '.join(f'{_scalar(name)} = {_inline(each)}' for name, each in value.items())}}}"
        case list() | tuple():
            return f"[{', '.join(map(_inline, value))}]"
        case _:
            return _scalar(value)


def _scalar(value: Any) -> str:
    """A value as JSON has it, which is TOML but for an unescaped DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


class StartDaemon(Protocol):
    """What the fixture `daemon` gives: a function that starts one, and returns when it listens."""

    def __call__(
        self,
        config: Mapping[str, Any] | str | None = None,
        *,
        env: Mapping[str, str] | None = None,
        args: Sequence[str] = (),
    ) -> Daemon:
        """Start a daemon; the parameters are those of `Daemon`."""


@contextmanager
def daemons(folder: Path) -> Iterator[StartDaemon]:
    """Start daemons as processes, each in a folder of its own under *folder*; they end with the block."""
    numbers = count(1)
    with ExitStack() as running:

        def start(config: Mapping[str, Any] | str | None = None, **options: Any) -> Daemon:
            return running.enter_context(Daemon(config, folder=folder / f"daemon-{next(numbers)}", **options))

        yield start


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[StartDaemon]:
    """Start daemons as processes; they end with the test."""
    with daemons(tmp_path) as start:
        yield start
