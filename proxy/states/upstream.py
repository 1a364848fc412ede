"""upstream: one attempt at one candidate, until the first delta of its answer."""

from proxy.errors import CredentialStale, UpstreamRefused
from proxy.exchange import Exchange
from proxy.ports import Ports
from proxy.states.answering import answer_headers, begin_answer
from proxy.states.calls import first_delta, open_call
from statechart.vocabulary import Event


async def upstream(x: Exchange, ports: Ports) -> Event:
    """Send, and wait for the first delta; status and headers are held back meanwhile.

    A fallback that finds fault with the request does not hide why it was asked at all: the earlier failure is told.
    """
    earlier = x.failure
    x.drop_call()
    if isinstance(earlier, CredentialStale):
        x.reauthed = True
    if x.request.stream and not x.course.attempts:
        clocks = x.course.place.clocks
        x.client.hold(
            lambda: answer_headers(x, ports),
            commit_after_s=clocks.commit_headers_after,
            heartbeat_s=clocks.heartbeat,
        )
    try:
        await open_call(x, ports)
        await first_delta(x, ports)
    except UpstreamRefused as refused:
        if earlier is None or x.course.position == 0:
            raise
        raise earlier from refused
    begin_answer(x, ports)
    return Event.OPENED
