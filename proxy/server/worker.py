"""One worker process: an event loop, an application, signals, and an orderly end."""

import asyncio
import gc
import os
import signal
import socket
from collections.abc import Callable, Sequence

import structlog
import uvloop
from aiohttp import web

from proxy.clock import LoopClock
from proxy.config import ConfigError, Settings, changes_needing_restart
from proxy.server.app import build_app
from proxy.server.drain import LINGER_S, drain
from proxy.server.envelopes import Runner
from proxy.server.gateway import Gateway
from proxy.server.listening import where
from proxy.sessions.opening import open_store

log = structlog.get_logger("turnstile.worker")

GC_THRESHOLDS = (10_000, 5, 100)  # requests leave no cycles: collecting seldom saves CPU, and in small steps jitter
UNREAD_S = 1.0  # how long an unread rest of a refused body is drained, so that the refusal can be read
KEEPALIVE_S = 75.0  # above the 60 s after which nginx closes its idle connections: the side that sends closes first
MAX_HEADER_BYTES = 16 * 1024  # of one line; what nginx allows for all of its large buffers is more, for one less

Reload = Callable[[], Settings]


def run_worker(
    settings: Settings, sockets: Sequence[socket.socket], reload: Reload, lifeline: int | None = None
) -> None:
    """Serve on *sockets* until a signal ends it, or the end of the pipe *lifeline*, which a supervisor holds."""
    uvloop.run(serve_worker(settings, sockets, reload, lifeline))


async def serve_worker(
    settings: Settings, sockets: Sequence[socket.socket], reload: Reload, lifeline: int | None = None
) -> None:
    """Serve, and end in good order on SIGTERM or SIGINT; SIGHUP reads the configuration again.

    Raises `StoreUnusable`, before anything is served.
    """
    clock = LoopClock()
    records = open_store(settings.session, clock=clock, environ=os.environ)
    gateway = Gateway(settings, records=records, clock=clock)
    runner = Runner(
        build_app(gateway),
        lingering_time=UNREAD_S,
        keepalive_timeout=KEEPALIVE_S,
        max_line_size=MAX_HEADER_BYTES,
        max_field_size=MAX_HEADER_BYTES,
        auto_decompress=False,  # a compressed body is refused, whatever is in it
        shutdown_timeout=2.0,
    )
    stop = Stop()
    await runner.setup()
    stop.listen_to_signals(lambda: reread(gateway, reload))
    if lifeline is not None:
        stop.depend_on(lifeline)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    for sock in sockets:
        await web.SockSite(runner, sock).start()
    log.info("server.listening", url=where(sockets[0]), pid=os.getpid())
    try:
        await stop.asked.wait()
        await drain(gateway, runner, stop.insisted, linger_s=stop.linger_s)
    finally:
        await runner.cleanup()
        await gateway.close()
    log.info("server.stopped", pid=os.getpid(), accepted=gateway.accepted, ended=gateway.ended)


class Stop:
    """SIGTERM and SIGINT: the first asks, the second insists."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.insisted = asyncio.Event()
        self.linger_s = LINGER_S

    def listen_to_signals(self, on_hangup: Callable[[], None]) -> None:
        """Take over the signals of the process."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            if signal.getsignal(number) is not signal.SIG_IGN:
                loop.add_signal_handler(number, self.signalled)
        loop.add_signal_handler(signal.SIGHUP, on_hangup)

    def depend_on(self, lifeline: int) -> None:
        """Take the end of a pipe for a signal, too; the port is then given up at once, for whoever comes next."""
        loop = asyncio.get_running_loop()

        def ended() -> None:
            loop.remove_reader(lifeline)
            self.linger_s = 0.0
            self.signalled()

        loop.add_reader(lifeline, ended)

    def signalled(self) -> None:
        """One more signal."""
        (self.insisted if self.asked.is_set() else self.asked).set()


def reread(gateway: Gateway, reload: Reload) -> None:
    """Take the configuration as it is now; a broken one is refused with one line, and the old one stays."""
    try:
        settings = reload()
    except ConfigError as error:
        log.error("config.refused", problems=error.lines)  # noqa: TRY400 - the lines say it all
        return
    unchanged = changes_needing_restart(gateway.settings, settings)
    gateway.reload(settings)
    log.info("config.reloaded", needs_restart=unchanged)
