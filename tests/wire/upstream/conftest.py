"""What the tests of upstream answers share: a stream played to a reader, and all that can be seen of it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import orjson
import pytest

from proxy.errors import TurnstileError
from proxy.wire.events import (
    ChoiceExtras,
    Finished,
    Opened,
    ReasoningDelta,
    RefusalDelta,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from proxy.wire.upstream import ChunkReader


@dataclass(frozen=True)
class Outcome:
    """What came of an answer: its events, and how it ended."""

    events: Sequence[StreamEvent]
    failure: TurnstileError | None = None
    complete: bool = True
    finishing: bool = False
    had_events: bool = True
    anomalies: dict[str, int] | None = None

    @property
    def text(self) -> str:
        return "".join(event.text for event in self.events if isinstance(event, TextDelta))

    @property
    def reasoning(self) -> str:
        return "".join(event.text for event in self.events if isinstance(event, ReasoningDelta))

    @property
    def refusal(self) -> str:
        return "".join(event.text for event in self.events if isinstance(event, RefusalDelta))

    @property
    def finish(self) -> list[str]:
        return [event.reason for event in self.events if isinstance(event, Finished)]

    @property
    def usage(self) -> list[tuple[int, int, int]]:
        return [event[:3] for event in self.events if isinstance(event, Usage)]

    @property
    def ids(self) -> list[dict[str, str]]:
        return [event.ids for event in self.events if isinstance(event, Opened)]

    @property
    def extras(self) -> list[Any]:
        kinds = TextDelta | ReasoningDelta | RefusalDelta | ToolCallDelta | ChoiceExtras
        return [event.extras for event in self.events if isinstance(event, kinds)]

    @property
    def calls(self) -> list[tuple[str, str, str]]:
        """Id, name and joined arguments of each call of choice 0, by index; an index out of order is an error here."""
        calls: list[tuple[str, str, str]] = []
        for event in self.events:
            if isinstance(event, ToolCallDelta) and event.choice == 0:
                if event.id is not None:
                    assert event.index == len(calls)
                    calls.append((event.id, event.name or "", event.arguments))
                else:
                    call_id, name, arguments = calls[event.index]
                    calls[event.index] = (call_id, name, arguments + event.arguments)
        return calls


@pytest.fixture
def make_call_id() -> Callable[[], str]:
    """Ids `made_0`, `made_1`, …: anew for each answer that asks."""
    numbers = count()
    return lambda: f"made_{next(numbers)}"


def frames(items: Sequence[Any]) -> bytes:
    """Chunks as events; strings are data as they are, bytes stand outside of events."""

    def each() -> Iterator[bytes]:
        for item in items:
            yield (
                item
                if isinstance(item, bytes)
                else b"data: %b\n\n" % (item.encode() if isinstance(item, str) else orjson.dumps(item))
            )

    return b"".join(each())


@pytest.fixture
def play() -> Callable[..., Outcome]:
    """Play chunks (objects), data (strings) or raw bytes to a reader, then the end of bytes unless *eof* is False."""

    def run(
        *items: Any, eof: bool = True, cuts: Sequence[int] = (), max_event_bytes: int = 1 << 22, **options: Any
    ) -> Outcome:
        numbers = count()
        reader = ChunkReader(max_event_bytes=max_event_bytes, make_call_id=lambda: f"made_{next(numbers)}", **options)
        stream = frames(items)
        events: list[StreamEvent] = []
        for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True):
            events += reader.feed(stream[start:stop])
        if eof:
            events += reader.end()
        return Outcome(
            events, reader.failure, reader.complete, reader.finishing, reader.had_events, dict(reader.anomalies)
        )

    return run


@pytest.fixture
def as_outcome() -> Callable[[Sequence[StreamEvent]], Outcome]:
    """Look at events as at those of a stream that was played."""
    return Outcome
