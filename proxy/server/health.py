"""Health: does the loop turn, is the daemon ready, how is it.  No key is asked for, and no slot waited for."""

from aiohttp import web

from proxy import __version__
from proxy.server.gateway import Gateway
from proxy.server.keys import GATEWAY
from proxy.server.models import json_answer
from statechart.model import MODEL


async def livez(_request: web.Request) -> web.Response:
    """The loop turns."""
    return json_answer({"status": "ok"})


async def readyz(request: web.Request) -> web.Response:
    """Listening, and not going down; and what is not well, though sending callers away would not mend it.

    That is a store that another stands in for, which all instances would be without, and the logins of upstreams.
    """
    gateway = request.app[GATEWAY]
    told: dict[str, object] = {"status": status_of(gateway)}
    if credentials := credentials_of(gateway):
        told["credentials"] = credentials
    required = gateway.settings.session.require_store and gateway.records.degraded
    return json_answer(told, 503 if gateway.draining or required else 200)


def status_of(gateway: Gateway) -> str:
    """`ok`, `degraded` while another store stands in, or `draining`."""
    if gateway.draining:
        return "draining"
    return "degraded" if gateway.records.degraded else "ok"


def credentials_of(gateway: Gateway) -> dict[str, str]:
    """How the logins of upstreams are, where they are not settled by the configuration."""
    states = {name: health.credential_state for name, health in gateway.healths.items()}
    return {name: state for name, state in states.items() if state is not None}


async def health(request: web.Request) -> web.Response:
    """A summary: status, version, chart, live requests, the store of conversations, upstreams."""
    gateway = request.app[GATEWAY]
    credentials = credentials_of(gateway)
    return json_answer(
        {
            "status": status_of(gateway),
            "version": __version__,
            "chart": MODEL.hash,
            "live": len(gateway.live),
            "store": "degraded" if gateway.records.degraded else "ok",
            "upstreams": [
                {"name": name, "kind": upstream.kind, "state": gateway.healths[name].state}
                | ({"credential": credentials[name]} if name in credentials else {})
                for name, upstream in gateway.upstreams.items()
            ],
        }
    )
