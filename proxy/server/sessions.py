"""GET and DELETE /v1/sessions: the conversations of whoever asks, and nobody else's."""

from aiohttp import web

from proxy.errors import SessionNotFound, SessionStoreUnavailable
from proxy.server.gateway import Gateway
from proxy.server.keys import GATEWAY
from proxy.server.models import caller_of, json_answer
from proxy.sessions.identity import owner_of
from proxy.sessions.keys import session_key
from proxy.sessions.listing import conversation, conversations
from proxy.sessions.store import StoreFailed
from proxy.wire.request import printable


async def list_sessions(request: web.Request) -> web.Response:
    """The caller's conversations, the last used first."""
    gateway, partition = asked_of(request)
    try:
        found = await conversations(gateway.records, partition)
    except StoreFailed as failed:
        raise SessionStoreUnavailable(retry_after_s=1.0) from failed
    return json_answer({"object": "list", "data": [each.told() for each in found]})


async def show_session(request: web.Request) -> web.Response:
    """One of them."""
    gateway, partition = asked_of(request)
    session_id = request.match_info["id"]
    try:
        found = await conversation(gateway.records, partition, session_id)
    except StoreFailed as failed:
        raise SessionStoreUnavailable(retry_after_s=1.0) from failed
    if found is None:
        raise SessionNotFound(f"There is no conversation '{printable(session_id)}'.")
    return json_answer(found.told())


async def delete_session(request: web.Request) -> web.Response:
    """Forget one of them; what the upstream keeps of it is the upstream's."""
    gateway, partition = asked_of(request)
    session_id = request.match_info["id"]
    try:
        deleted = await gateway.records.delete(partition, session_key(partition, session_id))
    except StoreFailed as failed:
        raise SessionStoreUnavailable(retry_after_s=1.0) from failed
    if not deleted:
        raise SessionNotFound(f"There is no conversation '{printable(session_id)}'.")
    return json_answer({"id": session_id, "object": "session.deleted", "deleted": True})


async def delete_sessions(request: web.Request) -> web.Response:
    """Forget all of them."""
    gateway, partition = asked_of(request)
    try:
        deleted = await gateway.records.delete(partition, None)
    except StoreFailed as failed:
        raise SessionStoreUnavailable(retry_after_s=1.0) from failed
    return json_answer({"object": "session.deleted", "deleted": deleted})


def asked_of(request: web.Request) -> tuple[Gateway, str]:
    """The gateway, and the partition of whoever asks; the end user is named as in a chat, a field in the query."""
    gateway = request.app[GATEWAY]
    settings = gateway.settings.session
    owner = owner_of(settings, caller_of(request), request.headers, request.query.get("user"))
    return gateway, owner.partition
