"""An answer under way: streamed, or in one piece."""

from collections.abc import Callable, Sequence

from proxy.errors import UpstreamTruncated
from proxy.ports import EventSink, Node
from proxy.upstreams.http import HttpAnswer
from proxy.upstreams.qwen.site import read_body
from proxy.wire.events import StreamEvent
from proxy.wire.qwen import AnswerIds, QwenReader, Whole

Stop = Callable[[str | None], None]
"""Tells the site to stop the answer of this `response_id`, in the background."""


def node_of(chat_id: str, ids: AnswerIds | None, tools_fp: str) -> Node | None:
    """What is kept of an answer, so that a next turn can continue it; None if no id of it came."""
    if ids is None or ids == AnswerIds(None, None):
        return None
    return {"chat_id": chat_id, "parent_id": ids.parent_id, "response_id": ids.response_id, "tools_fp": tools_fp}


class StreamedCall:
    """An answer that comes as server-sent events; one read of the socket gives one list of events.

    *stop* is called when it is let go of while the site is still at it.
    """

    def __init__(
        self, answer: HttpAnswer, reader: QwenReader, head: bytes, *, chat_id: str, tools_fp: str, stop: Stop | None
    ) -> None:
        self._answer = answer
        self._reader = reader
        self._head = head
        self._chat_id = chat_id
        self._tools_fp = tools_fp
        self._stop = stop

    @property
    def request_id(self) -> str | None:
        """The answer's own id there."""
        return self._reader.ids.response_id if self._reader.ids is not None else None

    @property
    def node(self) -> Node | None:
        """Where the next turn goes on, if all was said."""
        return node_of(self._chat_id, self._reader.ids, self._tools_fp) if self._reader.kept else None

    @property
    def complete(self) -> bool:
        """Whether the final events have been received."""
        return self._reader.complete

    @property
    def finishing(self) -> bool:
        """Whether only usage is still to come."""
        return self._reader.finishing

    async def receive(self) -> Sequence[StreamEvent]:
        """The events of the next read; a fault is raised after the events before it."""
        reader = self._reader
        if reader.failure is not None:
            raise reader.failure
        try:
            data, self._head = self._head or await self._answer.read(), b""
        except UpstreamTruncated:
            data = b""
        events = reader.feed(data) if data else reader.end()
        if reader.failure is not None and not events:
            raise reader.failure
        return events

    async def flow(self, sink: EventSink) -> None:
        """Give the events to *sink*, read by read; see the port."""
        reader = self._reader
        if self._head:
            sink(await self.receive())
            return
        if reader.failure is not None:  # it came in one read with the events before it
            raise reader.failure

        def take(data: bytes) -> bool:
            goes_on = sink(reader.feed(data))
            return goes_on and not (reader.complete or reader.finishing or reader.failure is not None)

        try:
            ended = await self._answer.flow(take)
        except UpstreamTruncated:
            ended = True
        if ended and not reader.complete:
            sink(reader.end())
        if reader.failure is not None:
            raise reader.failure

    def settle(self) -> Sequence[StreamEvent]:
        """The final events, without waiting for usage any longer."""
        return self._reader.settle()

    def close(self) -> None:
        """Let go; a site that is still at it is told to stop."""
        self._answer.close()
        stop, self._stop = self._stop, None
        reader = self._reader
        over = reader.complete or reader.finishing or reader.failure is not None
        if stop is not None and reader.ids is not None and not over:
            stop(reader.ids.response_id)


class WholeCall:
    """An answer that comes as one JSON body."""

    finishing = False

    def __init__(
        self,
        answer: HttpAnswer,
        read: Callable[[bytes], Whole],
        head: bytes,
        *,
        chat_id: str,
        tools_fp: str,
        max_answer_bytes: int,
    ) -> None:
        self._answer = answer
        self._read = read
        self._head = head
        self._chat_id = chat_id
        self._tools_fp = tools_fp
        self._max_answer_bytes = max_answer_bytes
        self._whole: Whole | None = None

    @property
    def request_id(self) -> str | None:
        """The answer's own id there."""
        return self._whole.ids.response_id if self._whole is not None else None

    @property
    def node(self) -> Node | None:
        """Where the next turn goes on."""
        whole = self._whole
        return node_of(self._chat_id, whole.ids, self._tools_fp) if whole is not None and whole.kept else None

    @property
    def complete(self) -> bool:
        """Whether the body has come."""
        return self._whole is not None

    async def receive(self) -> Sequence[StreamEvent]:
        """All events at once, when the body has come."""
        self._whole = self._read(await read_body(self._answer, self._max_answer_bytes, self._head))
        return self._whole.events

    async def flow(self, sink: EventSink) -> None:
        """All at once is all there is."""
        sink(await self.receive())

    def settle(self) -> Sequence[StreamEvent]:
        """Nothing is ever left to settle."""
        return ()

    def close(self) -> None:
        """Let go; unless the body was read to its end, the connection is closed."""
        self._answer.close()
