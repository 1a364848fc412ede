"""The base URL that a caller names for the call to its upstream."""

from multidict import MultiMapping

from proxy.errors import RequestRejected
from proxy.wire.request.chat import ChatRequest

HEADER = "x-upstream-base-url"


def named_base_url(request: ChatRequest, headers: MultiMapping[str]) -> str | None:
    """What stands in the header, else in the body; None if nothing does.

    Raises `RequestRejected` if the header comes twice.
    """
    values = headers.getall(HEADER, ())
    if len(values) > 1:
        raise RequestRejected(f"Invalid '{HEADER}': expected it once, got it repeated.", param="upstream_base_url")
    return (values[0].strip() if values else "") or request.upstream_base_url or None
