"""resume: after a cut, another candidate goes on from the text already sent."""

from proxy.errors import UpstreamRefused
from proxy.exchange import Exchange
from proxy.ports import Ports
from proxy.states.answering import decoder_of
from proxy.states.calls import MENDED_BEFORE_AN_ANSWER, as_failure, first_delta, open_call
from proxy.wire.splice import Splice
from statechart.vocabulary import Event


async def resume(x: Exchange, ports: Ports) -> Event:
    """Ask the next candidate to go on.

    One that refuses to is asked anew, and used from where it agrees with what was sent.
    """
    x.course.move_on()
    x.resumed += 1
    try:
        await ask(x, ports, prefilled=True)
    except UpstreamRefused as refused:
        if not x.course.calls_left:
            raise
        x.course.close_attempt(ports.clock.now(), refused)
        await ask(x, ports, prefilled=False)
    return Event.OPENED


async def ask(x: Exchange, ports: Ports, *, prefilled: bool) -> None:
    """Ask for the answer, with or without its beginning, and wait for its first delta."""
    told = x.answer.text(0)
    x.drop_call()
    x.splice = Splice(told, prefilled=prefilled)
    try:
        await open_call(x, ports, prefill=told if prefilled else None)
        await first_delta(x, ports)
    except MENDED_BEFORE_AN_ANSWER as error:
        raise as_failure(error) from error
    x.decoder = decoder_of(x, ports)  # what the last one held back was never told
