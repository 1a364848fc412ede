"""The course of a request through its candidates: which there are, what was spent, what is still allowed.

The rules: `attempts` calls per candidate and `max_calls` per request; no wait begins that would end after the
request's deadline; a hint from the upstream (Retry-After) is waited for in full or not at all.  Whether a failure may
be tried again at all is the error's own word, and whether it is lawful is the chart's.
"""

from dataclasses import dataclass
from math import inf
from random import Random

from proxy.config import Retry
from proxy.errors import (
    PassThroughDenied,
    TurnstileError,
    UpstreamContextLength,
    UpstreamRateLimited,
    UpstreamRefused,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from proxy.ports import Candidate, Place, Visit

HINT_SPREAD = 0.1  # on top of Retry-After, so that callers who were told the same moment do not come back as one
HINT_SPREAD_CAP_S = 1.0
MOST_DOUBLINGS = 64  # beyond any cap, and below what a float can't hold
ABOUT_THE_CALLER = (PassThroughDenied, UpstreamRateLimited, UpstreamRefused)
"""The 4xx of an upstream."""


@dataclass(slots=True)
class Attempt:
    """One call to one upstream, for the trace and the log."""

    upstream: str
    model_id: str
    began_s: float
    visit: Visit
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
    return random.uniform(0.0, longest_wait_s(attempt, policy))


def longest_wait_s(attempt: int, policy: Retry) -> float:
    """The most seconds to wait after *attempt* calls (1-based) where the upstream gives no hint."""
    return min(policy.cap_s, policy.base_s * 2.0 ** min(attempt - 1, MOST_DOUBLINGS))


class Course:
    """Where a request stands among its candidates, and what it has spent."""

    __slots__ = (
        "_forgiven",
        "_over",
        "_place",
        "_policy",
        "_turn",
        "attempts",
        "bound",
        "candidates",
        "here",
        "position",
    )

    def __init__(self, candidates: tuple[Candidate, ...], policy: Retry, turn: int = 0) -> None:
        self.candidates = candidates
        self.position = 0
        self.here = 0  # calls made to the candidate of this position
        self.attempts: list[Attempt] = []
        self.bound = False  # the upstream whose turn it is has the conversation: another one is not tried for a change
        self._forgiven = 0
        self._over = False
        self._policy = policy
        self._turn = turn  # which of several upstreams of an entry comes first
        self._place: Place | None = None

    @property
    def candidate(self) -> Candidate:
        """The candidate whose turn it is."""
        return self.candidates[self.position]

    @property
    def place(self) -> Place:
        """Where the current call goes; before the first one, where it would go if all were well."""
        return self._place or self._in_turn(self.candidate, self.here)[0]

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
        return self.calls_left and any(
            place.health.wait_s() == 0
            for candidate in self.candidates[self.position + 1 :]
            for place in candidate.places
        )

    def begin(self, now_s: float) -> Attempt:
        """Spend one call on the best place from the current candidate on.

        Raises `UpstreamUnavailable`, with the time that is left, when none may be called.
        """
        self._choose()
        self.here += 1
        place = self.place
        attempt = Attempt(place.upstream.name, self.candidate.model_id, now_s, place.health.enter())
        self.attempts.append(attempt)
        return attempt

    def _choose(self) -> None:
        """Turn to the first candidate that may be called: one whose credential rests only if there is no other."""
        first = self._in_turn(self.candidate, self.here)[0]
        if first.health.wait_s() == 0 and not first.health.rests:  # as nearly always
            self._place = first
            return
        usable = [
            (position, place)
            for position in range(self.position, len(self.candidates))
            for place in self._in_turn(self.candidates[position], self.here if position == self.position else 0)
            if place.health.wait_s() == 0
        ]
        if not usable:
            left = self.candidates[self.position :]
            waits_s = [place.health.wait_s() for candidate in left for place in candidate.places]
            raise UpstreamUnavailable(retry_after_s=min(waits_s))
        position, self._place = next((each for each in usable if not each[1].health.rests), usable[0])
        if position != self.position:
            self.position, self.here = position, 0

    def _in_turn(self, candidate: Candidate, calls: int) -> tuple[Place, ...]:
        """The upstreams of a candidate, the one whose turn it is after *calls* calls first."""
        bound = self.bound and candidate is self.candidates[0]
        first = (self._turn + (0 if bound else calls)) % len(candidate.places)
        return candidate.places[first:] + candidate.places[:first]

    def close_attempt(self, now_s: float, error: TurnstileError | None = None) -> None:
        """Note how the current call ended, unless that was noted already."""
        if not self.attempts or self.attempts[-1].outcome != "open":
            return
        attempt = self.attempts[-1]
        attempt.visit.leave(error)
        attempt.took_s = now_s - attempt.began_s
        attempt.outcome = error.told_code if error else "answered"
        attempt.error = error
        attempt.clock = error.clock if error else None
        if error is not None and error.upstream_status is not None:
            attempt.status = error.upstream_status
        if isinstance(error, UpstreamContextLength):
            self._keep_wider()

    def _keep_wider(self) -> None:
        """Forget later candidates whose window is known to be no wider than the one that was too narrow."""
        narrow = self.candidate.entry.context_window_tokens
        later = self.position + 1
        self.candidates = self.candidates[:later] + tuple(
            candidate
            for candidate in self.candidates[later:]
            if narrow is None or (candidate.entry.context_window_tokens or inf) > narrow
        )

    def forgive(self) -> None:
        """Give the call just made back to the budget: what went wrong is mended once, outside of it."""
        self.here -= 1
        self._forgiven += 1

    def may_repeat(self, error: TurnstileError, left_s: float) -> bool:
        """Whether the budget allows the same candidate another call after *error*, with *left_s* until the deadline."""
        if self.here >= self._policy.attempts or not self.calls_left:
            return False
        if all(place.health.wait_s() > 0 for place in self.candidate.places):
            return False
        if isinstance(error, UpstreamTimeout) and self.others_left:
            return False  # a candidate that is there beats another wait for one that is not
        hint_s = error.retry_after_s
        if hint_s is None:
            return longest_wait_s(self.here, self._policy) < left_s
        reach_s = self._policy.cap_s if self.others_left else self._policy.retry_after_cap_s
        return hint_s <= reach_s and hint_s + min(HINT_SPREAD_CAP_S, hint_s * HINT_SPREAD) < left_s

    def hidden_by(self, error: TurnstileError, left_s: float) -> TurnstileError | None:
        """The failure that *error* must not hide, if the course ends with it.

        A fallback's 4xx says nothing about why the fallback was asked at all, and would send the caller looking for a
        fault in a request that the model asked for would have taken.
        """
        earlier = [attempt.error for attempt in self.attempts[:-1] if attempt.error is not None]
        if not earlier or self.position == 0 or not isinstance(error, ABOUT_THE_CALLER):
            return None
        if (error.retryable and self.may_repeat(error, left_s)) or (error.falls_back and self.others_left):
            return None
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
