"""The kinds of upstream: one file, or folder, and one row each."""

from collections.abc import Callable, Mapping
from typing import Any

from proxy.config import Settings
from proxy.deadline import Clock
from proxy.ports import Upstream
from proxy.upstreams.openai import OpenAIUpstream
from proxy.upstreams.scripted import ScriptedUpstream

KINDS: Mapping[str, Callable[[Any, Settings, Clock], Upstream]] = {
    "openai": OpenAIUpstream.configured,
    "scripted": ScriptedUpstream.configured,
}
"""How an upstream of each kind is made from its configuration."""


def build_upstreams(settings: Settings, clock: Clock) -> dict[str, Upstream]:
    """Every configured upstream, by name."""
    return {entry.name: KINDS[entry.kind](entry, settings, clock) for entry in settings.upstreams}
