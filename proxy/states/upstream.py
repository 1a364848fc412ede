"""upstream: one attempt at one candidate, until the first delta of its answer."""

from proxy.errors import ConversationLost, SessionLost
from proxy.exchange import Exchange
from proxy.ports import Ports
from proxy.states.answering import answer_headers, begin_answer
from proxy.states.calls import first_delta, open_call
from statechart.vocabulary import Event


async def upstream(x: Exchange, ports: Ports) -> Event:
    """Send, and wait for the first delta; status and headers are held back meanwhile."""
    x.drop_call()
    renew = x.may_renew(x.failure)
    x.reauths += renew
    if x.request.stream and not x.course.attempts:
        clocks = x.course.place.clocks
        x.client.hold(
            lambda: answer_headers(x, ports),
            commit_after_s=clocks.commit_headers_after,
            heartbeat_s=clocks.heartbeat if x.asked_controls.keepalive else 0.0,
        )
    try:
        await open_call(x, ports, renew_credential=renew)
        await first_delta(x, ports)
    except ConversationLost as lost:
        if x.continued and x.conversation.history_missing:
            x.conversation.forget()
            raise SessionLost from lost
        raise
    begin_answer(x, ports)
    return Event.OPENED
