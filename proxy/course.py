"""The course of a request through its candidates: which there are, what was spent, what is still allowed.

The rules: `attempts` calls per candidate and `max_calls` per request; no wait begins that would end after the
request's deadline; a hint from the upstream (Retry-After) is waited for in full or not at all.  Whether a failure may
be tried again at all is the error's own word, and whether it is lawful is the chart's.
"""

from dataclasses import dataclass
from random import Random

from proxy.config import Retry
from proxy.errors import PassThroughDenied, TurnstileError, UpstreamRateLimited, UpstreamRefused, UpstreamTimeout
from proxy.ports import Candidate, Place

HINT_SPREAD = (
    0.1  # a tenth on top of Retry-After, so that callers who were told the same moment do not come back as one
)
HINT_SPREAD_CAP_S = 1.0
ABOUT_THE_CALLER = (PassThroughDenied, UpstreamRateLimited, UpstreamRefused)
"""The 4xx of an upstream."""


@dataclass(slots=True)
class Attempt:
    """One call to one upstream, for the trace and the log."""

    upstream: str
    model_id: str
    began_s: float
    outcome: str = "open"
    error: TurnstileError | None = None
    clock: str | None = None
    status: int | None = None
    took_s: float = 0.0


def retry_delay_s(attempt: int, hint_s: float | None, policy: Retry, random: Random) -> float:
    """Seconds to wait before the next call, after *attempt* calls (1-based) to this candidate.

    Full jitter over `base_s` · 2**(attempt - 1), capped at `cap_s`; the upstream's Retry-After (*hint_s*) is waited in
    full, plus a little.  RFC 9110 §10.2.3.
    """
    if hint_s is not None:
        return hint_s + random.uniform(0.0, min(HINT_SPREAD_CAP_S, hint_s * HINT_SPREAD))
    return random.uniform(0.0, min(policy.cap_s, policy.base_s * 2.0 ** (attempt - 1)))


class Course:
    """Where a request stands among its candidates, and what it has spent."""

    __slots__ = ("_forgiven", "_over", "_policy", "_turn", "attempts", "candidates", "here", "position")

    def __init__(self, candidates: tuple[Candidate, ...], policy: Retry, turn: int = 0) -> None:
        self.candidates = candidates
        self.position = 0
        self.here = 0  # calls made to the candidate of this position
        self.attempts: list[Attempt] = []
        self._forgiven = 0
        self._over = False
        self._policy = policy
        self._turn = turn  # which of several upstreams of an entry comes first

    @property
    def candidate(self) -> Candidate:
        """The candidate whose turn it is."""
        return self.candidates[self.position]

    @property
    def place(self) -> Place:
        """Where the current, or the next, call to the candidate goes: its upstreams take turns."""
        places = self.candidate.places
        return places[(self._turn + max(self.here - 1, 0)) % len(places)]

    @property
    def _calls(self) -> int:
        return len(self.attempts) - self._forgiven

    @property
    def calls_left(self) -> bool:
        """Whether the budget of the whole request allows another call."""
        return not self._over and self._calls < self._policy.max_calls

    @property
    def others_left(self) -> bool:
        """Whether a candidate is left after this one, and a call to spend on it."""
        return self.position + 1 < len(self.candidates) and self.calls_left

    def begin(self, now_s: float) -> Attempt:
        """Spend one call."""
        self.here += 1
        candidate = self.candidate
        attempt = Attempt(self.place.upstream.name, candidate.model_id, now_s)
        self.attempts.append(attempt)
        return attempt

    def close_attempt(self, now_s: float, error: TurnstileError | None = None) -> None:
        """Note how the current call ended, unless that was noted already."""
        if not self.attempts or self.attempts[-1].outcome != "open":
            return
        attempt = self.attempts[-1]
        attempt.took_s = now_s - attempt.began_s
        attempt.outcome = error.told_code if error else "answered"
        attempt.error = error
        attempt.clock = error.clock if error else None
        if error is not None and error.upstream_status is not None:
            attempt.status = error.upstream_status

    def forgive(self) -> None:
        """Give the call just made back to the budget: what went wrong is mended once, outside of it."""
        self.here -= 1
        self._forgiven += 1

    def may_repeat(self, error: TurnstileError, left_s: float) -> bool:
        """Whether the budget allows the same candidate another call after *error*, with *left_s* until the deadline."""
        if self.here >= self._policy.attempts or not self.calls_left:
            return False
        if isinstance(error, UpstreamTimeout) and self.others_left:
            return False  # a candidate that is there beats another wait for one that is not
        hint_s = error.retry_after_s
        if hint_s is None:
            return min(self._policy.cap_s, self._policy.base_s * 2.0 ** (self.here - 1)) < left_s
        reach_s = self._policy.cap_s if self.others_left else self._policy.retry_after_cap_s
        return hint_s <= reach_s and hint_s + min(HINT_SPREAD_CAP_S, hint_s * HINT_SPREAD) < left_s

    def hidden_by(self, error: TurnstileError, left_s: float) -> TurnstileError | None:
        """The failure that *error* must not hide, if the course ends with it.

        A fallback's 4xx says nothing about why the fallback was asked at all, and would send the caller looking for a
        fault in a request that the model asked for would have taken.
        """
        if self.position == 0 or not isinstance(error, ABOUT_THE_CALLER):
            return None
        if (error.retryable and self.may_repeat(error, left_s)) or (error.falls_back and self.others_left):
            return None
        earlier = [attempt.error for attempt in self.attempts[:-1] if attempt.error is not None]
        return next((each for each in reversed(earlier) if not isinstance(each, ABOUT_THE_CALLER)), earlier[0])

    def give_up(self) -> None:
        """Make no more calls."""
        self._over = True

    def next_delay_s(self, error: TurnstileError, left_s: float, random: Random) -> float:
        """Choose what comes after *error*, move there, and say how long to wait first (0 for another candidate)."""
        if not self.others_left or (error.retryable and self.may_repeat(error, left_s)):
            return retry_delay_s(self.here, error.retry_after_s, self._policy, random)
        self.move_on()
        return 0.0

    def move_on(self) -> None:
        """Turn to the next candidate."""
        self.position += 1
        self.here = 0
