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


async def drain(gateway: Gateway, runner: web.AppRunner, insisted: asyncio.Event) -> None:
    """Let live requests run on for `drain_s` seconds, then end them.  A second signal ends the patience."""
    drain_s = gateway.settings.server.drain_s
    gateway.draining = True
    log.info("drain.started", live=len(gateway.live), drain_s=drain_s)
    linger_s = min(LINGER_S, drain_s)
    await until_idle(gateway, linger_s, insisted)
    for site in list(runner.sites):
        await site.stop()
    gateway.refuse()
    await until_idle(gateway, drain_s - linger_s, insisted)
    if gateway.live:
        log.warning("drain.cutting", live=len(gateway.live))
        gateway.cut()
        await until_idle(gateway, CUT_S, asyncio.Event())


async def until_idle(gateway: Gateway, seconds: float, insisted: asyncio.Event) -> None:
    """Wait until nothing is live, *seconds* are over, or somebody insists; say every now and then how many are left."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    report = loop.time() + REPORT_S
    while gateway.live and not insisted.is_set() and (left := end - loop.time()) > 0:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(insisted.wait(), min(TICK_S, left))
        if loop.time() >= report:
            report += REPORT_S
            log.info("drain.waiting", live=len(gateway.live))
