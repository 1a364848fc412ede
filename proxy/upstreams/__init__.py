"""The kinds of upstream: one file, or folder, and one row each."""

from collections.abc import Callable, Mapping
from typing import Any

from proxy.config import Settings
from proxy.deadline import Clock
from proxy.ports import Upstream
from proxy.upstreams.codex import CodexUpstream
from proxy.upstreams.mix import MixUpstream
from proxy.upstreams.openai import OpenAIUpstream
from proxy.upstreams.qwen import QwenUpstream
from proxy.upstreams.scripted import ScriptedUpstream

KINDS: Mapping[str, Callable[[Any, Settings, Clock], Upstream]] = {
    "codex": CodexUpstream.configured,
    "mix": MixUpstream.configured,
    "openai": OpenAIUpstream.configured,
    "qwen": QwenUpstream.configured,
    "scripted": ScriptedUpstream.configured,
}
"""How an upstream of each kind is made from its configuration."""


def build_upstreams(settings: Settings, clock: Clock, given: Mapping[str, Upstream]) -> dict[str, Upstream]:
    """Every configured upstream, by name; one that is *given* under that name is not made."""
    return {
        entry.name: given[entry.name] if entry.name in given else KINDS[entry.kind](entry, settings, clock)
        for entry in settings.upstreams
    }
