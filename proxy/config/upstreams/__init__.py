"""`[[upstreams]]`: the backends.  A kind is one file here, and one row in the table."""

from typing import Annotated, Any, TypeAlias

from pydantic import PlainValidator, ValidationInfo

from proxy.config.problems import kind_of, nearest, problem, problems, shown
from proxy.config.upstreams.base import UpstreamBase
from proxy.config.upstreams.codex import CodexCredential, CodexUpstream
from proxy.config.upstreams.credential import Credential
from proxy.config.upstreams.dynamic import Dynamic
from proxy.config.upstreams.mix import LabelTable, MixUpstream
from proxy.config.upstreams.openai import OpenAIUpstream
from proxy.config.upstreams.qwen import QwenCredential, QwenUpstream
from proxy.config.upstreams.scripted import ScriptedUpstream

__all__ = [
    "KINDS",
    "CodexCredential",
    "CodexUpstream",
    "Credential",
    "Dynamic",
    "LabelTable",
    "MixUpstream",
    "OpenAIUpstream",
    "QwenCredential",
    "QwenUpstream",
    "ScriptedUpstream",
    "Upstream",
    "UpstreamBase",
]

KINDS: dict[str, type[UpstreamBase]] = {
    "codex": CodexUpstream,
    "mix": MixUpstream,
    "openai": OpenAIUpstream,
    "qwen": QwenUpstream,
    "scripted": ScriptedUpstream,
}
"""The kinds of upstream, by name."""


def _upstream(value: Any, info: ValidationInfo) -> Any:
    if isinstance(value, UpstreamBase):
        return value
    if not isinstance(value, dict):
        raise problem(f"expected a table, got {kind_of(value)}")
    kind = value.get("kind", UpstreamBase.model_fields["kind"].default)
    if not isinstance(kind, str) or kind not in KINDS:
        known = nearest(kind, KINDS, of="kinds") if isinstance(kind, str) else f"kinds: {', '.join(KINDS)}"
        raise problems("upstream", [(("kind",), f"unknown kind {shown(kind)}; {known}")])
    return KINDS[kind].model_validate(value, context=info.context)


Upstream: TypeAlias = Annotated[
    CodexUpstream | MixUpstream | OpenAIUpstream | QwenUpstream | ScriptedUpstream, PlainValidator(_upstream)
]
