"""backoff: wait before another attempt at the same candidate, or turn to the next one."""

from proxy.exchange import Exchange
from proxy.ports import Ports
from statechart.vocabulary import Event


async def backoff(x: Exchange, ports: Ports) -> Event:
    """Give the failed call back at once, and wait as long as its error asks for."""
    x.drop_call()
    assert x.failure is not None  # only a failure leads here  # noqa: S101 - narrows the type, and is a bug if it fails
    delay_s = x.course.next_delay_s(x.failure, x.deadline.left_s("total"), ports.random)
    if delay_s > 0:
        await ports.clock.sleep(delay_s)
    return Event.RETRY_DUE
