"""The life of the daemon: bind, start the workers, watch over them, stop."""

import os
import signal
import socket
import time
from collections.abc import Callable, Sequence

import structlog

from proxy.config import Settings
from proxy.observe.log import GatheredOutput, configure
from proxy.server.listening import listening_sockets
from proxy.server.worker import Reload, run_worker

log = structlog.get_logger("turnstile.lifecycle")

RESTART_S = 1.0  # between the death of a worker and its successor: a crash at start must not spin


def serve(settings: Settings, reload: Reload) -> int:
    """Run the daemon until it is told to stop; returns the exit status.  Raises OSError when it cannot listen."""
    sockets = listening_sockets(settings.server)
    output = configure(settings.log)
    try:
        if settings.server.workers == 1:
            run_worker(settings, sockets, reload)
        else:
            Supervisor(lambda: run_worker(settings, sockets, reload), settings.server.workers, output).run()
    finally:
        output.flush()
        close(sockets)
    return 0


def close(sockets: Sequence[socket.socket]) -> None:
    """Close the sockets, and remove the file of a Unix socket."""
    for sock in sockets:
        path = sock.getsockname() if sock.family == socket.AF_UNIX and sock.fileno() >= 0 else None
        sock.close()
        if path:
            os.unlink(path)  # noqa: PTH108 - the name as the socket itself knows it


class Supervisor:
    """Keeps a number of worker processes alive, and passes signals on to them.

    The workers are forked, before any loop or thread exists, and share the listening sockets.
    """

    def __init__(self, work: Callable[[], None], workers: int, output: GatheredOutput) -> None:
        self._work = work
        self._workers = workers
        self._output = output
        self._pids: set[int] = set()
        self._stopping = False

    def run(self) -> None:
        """Start the workers, and return when all have ended after a signal."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._pass_on)
        for _ in range(self._workers):
            self._start()
        log.info("supervisor.started", pid=os.getpid(), workers=sorted(self._pids))
        self._output.flush()
        while self._pids:
            pid, status = os.wait()
            self._pids.discard(pid)
            if not self._stopping:
                log.error("supervisor.worker_died", worker=pid, status=os.waitstatus_to_exitcode(status))
                time.sleep(RESTART_S)
                if not self._stopping:
                    self._start()

    def _start(self) -> None:
        self._output.flush()  # or the child would write it again
        pid = os.fork()
        if pid:
            self._pids.add(pid)
            return
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        status = 1
        try:
            self._work()
            status = 0
        finally:
            self._output.flush()
            os._exit(status)

    def _pass_on(self, number: int, _frame: object) -> None:
        if number != signal.SIGHUP:
            self._stopping = True
        for pid in self._pids:
            os.kill(pid, number)
