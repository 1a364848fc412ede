"""stream: upstream events become frames, as they come."""

from collections.abc import Sequence
from math import inf

from proxy.errors import UpstreamOversize
from proxy.exchange import Exchange
from proxy.ports import Ports
from proxy.states.answering import GRACE, start_grace
from proxy.states.calls import end_early, flow, has_delta, receive
from proxy.wire.events import DELTAS, StreamEvent
from statechart.vocabulary import Event


async def stream(x: Exchange, ports: Ports) -> Event:
    """Pass on whatever comes, one write for each read, until the upstream has ended, or we have had enough.

    Events are relayed in the turn of the loop in which they come.  While the caller's socket is full nothing is read,
    and the clocks over the upstream stand still.
    """
    call = x.call
    assert call is not None  # noqa: S101 - `upstream` or `resume` has opened it
    relay = Relay(x, ports.limits.max_answer_bytes)
    await relay.begin()
    while not (call.complete or x.decoder.cut):
        if relay.full:
            await relay.drain()
        elif call.finishing:
            relay(await receive(x))
        else:
            await flow(x, relay)
    relay.end()
    if x.decoder.cut:
        await end_early(x)
    return Event.ENDED


class Relay:
    """From the events of one read to one write.  A false answer asks the upstream for a pause.

    This is what a chunk costs: no task, no timer, no line in the log.
    """

    __slots__ = (
        "_answer",
        "_clocks",
        "_deadline",
        "_decoder",
        "_due",
        "_frames",
        "_idle_s",
        "_max_answer_bytes",
        "_now",
        "_progress_s",
        "_put",
        "_splice",
        "_x",
        "full",
    )

    def __init__(self, x: Exchange, max_answer_bytes: int) -> None:
        clocks = x.course.place.clocks
        self._x = x
        self._splice = x.splice
        self._decoder = x.decoder
        self._answer = x.answer
        self._frames = x.frames
        self._max_answer_bytes = max_answer_bytes
        self._now = x.clock.now
        self._put = x.client.put
        self._deadline = x.deadline
        self._due = x.deadline.due
        self._clocks = clocks
        self._idle_s = clocks.idle or inf
        self._progress_s = clocks.progress or inf
        self.full = False

    async def begin(self) -> None:
        """Relay what came while headers were still held back."""
        x = self._x
        events, x.pending = x.pending, ()
        frames = self._rendered(events)
        self._deadline.stop(GRACE)
        self._deadline.start("client_write", self._clocks.client_write)
        await x.client.begin(frames)
        self._deadline.stop("client_write")
        self._start_clocks()

    def __call__(self, events: Sequence[StreamEvent]) -> bool:
        """Relay the events of one read; none at all is still a sign of life."""
        now = self._now()
        self._due["idle"] = now + self._idle_s
        if not events:
            return True
        if type(events[0]) in DELTAS or has_delta(events):
            self._due["progress"] = now + self._progress_s
        frames = self._rendered(events)
        if frames:
            self.full = not self._put(frames)
        return not (self.full or self._decoder.cut)

    async def drain(self) -> None:
        """Wait for room at the caller's socket, under the clock `client_write`; those over the upstream stand still."""
        self._stop_clocks()
        self._deadline.start("client_write", self._clocks.client_write)
        await self._x.client.drain()
        self._deadline.stop("client_write")
        self.full = False
        self._start_clocks()

    def end(self) -> None:
        """The upstream has ended: relay what the splice still held back."""
        self._stop_clocks()
        splice, self._splice, self._x.splice = self._splice, None, None
        if splice is not None:
            held = splice.end()
            if held and (frames := self._rendered(held)):
                self._put(frames)

    def _start_clocks(self) -> None:
        self._deadline.start("idle", self._clocks.idle)
        self._deadline.start("progress", self._clocks.progress)
        if self._x.controls is not None and self._x.controls.in_grace:
            start_grace(self._x)

    def _stop_clocks(self) -> None:
        self._deadline.stop("idle")
        self._deadline.stop("progress")
        self._deadline.stop(GRACE)

    def _rendered(self, events: Sequence[StreamEvent]) -> bytes:
        if self._splice is not None:
            events = self._splice.feed(events)
        events = self._decoder.feed(events)
        self._answer.fold(events)
        if self._answer.size_bytes > self._max_answer_bytes:
            raise UpstreamOversize
        return self._frames.frames(events)
