"""GET /v1/models and /v1/models/{id}: what a key may use."""

import orjson
from aiohttp import web

from proxy.errors import ModelNotFound
from proxy.ports import Caller
from proxy.server.keys import GATEWAY
from proxy.wire.request import presented_key, printable


def caller_of(request: web.Request) -> Caller:
    """The caller behind a request's key."""
    key = presented_key(request.headers.getall("authorization", ()), request.headers.getall("x-api-key", ()))
    return request.app[GATEWAY].ports.gate.identify(key)


def json_answer(value: object, status: int = 200) -> web.Response:
    """A JSON body that is not to be stored."""
    return web.Response(
        status=status,
        body=orjson.dumps(value),
        headers={"Content-Type": "application/json", "Cache-Control": "no-store"},
    )


async def list_models(request: web.Request) -> web.Response:
    """The models that the key may use, in configured order; then what upstreams offer by themselves."""
    caller = caller_of(request)
    gateway = request.app[GATEWAY]
    await gateway.settle_offers()
    return json_answer({"object": "list", "data": gateway.ports.catalog.listing(caller)})


async def show_model(request: web.Request) -> web.Response:
    """One model; its id may contain slashes, plain or percent-encoded."""
    caller = caller_of(request)
    model_id = request.match_info["id"].removesuffix("/")
    shown = request.app[GATEWAY].ports.catalog.show(model_id, caller)
    if shown is None:
        raise ModelNotFound(f"The model '{printable(model_id)}' does not exist.", param="model")
    return json_answer(shown)
