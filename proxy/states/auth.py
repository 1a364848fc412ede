"""auth: who is calling, may they use this model, is there room for them."""

from proxy.credentials import passed_token
from proxy.errors import ModelNotAllowed, ModelNotFound
from proxy.exchange import Exchange
from proxy.ports import Ports
from proxy.wire.request import presented_key, printable
from statechart.vocabulary import Event


async def auth(x: Exchange, ports: Ports) -> Event:
    """Know the caller, tell them about the model, count them, then wait for a slot under the clock `queue`."""
    headers = x.client.head.headers
    key = presented_key(headers.getall("authorization", ()), headers.getall("x-api-key", ()))
    x.caller = ports.gate.identify(key)
    asked = x.request.model
    if x.route is None:
        raise ModelNotFound(f"The model '{printable(asked)}' does not exist.", param="model")
    if not (x.caller.may_use(asked) or x.caller.may_use(x.route.candidates[0].model_id)):
        raise ModelNotAllowed(param="model")
    if x.route.passed_header:
        x.caller = x.caller.with_passed(passed_token(headers, x.route.passed_header))
    x.on_end(ports.gate.limit(x.caller))
    x.deadline.start("queue", ports.clocks.queue)
    x.on_end(await ports.gate.admit())
    x.deadline.stop("queue")
    return Event.AUTHORIZED
