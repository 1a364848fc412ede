"""Supervision: a slot holds one child after the other, and is never without one for long.

    starting ─▶ handshake ─▶ ready ─▶ draining ─▶ stopped
       ▲  │         │          │
       │  ▼         ▼          │          handshake ─▶ unsupported
       └─ backoff ◀────────────┘

There is no limit to how often a child is restarted.  One that is worn out is replaced: its successor starts at once,
and it drains meanwhile.
"""

import asyncio
from collections.abc import Callable
from enum import Enum
from random import Random

import structlog

from proxy.deadline import Clock, TimerHandle, under
from proxy.errors import TurnstileError
from proxy.tasks import spawn
from proxy.upstreams.child.child import Child
from proxy.upstreams.child.kind import ChildKind, ChildLimits, Unsupported
from proxy.upstreams.child.rpc import RpcRefused

BACKOFF_BASE_S = 0.5
BACKOFF_MAX_S = 30.0
BACKOFF_JITTER = 0.2
MOST_DOUBLINGS = 16
HEALTHY_S = 60.0  # a child that was ready for so long owes nothing to those before it
MOST_WAKEABLE_FAILURES = 1  # starts that failed in a row, after which demand shortens no wait
CUT_S = 2.0  # for interrupted turns to be over
LOOK_S = 0.02  # between looks at a child that drains

log = structlog.get_logger("turnstile.child")


class Condition(Enum):
    """Where a slot stands."""

    STARTING = "starting"
    HANDSHAKE = "handshake"
    READY = "ready"
    DRAINING = "draining"
    STOPPED = "stopped"
    BACKOFF = "backoff"
    UNSUPPORTED = "unsupported"


