"""Where an application keeps its gateway."""

from aiohttp import web

from proxy.server.gateway import Gateway

GATEWAY: web.AppKey[Gateway] = web.AppKey("gateway", Gateway)
