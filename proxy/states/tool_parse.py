"""tool_parse: end the decoder, look at the calls, settle the finish reason of every choice."""

from proxy.dialects import NATIVE
from proxy.exchange import Exchange
from proxy.ports import Ports
from proxy.states.outcomes import count_outcomes
from proxy.wire.finish import settle_finish
from statechart.vocabulary import Event


async def tool_parse(x: Exchange, ports: Ports) -> Event:
    """What the decoder still held back joins the answer; it leaves with the closing frames.

    A call that was cut is never told as finished.  The upstream is let go of: it has said all.
    """
    x.node = x.call.node if x.call is not None else None
    x.drop_call()
    x.course.close_attempt(x.clock.now())
    x.pending = x.decoder.end()
    x.answer.fold(x.pending)
    cut = {index for index, call in x.answer.cut_calls() if call + 1 == len(x.answer.choices[index].calls)}
    x.finishes = {
        index: settle_finish(
            x.answer.finishes.get(index), calls_whole=bool(choice.calls) and index not in cut, calls_cut=index in cut
        )
        for index, choice in sorted(x.answer.choices.items())
    }
    x.answer.finishes = x.finishes
    if x.course.place.dialect != NATIVE:
        count_outcomes(x, ports)
    return Event.PARSED
