"""What the states that talk to an upstream share: opening a call, receiving under the clocks, the first delta."""

import asyncio
from collections.abc import Sequence
from functools import partial
from math import inf

from proxy.dialects import NATIVE
from proxy.dialects.emulation import Emulation
from proxy.errors import (
    ConversationLost,
    CredentialStale,
    PassThroughDenied,
    TurnstileError,
    UpstreamEmptyAnswer,
    UpstreamFailed,
    UpstreamOversize,
)
from proxy.exchange import Exchange
from proxy.ports import EventSink, Ports, Turn
from proxy.states.answering import GRACE, tool_block_of
from proxy.states.fitting import fit_call
from proxy.wire.events import DELTAS, StreamEvent


def has_delta(events: Sequence[StreamEvent]) -> bool:
    """Whether any of the events is a delta."""
    return not DELTAS.isdisjoint(map(type, events))


async def open_call(x: Exchange, ports: Ports, *, prefill: str | None = None, renew_credential: bool = False) -> None:
    """Spend one call on the candidate whose turn it is, under the clocks `queue`, `connect`, then `first_event`.

    `failover` takes the place of `first_event` while another candidate is left.
    """
    course, deadline = x.course, x.deadline
    attempt = course.begin(ports.clock.now())
    place = course.place
    # A call that is not streamed tells nothing before it tells all, so another candidate or a stalled model
    # could not be told from a long answer: where the clocks must see progress, the answer is asked for as a stream.
    streamed = x.request.stream or place.always_streams or course.others_left
    plan = x.conversation.plan(course.candidate, place)
    x.continued = plan.ids is not None
    x.fitted = told = fit_call(x, course.candidate, place, plan)
    deadline.start("queue", place.clocks.queue)
    x.slot = await place.slots.take()
    deadline.stop("queue")
    deadline.start("connect", place.clocks.connect)
    x.call = await place.upstream.open(
        Turn(
            request=told.request,
            upstream_model=course.candidate.upstream_model,
            request_id=x.request_id,
            stream=streamed,
            on_connected=partial(connected, x, streamed=streamed),
            prefill=prefill,
            renew_credential=renew_credential,
            max_output_tokens=told.output_tokens or course.candidate.entry.max_output_tokens,
            caller_headers=x.client.head.headers,
            plan=told.plan,
            notes=x.notes,
            tool_block=tool_block_of(x),
            tools_as_text=place.dialect != NATIVE,
            summary=told.summary,
            on_wait=partial(waiting, x),
            effort=course.candidate.entry.effort,
        )
    )
    attempt.status = 200


def waiting(x: Exchange, clock: str) -> None:
    """Before there is a connection, *clock* alone bounds the wait from here on."""
    x.deadline.stop("connect")
    x.deadline.stop("token")
    x.deadline.start(clock, getattr(x.course.place.clocks, clock))


def connected(x: Exchange, *, streamed: bool) -> None:
    """There is a connection, so the upstream may take the turn from here on; now it has to begin to answer."""
    course, deadline, clocks = x.course, x.deadline, x.course.place.clocks
    x.conversation.sent()
    deadline.stop("connect")
    if course.others_left and 0 < clocks.failover < (clocks.first_event or inf):
        deadline.start("failover", clocks.failover)
    elif streamed or clocks.first_event_explicit:
        deadline.start("first_event", clocks.first_event)


async def first_delta(x: Exchange, ports: Ports) -> None:
    """Wait until the answer has begun; what came until then is left in `x.pending`."""
    assert x.call is not None  # noqa: S101 - `open_call` came before
    pending: list[StreamEvent] = []
    while True:
        events = await x.call.receive()
        pending += events
        if has_delta(events):
            break
        if x.call.complete:
            raise UpstreamEmptyAnswer
    x.deadline.stop("failover")
    x.deadline.stop("first_event")
    x.course.attempts[-1].visit.answered()
    x.pending = pending
    x.upstream_request_id = x.call.request_id
    if x.first_delta_s is None:
        x.first_delta_s = ports.clock.now()


MENDED_BEFORE_AN_ANSWER = (ConversationLost, CredentialStale, PassThroughDenied)
"""Obstacles that have their own way on as long as nothing of an answer has come; later they are plain failures."""


def as_failure(error: TurnstileError) -> UpstreamFailed:
    """What such an obstacle is once an answer has begun."""
    return UpstreamFailed(detail=f"{error.told_code} while answering")


async def flow(x: Exchange, sink: EventSink) -> None:
    """Give the events of the answer to *sink* as they come; the sink keeps the clocks."""
    assert x.call is not None  # noqa: S101 - `open_call` came before
    try:
        await x.call.flow(sink)
    except asyncio.CancelledError:
        if not burst_is_over(x):
            raise
    except MENDED_BEFORE_AN_ANSWER as error:
        raise as_failure(error) from error


def burst_is_over(x: Exchange) -> bool:
    """Whether a cancellation meant that no further call of a burst has come in time; the answer then ends there."""
    if x.controls is None or not x.deadline.caught(GRACE):
        return False
    x.controls.expire()
    return True


async def receive(x: Exchange) -> Sequence[StreamEvent]:
    """The next events, under the clock `idle`; once only usage can still come, under `tail`, which is no fault."""
    call, deadline, clocks = x.call, x.deadline, x.course.place.clocks
    assert call is not None  # noqa: S101 - `open_call` came before
    deadline.start("idle", clocks.idle)
    try:
        if not call.finishing:
            return await call.receive()
        deadline.start("tail", clocks.tail)
        return await call.receive()
    except asyncio.CancelledError:
        if deadline.caught("tail"):
            return call.settle()
        if burst_is_over(x):
            return ()
        raise
    except MENDED_BEFORE_AN_ANSWER as error:
        raise as_failure(error) from error
    finally:
        deadline.stop("tail")


async def end_early(x: Exchange) -> None:
    """We have had enough of the answer: cancel it, unless it is about to end by itself.

    Raises `UpstreamOversize` when that is because a tool call, written as text, was too large.
    An upstream that keeps the conversation gets the clock `tail` for that.  If all that it still says is white space,
    it keeps what was told, and a next turn can go on from there.
    """
    call, decoder, tail_s = x.call, x.decoder, x.course.place.clocks.tail
    assert call is not None  # noqa: S101 - an answer was under way
    if decoder.oversize:
        raise UpstreamOversize(detail="a tool call in the text was too large")
    if x.course.place.upstream.keeps != "nothing" and tail_s and isinstance(decoder, Emulation):
        x.deadline.start("tail", tail_s)
        try:
            while decoder.cut_blank and not call.complete:
                decoder.feed(await call.receive())
        except asyncio.CancelledError:
            if not x.deadline.caught("tail"):
                raise
            call.settle()
        except TurnstileError:
            pass  # what was told is whole; it can't be continued, that is all
        finally:
            x.deadline.stop("tail")
        if call.complete:
            decoder.end()  # what it holds back was cut off as well
            if decoder.cut_blank:
                return
    x.drop_call()
