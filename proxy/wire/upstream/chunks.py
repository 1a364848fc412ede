"""A streamed Chat Completions answer: bytes to events, whatever the bytes' cuts."""

from collections import Counter
from collections.abc import Callable, Iterable

from proxy.errors import TurnstileError, UpstreamDisconnected, UpstreamEmptyAnswer, UpstreamTruncated
from proxy.wire.events import ReasoningDelta, StreamEvent, TextDelta
from proxy.wire.upstream.answer import Answer
from proxy.wire.upstream.payloads import Payload, PayloadReader
from proxy.wire.upstream.reading import Anomaly, CredentialMode, PieceMode, Reading
from proxy.wire.upstream.template import Shape, Template


class ChunkReader:
    """Reads the event stream of one answer.

    Each read is given to `feed`, the end of bytes to `end`; both give the events that follow, and never raise.  What
    went wrong is in `failure`, to be raised after the events before it were passed on.  The answer is whole when
    `complete`: the final events (`Usage` if known, then `Finished` for each choice) were given.  While `finishing` they
    are held back, though every choice has a finish reason: usage or the end mark should follow at once, and `settle`
    gives the final events when they don't.
    """

    __slots__ = (
        "_anomalies",
        "_answer",
        "_max_event_bytes",
        "_payloads",
        "_shape",
        "_template",
        "complete",
        "failure",
        "finishing",
    )

    def __init__(
        self,
        *,
        max_event_bytes: int,
        make_call_id: Callable[[], str],
        n: int = 1,
        text: PieceMode = "delta",
        arguments: PieceMode = "delta",
        think_tags: bool = False,
        credential: CredentialMode = "static",
    ) -> None:
        self.failure: TurnstileError | None = None
        self.complete = False
        self.finishing = False
        self._anomalies: Counter[str] = Counter()
        self._max_event_bytes = max_event_bytes
        self._payloads = PayloadReader(max_event_bytes)
        reading = Reading(make_call_id, n, text, arguments, think_tags, credential)
        self._answer = Answer(reading, self._anomalies)
        self._template: Template | None = None  # as long as nothing else has come
        self._shape: Shape | None = None  # of the last plain chunk

    @property
    def had_events(self) -> bool:
        """Whether anything but silence has come: an event of any kind, or a comment."""
        return self._payloads.begun

    @property
    def anomalies(self) -> Counter[str]:
        """What was put right or passed over so far, by `Anomaly`."""
        return self._anomalies + Counter({Anomaly.NOISE: self._payloads.noise})

    def feed(self, data: bytes) -> list[StreamEvent]:
        """Give the events of one read."""
        if self._template is not None:
            event = self._template.read(data)
            if event is not None:
                return [event]
            self._template = None  # whatever this is, it may change what comes after it
        events: list[StreamEvent] = []
        if self.failure is not None:
            return events
        lone = None if self.complete else self._payloads.lone(data)
        if lone is None:
            self._take(self._payloads.feed(data), events)
        elif event := self._answer.take_plain(lone):
            self._learn(data, event)
            return [event]
        else:
            self._take([(lone, "")], events)
        return events

    def end(self) -> list[StreamEvent]:
        """The bytes have ended, cleanly or not: give the final events, or set `failure`."""
        events: list[StreamEvent] = []
        if self.failure is not None:
            return events
        self._take(self._payloads.end(), events)
        if self.finishing:
            events += self.settle()
        elif not self.complete and self.failure is None:
            self.failure = self._cut_off()
        return events

    def settle(self) -> list[StreamEvent]:
        """Give the final events of an answer that is `finishing`, and nothing for any other."""
        events: list[StreamEvent] = []
        if self.finishing:
            self.finishing = False
            try:
                self._answer.settle(events)
                self.complete = True
            except TurnstileError as failure:
                self.failure = failure
        return events

    def _learn(self, piece: bytes, event: TextDelta | ReasoningDelta) -> None:
        """Make a template of *piece*, a plain chunk, if it has the shape of the last one, and the shape is right.

        It is if one with another text, made up here, is read as just that.
        """
        last, self._shape = self._shape, Shape.of(piece, event)
        if self._shape is None or self._shape != last:
            return
        made_up, meaning = self._shape.filled(event.text + "?")
        lone = self._payloads.lone(made_up)
        if lone is not None and self._answer.take_plain(lone) == meaning:
            self._template = Template(self._shape, self._max_event_bytes)

    def _take(self, payloads: Iterable[Payload], events: list[StreamEvent]) -> None:
        answer = self._answer
        try:
            for chunk, name in payloads:
                if self.complete:
                    self._anomalies[Anomaly.AFTER_END] += 1
                    continue
                answer.take({"error": chunk} if name == "error" and not chunk.get("error") else chunk, events)
                if answer.usage_last:
                    answer.settle(events)
                    self.complete = True
            if self._payloads.done and not self.complete:
                answer.end(events)
                self.complete = True
        except TurnstileError as failure:
            self.failure = failure
        if not self.complete and self.failure is None:
            self.failure = self._payloads.failure
        self.finishing = not self.complete and self.failure is None and answer.finished

    def _cut_off(self) -> TurnstileError:
        if not self.had_events:
            return UpstreamDisconnected()
        return UpstreamEmptyAnswer() if self._answer.empty else UpstreamTruncated()
