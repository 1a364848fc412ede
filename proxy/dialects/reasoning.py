"""Reasoning alone: for answers in which no calls are looked for, but `<think>` tags are."""

from proxy.dialects.reader import Mismatch, Steps
from proxy.dialects.scanner import Scanner


class ReasoningScanner(Scanner):
    """Finds no calls."""

    def candidate(self) -> Steps[None]:
        """Nothing is one."""
        yield from ()
        raise Mismatch
