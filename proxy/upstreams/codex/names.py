"""Names of tools: those that codex refuses go under an alias, and come back under their own name."""

import hashlib
import re
from collections.abc import Iterable

MAX_CHARS = 64
HASH_CHARS = 8
PREFIX = "x_"

_TAKEN = re.compile(r"(?!mcp__)[A-Za-z0-9_-]{1,64}")
_ILLEGAL = re.compile(r"[^A-Za-z0-9_-]")


def alias_of(name: str) -> str:
    """The name under which a tool is told: its own wherever that is taken, the same alias every time elsewhere."""
    if _TAKEN.fullmatch(name):
        return name
    digest = hashlib.blake2b(name.encode(), digest_size=HASH_CHARS // 2).hexdigest()
    legal = _ILLEGAL.sub("_", name)[: MAX_CHARS - len(PREFIX) - HASH_CHARS - 1]
    return f"{PREFIX}{legal}_{digest}"


class ToolNames:
    """The tools of one request, by the names that the model sees."""

    def __init__(self, names: Iterable[str]) -> None:
        self._own = {alias_of(name): name for name in names}

    def own(self, told: str) -> str:
        """The caller's name for the tool that the model calls *told*."""
        return self._own.get(told, told)
