"""read: upstream events are collected into one answer; nothing is told before it is whole."""

from proxy.errors import UpstreamOversize
from proxy.exchange import Exchange
from proxy.ports import Ports
from proxy.states.answering import GRACE
from proxy.states.calls import end_early, has_delta, receive
from statechart.vocabulary import Event


async def read(x: Exchange, ports: Ports) -> Event:
    """Fold whatever comes, up to the size of answer that is held in memory, until the upstream has ended."""
    call, deadline, clocks = x.call, x.deadline, x.course.place.clocks
    assert call is not None  # noqa: S101 - `upstream` has opened it
    events, x.pending = x.pending, ()
    while True:
        if events:
            x.answer.fold(x.decoder.feed(events))
            if x.answer.size_bytes > ports.limits.max_answer_bytes:
                raise UpstreamOversize
            if has_delta(events):
                deadline.start("progress", clocks.progress)
        if call.complete or x.decoder.cut:
            break
        events = await receive(x)
    deadline.stop("idle")
    deadline.stop("progress")
    deadline.stop(GRACE)
    if x.decoder.cut:
        await end_early(x)
    return Event.ENDED
