"""An answer whose caller has left, and that is let finish all the same: `on_disconnect = "finish"`.

The walk has ended as `client_abort` by then.  What it held goes over to a task of its own, which reads on for a while,
discards what comes, and records the conversation, so that the next turn can go on from there.
"""

import structlog

from proxy.deadline import under
from proxy.errors import TurnstileError, UpstreamOversize
from proxy.exchange import Exchange
from proxy.ports import Ports, Release, UpstreamCall
from proxy.states.answering import decoder_of
from proxy.tasks import spawn
from proxy.wire.answer import Answer
from statechart.vocabulary import State

log = structlog.get_logger("turnstile.finishing")


def finish_unheard(x: Exchange, ports: Ports) -> None:
    """Let the answer under way finish, where the caller has left and the configuration wants that."""
    if x.state is not State.CLIENT_ABORT or x.call is None:
        return
    controls = x.course.place.controls
    if controls.on_disconnect != "finish" or controls.finish_s <= 0:
        return
    call, slot, release = x.call, x.slot, x.keep(x.conversation.release)
    x.call = x.slot = None
    spawn(read_on(x, ports, call, slot, release), name="finish an answer that nobody hears")


async def read_on(x: Exchange, ports: Ports, call: UpstreamCall, slot: Release | None, release: Release) -> None:
    """Read to the end of the answer, within `finish_s`; then give everything back."""
    outcome = "finished"
    try:
        await under(ports.clock, x.course.place.controls.finish_s, discard(x, ports, call))
    except TimeoutError:
        outcome = "timeout"
    except TurnstileError as error:
        outcome = error.told_code
    finally:
        call.close()
        if slot is not None:
            slot()
        release()
    log.info("answer.unheard", request_id=x.request_id, outcome=outcome)


async def discard(x: Exchange, ports: Ports, call: UpstreamCall) -> None:
    """Fold the answer without telling it, and record the turn."""
    if not hasattr(x, "answer"):
        x.answer, x.decoder = Answer(), decoder_of(x, ports)
    x.answer.fold(x.decoder.feed(x.pending))
    while not call.complete and not x.decoder.cut:
        x.answer.fold(x.decoder.feed(await call.receive()))
        if x.answer.size_bytes > ports.limits.max_answer_bytes:
            raise UpstreamOversize
    x.answer.fold(x.decoder.end())
    node = call.node if call.complete else None
    await x.conversation.commit(x.course.candidate, x.course.place, x.answer, node)
