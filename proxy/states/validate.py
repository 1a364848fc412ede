"""validate: read the body under its limits, decode it, check every field, pick the model entry."""

from proxy.errors import ShuttingDown
from proxy.exchange import Exchange
from proxy.ports import Ports
from proxy.wire.answer import Surface
from proxy.wire.request import (
    ModelRules,
    check_chat,
    check_content_encoding,
    check_content_type,
    completions_to_chat,
    control_headers,
    decode_body,
    delivery,
    model_of,
    session_id,
)
from statechart.vocabulary import Event

UNKNOWN_MODEL_RULES = ModelRules(openai=True, require_user=False)
"""What holds for every model; the rest of a request for a model that nobody serves does not matter."""


async def validate(x: Exchange, ports: Ports) -> Event:
    """Turn bytes into a checked request.

    A model that nobody serves is not told here: callers whose key is unknown are not to learn which models exist.
    """
    headers = x.client.head.headers
    if ports.lifecycle.refusing:
        raise ShuttingDown
    ports.gate.check_room()
    check_content_type(headers.getall("content-type", ()))
    check_content_encoding(headers.getall("content-encoding", ()))
    x.deadline.start("body", ports.clocks.body)
    raw = await x.client.read_body(ports.limits.max_body_bytes)
    x.deadline.stop("body")
    x.received_s = ports.clock.now()

    body = decode_body(raw)
    if x.surface is Surface.COMPLETIONS:
        body = completions_to_chat(body)
    x.route = ports.catalog.find(model_of(body))
    x.request = check_chat(body, x.route.rules if x.route else UNKNOWN_MODEL_RULES)
    for check in x.route.checks if x.route else ():
        x.override = check(x.request, headers) or x.override
    if ports.allow_header_overrides:
        x.asked_controls = control_headers(headers)
    x.session_id = session_id(headers.getall("x-session-id", ())) or x.request.session_id
    configured = x.route.candidates[0].entry.delivery if x.route else "live"
    x.assured = (delivery(headers.getall("x-delivery", ())) or configured) == "assured"
    return Event.VALIDATED
