"""Health: does the loop turn, is the daemon ready, how is it.  No key is asked for, and no slot waited for."""

from aiohttp import web

from proxy import __version__
from proxy.server.keys import GATEWAY
from proxy.server.models import json_answer
from statechart.model import MODEL


async def livez(_request: web.Request) -> web.Response:
    """The loop turns."""
    return json_answer({"status": "ok"})


async def readyz(request: web.Request) -> web.Response:
    """Listening, and not going down; and how the logins of upstreams are, which a caller can't mend by going away."""
    gateway = request.app[GATEWAY]
    told: dict[str, object] = {"status": "draining" if gateway.draining else "ok"}
    credentials = {
        name: health.credential_state for name, health in gateway.healths.items() if health.credential_state is not None
    }
    if credentials:
        told["credentials"] = credentials
    return json_answer(told, 503 if gateway.draining else 200)


async def health(request: web.Request) -> web.Response:
    """A summary: status, version, chart, live requests, upstreams."""
    gateway = request.app[GATEWAY]
    return json_answer(
        {
            "status": "draining" if gateway.draining else "ok",
            "version": __version__,
            "chart": MODEL.hash,
            "live": len(gateway.live),
            "upstreams": [
                {"name": name, "kind": upstream.kind, "state": gateway.healths[name].state}
                for name, upstream in gateway.upstreams.items()
            ],
        }
    )
