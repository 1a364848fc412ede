"""The handshake with a codex process, and the probe of what it can do."""

from collections.abc import Sequence

from proxy import __version__
from proxy.upstreams.child import RpcPeer, RpcRefused, Unsupported
from proxy.upstreams.codex.faults import text_in
from proxy.wire.request import JsonObject

TOO_OLD = "codex_too_old"
UNWANTED = (
    "thread/started",
    "thread/status/changed",
    "thread/readState/changed",
    "account/rateLimits/updated",
    "remoteControl/status/changed",
)
PROBE_TOOL: JsonObject = {
    "type": "function",
    "name": "probe",
    "description": "",
    "inputSchema": {"type": "object", "properties": {}},
}
PROBE_ITEM: JsonObject = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "probe"}]}


async def greet(peer: RpcPeer, work: str) -> bool:
    """Introduce ourselves; whether it can be a plain chat model.

    Old versions ignore what they do not know without a word, so the echo of what was asked is the proof.  Raises
    `Unsupported` for one that is older than that.
    """
    await peer.call(
        "initialize",
        {
            "clientInfo": {"name": "turnstile", "title": "Turnstile", "version": __version__},
            "capabilities": {
                "experimentalApi": True,
                "requestAttestation": False,
                "optOutNotificationMethods": list(UNWANTED),
            },
        },
    )
    peer.notify("initialized")
    try:
        thread = await start_thread(peer, work, model="default", instructions="", tools=[PROBE_TOOL], ephemeral=True)
    except RpcRefused as refused:
        if "unknown variant" in refused.message:
            raise Unsupported(TOO_OLD) from refused
        raise
    thread_id = text_in(thread, "id")
    alone = thread.get("ephemeral") is True and thread.get("environments") == []
    able = alone and await takes_items(peer, thread_id)
    await peer.call("thread/unsubscribe", {"threadId": thread_id})
    return able


async def takes_items(peer: RpcPeer, thread_id: str) -> bool:
    """Whether a history can be told as what it is."""
    try:
        await peer.call("thread/inject_items", {"threadId": thread_id, "items": [PROBE_ITEM]})
    except RpcRefused:
        return False
    return True


async def start_thread(
    peer: RpcPeer, work: str, *, model: str, instructions: str, tools: Sequence[JsonObject], ephemeral: bool
) -> JsonObject:
    """Begin a thread: without built-in instructions, environment, approvals or access to anything.

    An omitted `baseInstructions` would mean the coding agent's own, an omitted `environments` this host.
    """
    result = await peer.call(
        "thread/start",
        {
            "model": model,
            "cwd": work,
            "approvalPolicy": "never",
            "sandbox": "read-only",
            "ephemeral": ephemeral,
            "environments": [],
            "experimentalRawEvents": True,
            "baseInstructions": instructions,
            "dynamicTools": list(tools),
        },
    )
    thread = result.get("thread")
    return thread if isinstance(thread, dict) else {}
