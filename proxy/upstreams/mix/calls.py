"""An answer under way: streamed, or in one piece."""

from collections.abc import Callable, Sequence

from proxy.errors import TurnstileError, UpstreamOversize, UpstreamTruncated
from proxy.ports import EventSink, Node
from proxy.upstreams.http import HttpAnswer
from proxy.wire.events import StreamEvent
from proxy.wire.mix import Ids, MixReader

Hear = Callable[[TurnstileError], None]
NodeOf = Callable[[Ids], Node | None]


class StreamedCall:
    """An answer that comes as server-sent events; one read of the socket gives one list of events."""

    request_id = None  # the site's ids are secrets

    def __init__(self, answer: HttpAnswer, reader: MixReader, head: bytes, *, hear: Hear, node_of: NodeOf) -> None:
        self._answer = answer
        self._reader = reader
        self._head = head
        self._hear = hear
        self._node_of = node_of

    @property
    def node(self) -> Node | None:
        """Where the next turn goes on, if all was said."""
        return self._node_of(self._reader.ids) if self._reader.complete else None

    @property
    def complete(self) -> bool:
        """Whether the final events have been received."""
        return self._reader.complete

    @property
    def finishing(self) -> bool:
        """Whether only usage, ids or the end mark are still to come."""
        return self._reader.finishing

    async def receive(self) -> Sequence[StreamEvent]:
        """The events of the next read; a fault is raised after the events before it."""
        reader = self._reader
        self._raise()
        try:
            data, self._head = self._head or await self._answer.read(), b""
        except UpstreamTruncated:
            data = b""
        events = reader.feed(data) if data else reader.end()
        if not events:
            self._raise()
        return events

    async def flow(self, sink: EventSink) -> None:
        """Give the events to *sink*, read by read; see the port."""
        reader = self._reader
        self._raise()  # it came in one read with the events before it

        def take(data: bytes) -> bool:
            goes_on = sink(reader.feed(data))
            return goes_on and not (reader.complete or reader.finishing or reader.failure is not None)

        try:
            ended = await self._answer.flow(take)
        except UpstreamTruncated:
            ended = True
        if ended:
            sink(reader.end())
        self._raise()

    def settle(self) -> Sequence[StreamEvent]:
        """The final events, without waiting for usage any longer."""
        return self._reader.settle()

    def close(self) -> None:
        """Let go; unless the body was read to its end, the connection is closed."""
        self._answer.close()

    def _raise(self) -> None:
        failure = self._reader.failure
        if failure is not None:
            self._hear(failure)
            raise failure


class WholeCall:
    """An answer that comes as one JSON body."""

    request_id = None
    finishing = False

    def __init__(
        self,
        answer: HttpAnswer,
        read: Callable[[bytes, Ids], list[StreamEvent]],
        head: bytes,
        *,
        ids: Ids,
        max_answer_bytes: int,
        hear: Hear,
        node_of: NodeOf,
    ) -> None:
        self._answer = answer
        self._read = read
        self._head = head
        self._ids = ids
        self._max_answer_bytes = max_answer_bytes
        self._hear = hear
        self._node_of = node_of
        self.complete = False

    @property
    def node(self) -> Node | None:
        """Where the next turn goes on."""
        return self._node_of(self._ids) if self.complete else None

    async def receive(self) -> Sequence[StreamEvent]:
        """All events at once, when the body has come."""
        body = bytearray(self._head)
        while piece := await self._answer.read():
            body += piece
            if len(body) > self._max_answer_bytes:
                raise UpstreamOversize
        try:
            events = self._read(bytes(body), self._ids)
        except TurnstileError as error:
            self._hear(error)
            raise
        self.complete = True
        return events

    async def flow(self, sink: EventSink) -> None:
        """All at once is all there is."""
        sink(await self.receive())

    def settle(self) -> Sequence[StreamEvent]:
        """Nothing is ever left to settle."""
        return ()

    def close(self) -> None:
        """Let go; unless the body was read to its end, the connection is closed."""
        self._answer.close()
