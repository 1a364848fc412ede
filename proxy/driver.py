"""The driver: walks one request through the chart, and ends it once.

It is the only place that fires events, catches errors and tells cancellations apart.  A handler returns an event, or
raises an error that knows its event; the driver fires it, and the table says where it leads.
"""

import asyncio
from collections.abc import Callable
from random import Random

import structlog

from proxy import deadline
from proxy.errors import (
    BodyTooSlow,
    ClientGone,
    ConnectTimeout,
    ConversationBusy,
    DeadlinePassed,
    InternalError,
    Overloaded,
    ShuttingDown,
    SlowReader,
    TokenTimeout,
    TurnstileError,
    UpstreamTimeout,
)
from proxy.exchange import Exchange
from proxy.finishing import finish_unheard
from proxy.ports import Ports
from proxy.routing.gate import overload_wait_s
from proxy.states import HANDLERS
from proxy.telling import tell
from statechart.machine import IllegalTransition, fire
from statechart.vocabulary import TERMINAL_STATES

log = structlog.get_logger("turnstile.driver")


async def drive(x: Exchange, ports: Ports, ended: Callable[[Exchange], None]) -> None:
    """Run *x* to its end, tell the caller, and call *ended* once.

    On entering a terminal state everything is given back before the caller is told, but for an answer that is to finish
    without its caller.  A cancellation from outside means that the caller has left: it is recorded, and goes on its
    way.
    """
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine runs in a task
    x.deadline.attend(task)
    x.deadline.run_until("total", x.accepted_s, ports.clocks.total)
    try:
        try:
            while x.state not in TERMINAL_STATES:
                await advance(x, ports)
        finally:
            finish_unheard(x, ports)
            x.give_back()
        await tell(x, ports)
    finally:
        ended(x)


async def advance(x: Exchange, ports: Ports) -> None:
    """One handler, one event, one firing."""
    try:
        fire(x, await HANDLERS[x.state](x, ports))
    except TurnstileError as error:
        fail(x, error)
    except asyncio.CancelledError:
        clock = x.deadline.caught()
        if clock is None:
            fail(x, ClientGone())
            raise
        fail(x, clock_error(clock, x.deadline.expired_after_s, ports.random))
    except Exception as error:
        log.exception("a handler failed", request_id=x.request_id, state=x.state)
        fail(x, InternalError(detail=type(error).__name__))


def clock_error(clock: str, seconds: float, random: Random) -> TurnstileError:
    """What the running out of *clock* becomes; one that is not listed is the upstream's."""
    match clock:
        case "total":
            return DeadlinePassed(seconds)
        case "body":
            return BodyTooSlow(seconds)
        case "queue":
            told = f"There was no room for this request within {seconds:g} seconds (clock 'queue')."
            return Overloaded(told, clock="queue", retry_after_s=overload_wait_s(random))
        case "lease":
            told = f"Another request held this conversation for longer than {seconds:g} seconds (clock 'lease')."
            return ConversationBusy(told, clock="lease")
        case "connect":
            return ConnectTimeout(seconds)
        case "token":
            return TokenTimeout(seconds)
        case "client_write":
            return SlowReader(seconds)
        case deadline.SHUTDOWN:
            return ShuttingDown()
        case _:
            return UpstreamTimeout(clock, seconds)


def fail(x: Exchange, error: TurnstileError) -> None:
    """Fire the event that *error* is; one that the state does not know is a bug of ours."""
    told = x.failed(error)
    try:
        fire(x, told.event)
    except IllegalTransition:
        log.exception("an error came in a state that does not know it", request_id=x.request_id, state=x.state)
        crash = InternalError(detail=f"{error.told_code} in {x.state}")
        x.failed(crash)
        fire(x, crash.event)
