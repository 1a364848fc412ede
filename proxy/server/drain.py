"""Going down: first not ready, then not listening, then patient with what runs, then not."""

import asyncio
import contextlib

import structlog
from aiohttp import web

from proxy.server.gateway import Gateway

log = structlog.get_logger("turnstile.drain")

LINGER_S = 5.0  # how long new requests are still taken, for balancers that lag behind /readyz
REPORT_S = 5.0
CUT_S = 2.0  # for error frames to leave, and upstreams to be told
TICK_S = 0.05


async def drain(
    gateway: Gateway, runner: web.AppRunner, insisted: asyncio.Event, *, linger_s: float = LINGER_S
) -> None:
    """Let live requests run on for `drain_s` seconds, then end them.  A second signal ends the patience."""
    drain_s = gateway.settings.server.drain_s
    gateway.draining = True
    log.info("drain.started", live=len(gateway.live), drain_s=drain_s)
    linger_s = min(linger_s, drain_s)
    patience = Patience(gateway)
    await patience.wait(linger_s, insisted)
    for site in list(runner.sites):
        await site.stop()
    gateway.refuse()
    await patience.wait(drain_s - linger_s, insisted)
    if gateway.live:
        log.warning("drain.cutting", live=len(gateway.live))
        gateway.cut()
        await patience.wait(CUT_S, asyncio.Event())


class Patience:
    """Waits for live requests to end, and says every now and then how many are left."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._now = asyncio.get_running_loop().time
        self._report_at = self._now() + REPORT_S

    async def wait(self, seconds: float, insisted: asyncio.Event) -> None:
        """Wait until nothing is live, *seconds* are over, or somebody insists."""
        end = self._now() + seconds
        while self._gateway.live and not insisted.is_set() and (left_s := end - self._now()) > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(insisted.wait(), min(TICK_S, left_s))
            if self._now() >= self._report_at:
                self._report_at += REPORT_S
                log.info("drain.waiting", live=len(self._gateway.live))
