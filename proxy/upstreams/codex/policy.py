"""What codex is answered when it asks by itself: at once, and by what the operator allows."""

from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias

from proxy.wire.request import JsonObject

Approvals: TypeAlias = Literal["decline", "cancel", "accept"]

NO_TOOL: JsonObject = {"contentItems": [], "success": False}
"""The answer to a tool call of a turn that nobody waits for."""

_OLD_DECISIONS: Mapping[Approvals, str] = {"decline": "abort", "cancel": "abort", "accept": "approved"}


def _decision(approvals: Approvals, _params: JsonObject, _wall_s: float) -> JsonObject:
    return {"decision": approvals}


def _old_decision(approvals: Approvals, _params: JsonObject, _wall_s: float) -> JsonObject:
    return {"decision": _OLD_DECISIONS[approvals]}


def _permissions(approvals: Approvals, params: JsonObject, _wall_s: float) -> JsonObject:
    asked = params.get("permissions")
    granted = asked if approvals == "accept" and isinstance(asked, dict) else {}
    return {"permissions": granted, "scope": "turn"}


ANSWERS: Mapping[str, Callable[[Approvals, JsonObject, float], JsonObject]] = {
    "item/commandExecution/requestApproval": _decision,
    "item/fileChange/requestApproval": _decision,
    "item/permissions/requestApproval": _permissions,
    "item/tool/requestUserInput": lambda _approvals, _params, _wall_s: {"answers": {}},
    "mcpServer/elicitation/request": lambda _approvals, _params, _wall_s: {
        "action": "decline",
        "content": None,
        "_meta": None,
    },
    "currentTime/read": lambda _approvals, _params, wall_s: {"currentTimeAt": int(wall_s)},
    "applyPatchApproval": _old_decision,
    "execCommandApproval": _old_decision,
}
"""Requests that have an answer; any other, tokens and attestations among them, is a method that is not found."""
