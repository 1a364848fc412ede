"""stream: upstream events become frames, as they come."""

from proxy.exchange import Exchange
from proxy.ports import Ports
from proxy.states.calls import has_delta, receive
from statechart.vocabulary import Event


async def stream(x: Exchange, _ports: Ports) -> Event:
    """Pass on whatever comes, one write for each read, until the upstream has ended.

    While a write waits for the caller nothing is read, and the clocks `idle` and `progress` stand still: they are started
    anew before each wait for the upstream.
    """
    call, deadline, clocks = x.call, x.deadline, x.course.place.clocks
    assert call is not None  # noqa: S101 - `upstream` or `resume` has opened it
    events, x.pending = x.pending, ()
    while True:
        if x.splice is not None:
            events = x.splice.feed(events)
        if events:
            events = x.decoder.feed(events)
            x.answer.fold(events)
            frames = x.frames.frames(events)
            if frames:
                deadline.start("client_write", clocks.client_write)
                await x.client.write(frames)
                deadline.stop("client_write")
            if has_delta(events):
                deadline.start("progress", clocks.progress)
        if call.complete:
            break
        events = await receive(x)
    deadline.stop("idle")
    deadline.stop("progress")
    return Event.ENDED
