"""Server processes that the benchmark starts, watches and ends: these and no others."""

import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

START_LIMIT_S = 30.0
STOP_LIMIT_S = 10.0
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Server(NamedTuple):
    """A running server: its name in the report, its loopback port, its root process."""

    name: str
    port: int
    process: subprocess.Popen[bytes]

    def cpu_s(self) -> float:
        """CPU seconds, user and system, that the process tree has used; to a clock tick of 10 ms."""
        # proc_pid_stat(5): fields 14 to 17 are utime, stime, and those of the children already waited for
        return sum(sum(map(int, stat[11:15])) for stat in map(read_stat, self.pids()) if stat) / TICKS_PER_S

    def rss_bytes(self) -> int:
        """Resident memory of the process tree."""
        # field 24 is the resident set in pages
        return sum(int(stat[21]) for stat in map(read_stat, self.pids()) if stat) * PAGE_BYTES

    def pids(self) -> list[int]:
        """Return the process tree, root first."""
        everybody = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
        parents = {pid: int(stat[1]) for pid in everybody if (stat := read_stat(pid))}
        tree = [self.process.pid]
        for pid in tree:  # grows while it is walked
            tree += (child for child, parent in parents.items() if parent == pid)
        return tree


def read_stat(pid: int) -> list[str] | None:
    """Return the fields of /proc/PID/stat from the third on (state, parent, …); None once the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def free_port() -> int:
    """Return a loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(name: str, command: list[str], *, port: int, core: int, folder: Path) -> Iterator[Server]:
    """Run *command* on one CPU *core* with *folder* as its home and for its output; it answers `/readyz` on *port*.

    However the block is left, the whole process tree is gone after it.  RuntimeError with the end of its output when it
    does not get ready.
    """
    log = folder / f"{name}.log"
    home = {name: str(folder) for name in ("HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME")}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TURNSTILE_")}
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603  commands of ours
            command,
            env=inherited | home,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C reaches the benchmark alone, which ends its servers in order
        )
    server = Server(name, port, process)
    try:
        os.sched_setaffinity(process.pid, {core})
        wait_until_ready(server, log)
        yield server
    finally:
        stop(server)


def wait_until_ready(server: Server, log: Path) -> None:
    """Poll `/readyz` until it answers 200."""
    limit_s = time.monotonic() + START_LIMIT_S
    while server.process.poll() is None and time.monotonic() < limit_s:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=1)
        try:
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        except (OSError, http.client.HTTPException):
            pass  # not listening yet
        finally:
            connection.close()
        time.sleep(0.02)
    raise RuntimeError(f"{server.name} did not get ready; the end of its output:\n{log.read_text()[-2000:]}")


def stop(server: Server) -> None:
    """Ask the root to end; kill what is left of its tree after a while."""
    tree = server.pids()
    server.process.terminate()
    try:
        server.process.wait(STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        server.process.kill()
        server.process.wait()
    for pid in tree[1:]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
