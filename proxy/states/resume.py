"""resume: after a cut, another candidate goes on from the text already sent."""

from proxy.errors import UpstreamRefused
from proxy.exchange import Exchange
from proxy.ports import Ports
from proxy.states.calls import MENDED_BEFORE_AN_ANSWER, as_failure, first_delta, open_call
from proxy.wire.splice import Splice
from statechart.vocabulary import Event


async def resume(x: Exchange, ports: Ports) -> Event:
    """Ask the next candidate to go on.

    One that refuses to is asked anew, and used from where it agrees with what was sent.
    """
    x.drop_call()
    x.course.move_on()
    x.resumed += 1
    told = x.answer.text(0)
    x.splice = Splice(told, prefilled=True)
    try:
        try:
            await open_call(x, ports, prefill=told)
        except UpstreamRefused:
            x.drop_call()
            x.splice = Splice(told, prefilled=False)
            await open_call(x, ports)
        await first_delta(x, ports)
    except MENDED_BEFORE_AN_ANSWER as error:
        raise as_failure(error) from error
    return Event.OPENED
