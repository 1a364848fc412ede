"""session: find the conversation and take its lease; settle which candidates may be asked, and with how much."""

from zlib import crc32

from proxy.budget import fitting
from proxy.course import Course
from proxy.errors import ConversationLost
from proxy.exchange import Exchange
from proxy.ports import Ports
from statechart.vocabulary import Event


async def session(x: Exchange, ports: Ports) -> Event:
    """Plan the turn.

    Comes a second time when the upstream has lost the conversation: then the whole history is told anew.
    """
    assert x.route is not None  # `auth` has seen to it  # noqa: S101 - narrows the type, and is a bug if it fails
    if isinstance(x.failure, ConversationLost):
        x.replayed = True
        x.drop_call()
        await x.conversation.forget()
    else:
        allowed = tuple(c for i, c in enumerate(x.route.candidates) if i == 0 or x.caller.may_use(c.model_id))
        turn = crc32(x.session_id.encode()) if x.session_id else next(x.route.turns)
        x.course = Course(fitting(x.request, allowed), ports.retry, turn)
        x.deadline.run_until("total", x.accepted_s, x.course.place.clocks.total)
        x.deadline.start("lease", ports.lease_wait_s)
        x.conversation = await ports.sessions.take(
            x.caller,
            x.request,
            x.course.candidate,
            x.course.place,
            session_id=x.session_id,
            headers=x.client.head.headers,
        )
        x.deadline.stop("lease")
        x.on_end(x.conversation.release)
    return Event.PLANNED
