"""The bodies of the calls to the site."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from proxy.wire.qwen.telling import Telling
from proxy.wire.request import JsonObject, encode_json

_CHAT_TYPE = "t2t"


@dataclass(frozen=True, slots=True)
class BodyStyle:
    """What all completions of an upstream have in common.

    *inline_system*: system text goes at the head of the first user text, and not into a message of its own.
    *extra_body* is merged over the body, *feature_config* over that of every message.
    """

    chat_mode: str
    inline_system: bool = False
    extra_body: Mapping[str, Any] = field(default_factory=dict)
    feature_config: Mapping[str, Any] = field(default_factory=dict)


def new_chat_body(*, title: str, model: str, chat_mode: str, now_s: float) -> bytes:
    """Create a chat; here, and only here, the time is in milliseconds."""
    return encode_json(
        {
            "title": title,
            "models": [model],
            "chat_mode": chat_mode,
            "chat_type": _CHAT_TYPE,
            "timestamp": int(now_s * 1000),
        }
    )


def stop_body(chat_id: str, response_id: str | None) -> bytes:
    """Stop an answer."""
    return encode_json({"chat_id": chat_id, "response_id": response_id})


def completion_body(
    style: BodyStyle,
    told: Telling,
    *,
    chat_id: str,
    parent_id: str | None,
    model: str,
    stream: bool,
    thinks: bool,
    now_s: float,
    make_uuid: Callable[[], str],
) -> bytes:
    """Ask for an answer to what is *told*, under the node *parent_id*, or in a chat that has none yet."""
    system, user = told
    if system and style.inline_system:
        system, user = "", f"{system}\n\n{user}"

    def message(role: str, content: str, parent: str | None) -> JsonObject:
        configured = {"thinking_enabled": thinks, "output_schema": "phase", **style.feature_config}
        return _message(role, content, parent, fid=make_uuid(), model=model, now_s=now_s, feature_config=configured)

    messages = [message("system", system, None)] if system else []
    messages.append(message("user", user, parent_id))
    return encode_json(
        {
            "stream": stream,
            "incremental_output": True,
            "chat_id": chat_id,
            "chat_mode": style.chat_mode,
            "model": model,
            "parent_id": parent_id,
            "messages": messages,
            "timestamp": int(now_s),
            **style.extra_body,
        }
    )


def _message(
    role: str, content: str, parent: str | None, *, fid: str, model: str, now_s: float, feature_config: JsonObject
) -> JsonObject:
    return {
        "fid": fid,
        "parentId": parent,
        "parent_id": parent,
        "childrenIds": [],
        "role": role,
        "content": content,
        "user_action": "chat",
        "files": [],
        "timestamp": int(now_s),
        "models": [model],
        "chat_type": _CHAT_TYPE,
        "sub_chat_type": _CHAT_TYPE,
        "feature_config": feature_config,
        "extra": {"meta": {"subChatType": _CHAT_TYPE}},
    }
