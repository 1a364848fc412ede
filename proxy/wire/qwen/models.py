"""The site's list of models."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from proxy.errors import UpstreamProtocolError
from proxy.wire.qwen.faults import Clean, fault_told, tells_fault
from proxy.wire.upstream.json_text import decode_object

_CHAT_TYPE = "t2t"
_MAX_ID_CHARS = 256


class SiteModel(NamedTuple):
    """A model that the site offers; None for what it does not say."""

    id: str
    owned_by: str
    created: int | None
    context_window_tokens: int | None
    max_output_tokens: int | None


def read_models(body: bytes, *, guest: bool, clean: Clean) -> list[SiteModel]:
    """Read the models that chats can be held with, as a *guest* only those for visitors; raises typed errors."""
    told = decode_object(body)
    if told is not None and tells_fault(told):
        raise fault_told(told, clean=clean)
    listed = told.get("data") if told is not None else None
    if type(listed) is not list:
        raise UpstreamProtocolError(detail="a list of models without `data`")
    found = [_model(each, guest=guest) for each in listed if type(each) is dict]
    return [model for model in found if model is not None]


def _model(told: Mapping[str, Any], *, guest: bool) -> SiteModel | None:
    model_id: Any = told.get("id")
    info = _object(told.get("info"))
    meta = _object(info.get("meta"))
    kinds = meta.get("chat_type")
    usable = info.get("is_active") is True and (type(kinds) is not list or _CHAT_TYPE in kinds)
    if not _can_be_asked_for(model_id) or not usable or (guest and info.get("is_visitor_active") is not True):
        return None
    owner = told.get("owned_by")
    window = _count(meta.get("max_context_length"))
    output = _count(meta.get("max_generation_length"))
    return SiteModel(
        id=model_id,
        owned_by=owner if type(owner) is str and owner else "qwen",
        created=_count(info.get("created_at")),
        context_window_tokens=window,
        max_output_tokens=output if window is None or output is None or output <= window else None,
    )


def _can_be_asked_for(model_id: Any) -> bool:
    """Whether it is an id that a request can hold, and that means nothing else here."""
    return (
        type(model_id) is str
        and 0 < len(model_id) <= _MAX_ID_CHARS
        and model_id.isprintable()
        and model_id == model_id.strip()
        and "*" not in model_id
    )


def _object(value: Any) -> Mapping[str, Any]:
    return value if type(value) is dict else {}


def _count(value: Any) -> int | None:
    return value if type(value) is int and value > 0 else None
