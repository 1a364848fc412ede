"""render: record the conversation, then write the JSON body, or the frames that are left and the closing ones."""

from proxy.exchange import Exchange
from proxy.ports import Ports
from proxy.states.answering import answer_headers, usage_of
from proxy.wire.answer import body_of
from statechart.vocabulary import Event


async def render(x: Exchange, ports: Ports) -> Event:
    """The record comes first, so that the caller's next turn finds it.  Done means: the socket took the last byte."""
    await x.conversation.commit(x.course.candidate, x.course.place, x.answer, x.node)
    x.answer.usage = usage_of(x)
    x.deadline.start("client_write", x.course.place.clocks.client_write)
    if x.request.stream:
        left = x.answer.events() if x.assured else x.pending
        await x.client.end(x.frames.frames(left) + x.frames.closing(x.finishes, x.answer.usage))
    else:
        await x.client.answer(200, answer_headers(x, ports), body_of(x.surface, x.head, x.answer))
    x.deadline.stop("client_write")
    return Event.RENDERED
