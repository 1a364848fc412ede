"""codex: an agent process, `codex app-server`, as a chat model."""

from proxy.upstreams.codex.upstream import CodexUpstream

__all__ = ["CodexUpstream"]
