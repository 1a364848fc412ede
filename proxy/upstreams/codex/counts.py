"""Token counts, as codex tells them of each of a model's responses."""

from dataclasses import dataclass

from proxy.wire.events import StreamEvent, Usage


@dataclass(slots=True)
class Counts:
    """The counts of all the responses of a model within one answer, summed."""

    seen: bool = False
    input: int = 0
    output: int = 0
    total: int = 0
    cached: int = 0
    reasoning: int = 0

    def add(self, told: object) -> None:
        """One more response."""
        if not isinstance(told, dict):
            return

        def number(name: str) -> int:
            value = told.get(name)
            return value if isinstance(value, int) else 0

        self.seen = True
        self.input += number("inputTokens")
        self.output += number("outputTokens")
        self.total += number("totalTokens")
        self.cached += number("cachedInputTokens")
        self.reasoning += number("reasoningOutputTokens")

    def event(self) -> list[StreamEvent]:
        """The sum, if anything was told."""
        if not self.seen:
            return []
        prompt, completion = {"cached_tokens": self.cached}, {"reasoning_tokens": self.reasoning}
        return [Usage(self.input, self.output, self.total, prompt, completion)]
