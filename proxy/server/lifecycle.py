"""The life of the daemon: bind, start the workers, watch over them, stop."""

import os
import signal
import socket
import time
from collections.abc import Sequence
from pathlib import Path

import structlog

from proxy.config import ConfigError, Settings
from proxy.observe.log import GatheredOutput, configure
from proxy.server.listening import listening_sockets
from proxy.server.worker import Reload, run_worker
from proxy.sessions.sqlite_file import StoreUnusable

log = structlog.get_logger("turnstile.lifecycle")

RESTART_S = 1.0  # between the death of a worker and its successor: a crash at start must not spin
STORE_UNUSABLE = 78  # what a worker exits with that can't open its store: no successor could; EX_CONFIG of sysexits.h
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def serve(settings: Settings, reload: Reload) -> int:
    """Run the daemon until it is told to stop; returns the exit status.

    Raises OSError when it cannot listen, or can't open its store.
    """
    sockets = listening_sockets(settings.server)
    socket_file = settings.server.unix
    output = configure(settings.log)
    try:
        if settings.server.workers == 1:
            run_worker(settings, sockets, reload)
        else:
            return Supervisor(settings, sockets, reload, output).run()
    finally:
        output.flush()
        close(sockets)
        if socket_file:
            Path(socket_file).unlink(missing_ok=True)
    return 0


def close(sockets: Sequence[socket.socket]) -> None:
    """Close listening sockets, as far as they are open in this process."""
    for sock in sockets:
        sock.close()


class Supervisor:
    """Keeps a number of worker processes alive, and passes signals on to them.

    The workers are forked, before any loop or thread exists, and share the listening sockets.  They hold one end of a
    pipe, the lifeline: when it ends, so has the supervisor, and nobody is left to watch over them.
    """

    def __init__(
        self, settings: Settings, sockets: Sequence[socket.socket], reload: Reload, output: GatheredOutput
    ) -> None:
        self._settings = settings
        self._sockets = sockets
        self._reload = reload
        self._output = output
        self._lifeline, self._own_end = os.pipe()
        self._pids: set[int] = set()
        self._stopping = False
        self._exit_status = 0

    def run(self) -> int:
        """Start the workers, and return the exit status when all have ended, after a signal or for want of a store."""
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        signal.signal(signal.SIGHUP, self._reread)
        for _ in range(self._settings.server.workers):
            self._start()
        log.info("supervisor.started", pid=os.getpid(), workers=sorted(self._pids))
        self._output.flush()
        while self._pids:
            pid, status = os.wait()
            self._pids.discard(pid)
            if os.waitstatus_to_exitcode(status) == STORE_UNUSABLE:
                self._exit_status = 1
                self._stop()
            elif not self._stopping:
                log.error("supervisor.worker_died", worker=pid, status=os.waitstatus_to_exitcode(status))
                time.sleep(RESTART_S)
                self._start()
        return self._exit_status

    def _start(self) -> None:
        """Fork one worker.  A signal waits until it is known, and no longer takes itself for the supervisor."""
        self._output.flush()  # or the child would write it again
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        if not self._stopping:
            pid = os.fork()
            if pid == 0:
                self._work()
            self._pids.add(pid)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    def _work(self) -> None:
        """Be a worker, to the end of the process.  Of Ctrl-C, which every process hears, the supervisor alone tells."""
        os.close(self._own_end)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        status = 1
        try:
            run_worker(self._settings, self._sockets, self._reload, self._lifeline)
            status = 0
        except StoreUnusable as error:
            status = STORE_UNUSABLE
            log.error("supervisor.store_unusable", reason=error.strerror)  # noqa: TRY400 - the line says it all
        finally:
            self._output.flush()
            os._exit(status)

    def _stop(self, _number: int = signal.SIGTERM, _frame: object = None) -> None:
        """Pass it on; and let go of the sockets, or connections would still be taken that no worker accepts."""
        self._stopping = True
        close(self._sockets)
        self._tell(signal.SIGTERM)

    def _reread(self, number: int, _frame: object) -> None:
        """Have the workers read the configuration again, unless it is broken; one that is started later has it too."""
        try:
            self._settings = self._reload()
        except ConfigError as error:
            log.error("config.refused", problems=error.lines)  # noqa: TRY400 - the lines say it all
            return
        self._tell(number)

    def _tell(self, number: int) -> None:
        for pid in self._pids:
            os.kill(pid, number)
