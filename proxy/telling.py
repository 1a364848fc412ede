"""Telling the caller of a failed ending: once, after the terminal state is entered."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from proxy.deadline import Clock
from proxy.errors import ClientGone, SlowReader
from proxy.exchange import Exchange
from proxy.ports import Ports
from proxy.states.answering import headers_of_any_answer
from proxy.wire.answer import error_body, error_frame, error_headers
from statechart.vocabulary import State


async def tell(x: Exchange, ports: Ports) -> None:
    """An envelope while the headers are held back, one error frame after that, nothing to who is gone.

    An answer that was cut when all of it was on its way is broken off: no word may follow its end.
    """
    failure = x.failure
    if x.state is State.DONE or failure is None:
        x.told_status = 200
        return
    x.told_status = 200 if x.client.committed else failure.told_status
    if isinstance(failure, ClientGone):
        if isinstance(failure, SlowReader):
            x.client.reset()
        return
    try:
        async with time_limit(ports.clock, ports.clocks.client_write):
            if not x.client.committed:
                headers = error_headers(failure, closing=ports.lifecycle.draining)
                await x.client.answer(
                    failure.told_status, [*headers_of_any_answer(x, ports), *headers], error_body(failure)
                )
            elif x.client.streaming and not x.closed:
                await x.client.end(error_frame(failure), close=True)
            else:
                x.client.reset()
    except (ClientGone, TimeoutError):
        x.client.reset()


@asynccontextmanager
async def time_limit(clock: Clock, seconds: float) -> AsyncIterator[None]:
    """`asyncio.timeout` by *clock*; 0 = none.  The clocks of the request itself are off by now."""
    async with asyncio.timeout(None) as limit:
        timer = clock.call_at(clock.now() + seconds, lambda: limit.reschedule(0.0)) if seconds else None
        try:
            yield
        finally:
            if timer is not None:
                timer.cancel()
