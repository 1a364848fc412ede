"""Which persona a turn is for: the caller's word, else the configuration's."""

from typing import Any

from multidict import MultiMapping

from proxy.errors import RequestRejected
from proxy.wire.request import ChatRequest
from proxy.wire.request.values import ID_PATTERN, ID_RULE

HEADER = "x-persona-id"
EXCHANGE_HEADER = "x-exchange-id"
FIELDS = ("persona_id", "personaId")


def persona_of(request: ChatRequest, headers: MultiMapping[str], configured: str, *, allowed: bool) -> str:
    """The persona, "" for none.  Raises `RequestRejected` for one that is malformed, or that may not be named."""
    where, named = named_persona(request, headers)
    if named is None:
        return configured
    if not allowed:
        raise RequestRejected(
            f"Invalid '{where}': expected it left out with this model, got a value.",
            code="unsupported_parameter",
            param=where,
        )
    return checked(where, named)


def named_persona(request: ChatRequest, headers: MultiMapping[str]) -> tuple[str, Any]:
    """Where the caller names a persona, and which; None if nowhere."""
    sent = headers.getall(HEADER, ())
    if sent:
        return HEADER, sent[0] if len(sent) == 1 else ""
    for name in FIELDS:
        if request.body.get(name) is not None:
            return name, request.body[name]
    inner = request.body.get("request")
    return "request.persona_id", inner.get("persona_id") if type(inner) is dict else None


def check_exchange_id(headers: MultiMapping[str]) -> None:
    """Check an id that is never forwarded.  Raises `RequestRejected`."""
    sent = headers.getall(EXCHANGE_HEADER, ())
    if sent:
        checked(EXCHANGE_HEADER, sent[0] if len(sent) == 1 else "")


def checked(where: str, value: Any) -> str:
    """An id; what came is not repeated."""
    if type(value) is not str or not ID_PATTERN.fullmatch(value):
        raise RequestRejected(f"Invalid '{where}': expected {ID_RULE}, got something else.", param=where)
    return value
