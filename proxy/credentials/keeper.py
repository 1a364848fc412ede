"""Keeping a token: fetched when it is needed, renewed before it ends or once it was refused, by one flight at a time.

In a process there is one task for all that wait; whoever stops waiting leaves, and the task goes on.  Between processes
there is a lock: who does not get it waits for the token of who does.  A token has a generation, and what is refused is
always one generation: a late refusal never takes a newer token away.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from math import inf

import structlog

from proxy.credentials.issued import Issued
from proxy.credentials.share import NO_SHARE, SharedToken, TokenShare
from proxy.deadline import Clock
from proxy.errors import TokenNotIssued, TokenTimeout, TurnstileError
from proxy.tasks import spawn

PAUSE_S = 5.0  # after a fetch that failed: whoever is down is not asked by every request
LOCK_SPARE_S = 5.0  # on top of the longest fetch: a lock outlives its work, and not for long its holder
LONGEST_FETCH_S = 60.0  # what a lock is held for where no clock bounds the fetch
RECENT_TOKENS = 4  # those that an upstream may still repeat in its complaints
FIRST_POLL_S = 0.02
LONGEST_POLL_S = 0.25
POLL_GROWTH = 1.5

Fetch = Callable[[], Awaitable[Issued]]
"""Asks the endpoint for a token.  Raises `TokenNotIssued`, and the errors of connections."""

log = structlog.get_logger("turnstile.credentials")


@dataclass(frozen=True, slots=True)
class Token:
    """A token of some generation; times are monotonic seconds."""

    generation: int
    text: str = field(repr=False)
    ends: float = inf
    renewed: float = inf  # when the next one is to be fetched


@dataclass(frozen=True, slots=True)
class Missed:
    """No token came, and why; *timed_out*: within the time that there was."""

    detail: str
    timed_out: bool = False


class TokenKeeper:
    """The token of one upstream.  *limit_s* bounds a flight (0 = off), *skew_s* says how early a token is renewed."""

    def __init__(self, fetch: Fetch, clock: Clock, *, limit_s: float, skew_s: float) -> None:
        self._fetch = fetch
        self._clock = clock
        self._limit_s = limit_s
        self._skew_s = skew_s
        self._share: TokenShare = NO_SHARE
        self._token: Token | None = None
        self._refused = 0  # the latest generation that was
        self._flight: asyncio.Task[Token | Missed] | None = None
        self._paused_until = 0.0
        self._missed = Missed("")
        self.fetched = 0
        self.recent: deque[str] = deque(maxlen=RECENT_TOKENS)

    def join(self, share: TokenShare) -> None:
        """Share tokens from now on."""
        self._share = share

    async def token(self, on_wait: Callable[[str], None]) -> Token:
        """The token to send, fetched if need be; *on_wait* hears of the clock that bounds what is waited for.

        Raises `TokenNotIssued` and `TokenTimeout`.
        """
        if (token := self._fresh()) is not None:
            return token
        if self._flight is None and self._clock.now() < self._paused_until:
            return self._living_or_raise(self._missed)
        on_wait("token")
        flight = self._flight or self._start()
        await asyncio.wait({flight})  # cancelled, it leaves the flight alone
        on_wait("connect")
        outcome = Missed("the daemon goes down") if flight.cancelled() else flight.result()
        return self._living_or_raise(outcome) if isinstance(outcome, Missed) else outcome

    def refused(self, generation: int) -> None:
        """The upstream has refused the token of that generation; a newer one is left alone."""
        self._refused = max(self._refused, generation)

    async def close(self) -> None:
        """Ask for nothing more."""
        flight, self._flight = self._flight, None
        if flight is not None:
            flight.cancel()
            await asyncio.wait({flight})

    # --- what there is

    def _living(self) -> Token | None:
        token = self._token
        lives = token is not None and token.generation > self._refused and self._clock.now() < token.ends
        return token if lives else None

    def _fresh(self) -> Token | None:
        token = self._living()
        return token if token is not None and self._clock.now() < token.renewed else None

    def _living_or_raise(self, missed: Missed) -> Token:
        token = self._living()
        if token is not None:
            return token
        if missed.timed_out:
            raise TokenTimeout(self._limit_s)
        raise TokenNotIssued(detail=missed.detail)

    # --- the flight

    def _start(self) -> asyncio.Task[Token | Missed]:
        self._flight = spawn(self._fly(), name="fetch a token")
        return self._flight

    async def _fly(self) -> Token | Missed:
        """Bring a token, or say why not; never raises, since there may be nobody left to hear it."""
        task = asyncio.current_task()
        expired: list[bool] = []

        def expire() -> None:
            expired.append(True)
            if task is not None:
                task.cancel()

        timer = self._clock.call_at(self._clock.now() + self._limit_s, expire) if self._limit_s else None
        try:
            return await self._obtain()
        except asyncio.CancelledError:
            if not expired or task is None or task.uncancel():
                raise
            return self._miss(Missed(f"nothing came within {self._limit_s:g} s", timed_out=True))
        except TurnstileError as error:
            return self._miss(Missed(error.detail or error.told_code))
        finally:
            self._flight = None
            if timer is not None:
                timer.cancel()

    def _miss(self, missed: Missed) -> Missed:
        self._missed = missed
        self._paused_until = self._clock.now() + PAUSE_S
        log.warning("no token could be fetched", reason=missed.detail)
        return missed

    async def _obtain(self) -> Token:
        """Another process's token if it has a newer one, else a new one under the lock."""
        known = max(self._refused, self._token.generation if self._token else 0)
        poll_s = FIRST_POLL_S
        while True:
            seen = await self._share.take(hold_s=(self._limit_s or LONGEST_FETCH_S) + LOCK_SPARE_S)
            shared = seen.token
            if shared is not None and shared.generation > known and self._is_fresh(shared):
                if seen.lock is not None:
                    self._share.let_go(seen.lock)
                return self._adopted(shared)
            if seen.lock is not None:
                break
            await self._clock.sleep(poll_s)
            poll_s = min(poll_s * POLL_GROWTH, LONGEST_POLL_S)
        return await self._fetched(seen.lock, 1 + max(known, shared.generation if shared else 0))

    async def _fetched(self, lock: object, generation: int) -> Token:
        sent, sent_wall_s = self._clock.now(), self._clock.wall()
        self.fetched += 1
        try:
            issued = await self._fetch()
        except BaseException:
            self._share.let_go(lock)
            raise
        life_s = issued.life_s
        lead_s = min(self._skew_s, life_s / 2)
        self.recent.append(issued.token)
        self._token = token = Token(generation, issued.token, sent + life_s, sent + life_s - lead_s)
        ends_ms, renewed_ms = (
            (None, None)
            if life_s == inf
            else (int((sent_wall_s + life_s) * 1000), int((sent_wall_s + life_s - lead_s) * 1000))
        )
        await self._share.put(lock, SharedToken(generation, issued.token, ends_ms, renewed_ms))
        return token

    def _is_fresh(self, shared: SharedToken) -> bool:
        return min(shared.left_s(self._clock.wall())) > 0

    def _adopted(self, shared: SharedToken) -> Token:
        ends_s, renewed_s = shared.left_s(self._clock.wall())
        now = self._clock.now()
        self.recent.append(shared.token)
        self._token = Token(shared.generation, shared.token, now + ends_s, now + renewed_s)
        return self._token
