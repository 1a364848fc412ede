"""The circuit breaker: an upstream that fails is left alone for a while, then asked again by one request at a time.

A circuit is *closed* as long as things go well.  It *opens* when enough outcomes of the last seconds were failures.
When its time is over it is *half-open*: one real request probes, and its outcome closes or opens the circuit.
"""

from collections import deque
from enum import Enum
from random import Random

from proxy.config import Breaker
from proxy.deadline import Clock

OPEN_SPREAD = 0.1  # instances that opened together do not probe together
LEAST_FAILED_SHARE = 0.5  # of the outcomes in the window: a few failures among many successes are no outage


class Outcome(Enum):
    """What a call says about the health of what was called."""

    SUCCESS = "success"
    FAILURE = "failure"
    NOTHING = "nothing"  # the caller left, a rate limit, our own doing


class Circuit:
    """One circuit, in the memory of one process.

    Every call is made under an *epoch*, which changes with the circuit's state: what a call says that began before the
    last change is not heard.
    """

    def __init__(self, policy: Breaker, clock: Clock, random: Random) -> None:
        self._policy = policy
        self._clock = clock
        self._random = random
        self.epoch = 0
        self._open_until: float | None = None
        self._probing = False
        self._seconds: deque[tuple[int, int, int]] = deque()  # (second, failures, outcomes), oldest first

    @property
    def is_open(self) -> bool:
        """Whether the circuit is not closed."""
        return self._open_until is not None

    def wait_s(self) -> float:
        """Seconds until a call may be made; 0 when it may be made now."""
        if self._open_until is None:
            return 0.0
        left_s = self._open_until - self._clock.now()
        return max(left_s, 1.0) if self._probing else max(left_s, 0.0)

    def enter(self) -> int:
        """Begin a call, which must be allowed; returns its epoch."""
        if self._open_until is not None:
            self._probing = True
        return self.epoch

    def leave(self, epoch: int, outcome: Outcome) -> None:
        """Hear of a call that began in *epoch*."""
        if epoch != self.epoch:
            return
        if self._open_until is not None:
            self._probing = False
            if outcome is Outcome.SUCCESS:
                self._close()
            elif outcome is Outcome.FAILURE:
                self._open()
        elif outcome is not Outcome.NOTHING:
            self._count(failed=outcome is Outcome.FAILURE)

    def _count(self, *, failed: bool) -> None:
        second = int(self._clock.now())
        _, failures, outcomes = self._seconds.pop() if self._seconds and self._seconds[-1][0] == second else (0, 0, 0)
        self._seconds.append((second, failures + failed, outcomes + 1))
        while self._seconds[0][0] <= second - self._policy.window_s:
            self._seconds.popleft()
        if not failed:
            return
        all_failures = sum(row[1] for row in self._seconds)
        all_outcomes = sum(row[2] for row in self._seconds)
        if 0 < self._policy.failures <= all_failures and all_failures >= LEAST_FAILED_SHARE * all_outcomes:
            self._open()

    def _open(self) -> None:
        spread = self._random.uniform(1 - OPEN_SPREAD, 1 + OPEN_SPREAD)
        self._open_until = self._clock.now() + self._policy.open_s * spread
        self.epoch += 1
        self._seconds.clear()

    def _close(self) -> None:
        self._open_until = None
        self.epoch += 1
        self._seconds.clear()
