"""The gate: who is calling, are they within their own limits, is there room in the daemon."""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from random import Random

from proxy.config import Auth, Key, KeyDigest, Server
from proxy.deadline import Clock
from proxy.errors import ConcurrencyLimitExceeded, InvalidApiKey, Overloaded, RateLimitExceeded
from proxy.ports import ANONYMOUS, Caller, Release
from proxy.wire.answer import RateLimit

WINDOW_S = 60.0  # `rpm` counts requests per minute
OVERLOAD_SPREAD_S = 4.0  # callers who were turned away together do not come back together

ANYONE = Caller(name=ANONYMOUS, fingerprint="-", models=("*",), rpm=0, max_parallel=0)
"""The caller where no key is asked for."""


@dataclass(slots=True)
class Use:
    """What a caller has used up of their limits: when the requests of the last minute came, and how many are live."""

    came_s: deque[float] = field(default_factory=deque)
    live: int = 0


class KeyGate:
    """A `Gate` over configured keys, in the memory of one process."""

    def __init__(self, auth: Auth, server: Server, clock: Clock, random: Random) -> None:
        self._clock = clock
        self._random = random
        self._slots = asyncio.Semaphore(server.max_in_flight)
        self._max_queued = server.max_queued
        self._queued = 0
        self._uses: dict[str, Use] = {}
        self.reload(auth)

    def reload(self, auth: Auth) -> None:
        """Take other keys; what callers of the same name have used up stays counted."""
        self._open = auth.mode == "none"
        self._keys = [(key.key, caller_of(key)) for key in auth.keys]
        self._uses = {key.name: self._uses.get(key.name, Use()) for key in auth.keys}

    def identify(self, presented_key: str | None) -> Caller:
        """The caller behind a key.  All keys are looked at, so that the time tells nothing of which one fits."""
        if self._open:
            return ANYONE
        if presented_key is None:
            raise InvalidApiKey("You didn't provide an API key: send it as 'Authorization: Bearer KEY'.")
        shown = KeyDigest(presented_key)
        found = [caller for key, caller in self._keys if key == shown]
        if not found:
            raise InvalidApiKey
        return found[0]

    # --- the caller's own limits

    def limit(self, caller: Caller) -> Release:
        """Count a request against the caller's requests per minute and in parallel."""
        use = self._uses.setdefault(caller.name, Use())
        now = self._clock.now()
        if caller.rpm:
            self._forget(use, now)
            if len(use.came_s) >= caller.rpm:
                raise RateLimitExceeded(retry_after_s=use.came_s[0] + WINDOW_S - now)
        if caller.max_parallel and use.live >= caller.max_parallel:
            raise ConcurrencyLimitExceeded(retry_after_s=1.0)
        if caller.rpm:
            use.came_s.append(now)
        use.live += 1

        def release() -> None:
            use.live -= 1

        return release

    def rate_limits(self, caller: Caller) -> tuple[RateLimit, ...]:
        """What is left of the caller's requests per minute; nothing for callers without a limit."""
        if not caller.rpm:
            return ()
        use = self._uses.setdefault(caller.name, Use())
        now = self._clock.now()
        self._forget(use, now)
        reset_s = use.came_s[-1] + WINDOW_S - now if use.came_s else 0.0
        return (RateLimit("requests", caller.rpm, caller.rpm - len(use.came_s), reset_s),)

    def _forget(self, use: Use, now: float) -> None:
        while use.came_s and use.came_s[0] <= now - WINDOW_S:
            use.came_s.popleft()

    # --- room in the daemon

    def check_room(self) -> None:
        """Turn a request away before its body is read, when all slots and the whole queue are taken."""
        if self._slots.locked() and self._queued >= self._max_queued:
            raise Overloaded(retry_after_s=overload_wait_s(self._random))

    async def admit(self) -> Release:
        """Wait in the queue for a slot."""
        if not self._slots.locked():
            await self._slots.acquire()
            return self._slots.release
        self.check_room()
        self._queued += 1
        try:
            await self._slots.acquire()
        finally:
            self._queued -= 1
        return self._slots.release


def overload_wait_s(random: Random) -> float:
    """How long a caller who found no room is asked to stay away."""
    return 1.0 + random.uniform(0.0, OVERLOAD_SPREAD_S)


def caller_of(key: Key) -> Caller:
    """The caller that a configured key stands for."""
    return Caller(
        name=key.name,
        fingerprint=key.key.fingerprint,
        models=key.models,
        rpm=key.rpm,
        max_parallel=key.max_parallel,
    )