class Slot:
    """A place for a child; *on_change* is called whenever its condition changes."""

    def __init__(
        self,
        number: int,
        kind: ChildKind,
        limits: ChildLimits,
        *,
        clock: Clock,
        random: Random,
        on_change: Callable[[], None],
    ) -> None:
        self.number = number
        self.condition = Condition.STARTING
        self.generation = 0
        self.reason = ""
        self.starts_failed = 0  # ever
        self.failed_starts = 0  # in a row
        self.start_was_slow = False  # the last one that failed has failed by the clock
        self.retry_at_s = 0.0
        self._kind = kind
        self._limits = limits
        self._clock = clock
        self._random = random
        self._on_change = on_change
        self._child: Child | None = None
        self._children: set[Child] = set()  # all that have not ended: the one above, and those that drain
        self._endings: set[asyncio.Task[None]] = set()
        self._crashes = 0  # in a row, each within a minute of readiness or without any
        self._backoff_began_s = 0.0
        self._alarm: TimerHandle | None = None
        self._rung: asyncio.Future[None] | None = None
        self._life: asyncio.Task[None] | None = None

    # --- what the pool asks

    @property
    def ready(self) -> Child | None:
        """The child that takes new turns, if there is one."""
        child = self._child
        return child if self.condition is Condition.READY and child is not None and not child.over.done() else None

    @property
    def hopeful(self) -> bool:
        """Whether it has one, or is about to."""
        if self.condition is Condition.BACKOFF:
            return self._wakeable
        return self.condition in (Condition.STARTING, Condition.HANDSHAKE, Condition.READY)

    def begin(self) -> None:
        """Come to life."""
        self._life = spawn(self._live(), name=f"{self._kind.name}#{self.number}")

    def wake(self) -> None:
        """Somebody waits: end a backoff as soon as may be, unless it is the starts that fail."""
        if self.condition is Condition.BACKOFF and self._wakeable:
            due_s = max(self._clock.now(), self._backoff_began_s + BACKOFF_BASE_S)
            if due_s < self.retry_at_s:
                self._set_alarm(due_s)

    async def close(self, patience_s: float = 0.0) -> None:
        """End the child, in good order: what runs on it after *patience_s* is interrupted first."""
        tasks = {*self._endings, *([self._life] if self._life is not None else [])}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self._enter(Condition.DRAINING)
        await asyncio.gather(*(self._end(child, patience_s=patience_s) for child in list(self._children)))
        self._enter(Condition.STOPPED)

    # --- its life

    async def _live(self) -> None:
        while True:
            child = await self._start()
            if child is not None:
                ready_s = self._clock.now()
                await child.over
                self._child = None
                if self._clock.now() - ready_s >= HEALTHY_S:
                    self._crashes = 0
                if child.worn is not None and not child.lost:
                    log.info("child.replaced", slot=self.number, generation=child.generation, reason=child.worn)
                    self._see_off(child, self._limits.drain_s)
                    continue
                log.warning("child.lost", slot=self.number, generation=child.generation)
                self._see_off(child, 0.0)
            if self.condition is Condition.UNSUPPORTED:
                return
            await self._back_off()

    async def _start(self) -> Child | None:
        """A child that is ready, or None, with the condition for what comes next."""
        self.generation += 1
        self._enter(Condition.STARTING)
        child = Child(
            self._kind,
            self._limits,
            slot=self.number,
            generation=self.generation,
            clock=self._clock,
            random=self._random,
        )
        self._child = child
        self._children.add(child)
        try:
            await child.start()
            self._enter(Condition.HANDSHAKE)
            await under(self._clock, self._limits.handshake_s, child.attendant.greet())
        except Unsupported as unsupported:
            self._child = None
            self.reason = str(unsupported)
            log.error("child.unsupported", slot=self.number, reason=self.reason)  # noqa: TRY400 - the reason says it all
            self._enter(Condition.UNSUPPORTED)
            self._see_off(child, 0.0)
            return None
        except (OSError, TurnstileError, RpcRefused, TimeoutError) as error:
            self._child = None
            self.failed_starts += 1
            self.starts_failed += 1
            self.start_was_slow = isinstance(error, TimeoutError)
            log.warning("child.start_failed", slot=self.number, reason=reason_of(error))
            self._see_off(child, 0.0)
            return None
        self.failed_starts = 0
        log.info("child.ready", slot=self.number, generation=self.generation, pid=child.pid)
        self._enter(Condition.READY)
        return child

    async def _back_off(self) -> None:
        delay_s = min(BACKOFF_MAX_S, BACKOFF_BASE_S * 2.0 ** min(self._crashes, MOST_DOUBLINGS))
        delay_s *= self._random.uniform(1 - BACKOFF_JITTER, 1 + BACKOFF_JITTER)
        self._crashes += 1
        self._backoff_began_s = self._clock.now()
        self._rung = asyncio.get_running_loop().create_future()
        self._set_alarm(self._backoff_began_s + delay_s)
        self._enter(Condition.BACKOFF)
        try:
            await self._rung
        finally:
            self._silence_alarm()

    def _see_off(self, child: Child, patience_s: float) -> None:
        ending = spawn(self._end(child, patience_s=patience_s), name="end a child")
        self._endings.add(ending)
        ending.add_done_callback(self._endings.discard)

    async def _end(self, child: Child, *, patience_s: float) -> None:
        """Let the turns of *child* run on for a while, interrupt the rest, end it."""
        child.attendant.drain()
        if not await self._idle(child, patience_s):
            child.attendant.cut()
            await self._idle(child, CUT_S)
        await child.stop()
        self._children.discard(child)

    async def _idle(self, child: Child, seconds: float) -> bool:
        """Whether the last turn of *child* is over within *seconds*."""
        end_s = self._clock.now() + seconds
        while child.attendant.turns and not child.lost and self._clock.now() < end_s:
            await self._clock.sleep(LOOK_S)
        return not child.attendant.turns or child.lost

    # --- what changes

    @property
    def _wakeable(self) -> bool:
        return self.failed_starts <= MOST_WAKEABLE_FAILURES

    def _enter(self, condition: Condition) -> None:
        self.condition = condition
        self._on_change()

    def _set_alarm(self, due_s: float) -> None:
        self._silence_alarm()
        self.retry_at_s = due_s
        self._alarm = self._clock.call_at(due_s, self._ring)

    def _silence_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _ring(self) -> None:
        if self._rung is not None and not self._rung.done():
            self._rung.set_result(None)


def reason_of(error: Exception) -> str:
    """Why a start failed, for the log."""
    detail = error.detail if isinstance(error, TurnstileError) else None
    return detail or str(error) or type(error).__name__
