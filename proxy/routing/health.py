"""How an upstream is: its circuits, one for each model entry that uses it, and the standing of its credential."""

from random import Random
from typing import Literal

from proxy.config import Breaker
from proxy.deadline import Clock
from proxy.errors import TurnstileError, UpstreamAuthFailed, UpstreamChallenge
from proxy.ports import Credential as Login
from proxy.ports import CredentialState
from proxy.routing.breaker import Circuit, Outcome
from statechart.vocabulary import Event

FIRST_REST_S = 1.0  # of a credential whose upstream gave no Retry-After; doubles up to the longest
LONGEST_REST_S = 30.0
ANSWERS_ABOUT_THE_REQUEST = (Event.UPSTREAM_REFUSED, Event.UPSTREAM_DENIED)


def outcome_of(error: TurnstileError | None) -> Outcome:
    """What the end of a call says about the health of the upstream."""
    if error is None or error.event in ANSWERS_ABOUT_THE_REQUEST:
        return Outcome.SUCCESS
    return Outcome.FAILURE if error.trips_breaker else Outcome.NOTHING


class Credential:
    """Whether an upstream's credential is *aside*, since it was refused, or *resting*, since it was limited.

    *login*, where there is one, may change while the daemon runs: a new one is not held to what the old one met.
    """

    def __init__(self, clock: Clock, login: Login | None = None) -> None:
        self._clock = clock
        self._login = login
        self._version = login.version if login is not None else 0
        self._suspect = False
        self._aside_until = 0.0
        self._resting_until = 0.0
        self._rest_s = FIRST_REST_S

    def aside_s(self) -> float:
        """Seconds until it is used again after it was refused."""
        left_s = max(0.0, self._aside_until - self._clock.now())
        return left_s if left_s and not self._replaced() else 0.0

    def resting_s(self) -> float:
        """Seconds until it may be used again after a rate limit."""
        return max(0.0, self._resting_until - self._clock.now())

    @property
    def state(self) -> CredentialState | Literal["suspect"] | None:
        """How the login is: `suspect` from when it was refused until it serves again, or another takes its place."""
        if self._login is None:
            return None
        return "suspect" if self._suspect and not self._replaced() else self._login.state

    def _replaced(self) -> bool:
        if self._login is None or self._login.version == self._version:
            return False
        self._version = self._login.version
        self._clear()
        return True

    def _clear(self) -> None:
        self._suspect = False
        self._aside_until = 0.0

    def hear(self, error: TurnstileError | None) -> None:
        """Hear how a call with it has ended."""
        if error is None:
            self._rest_s = FIRST_REST_S
            self._clear()
            return
        now = self._clock.now()
        self._suspect = self._suspect or isinstance(error, UpstreamAuthFailed | UpstreamChallenge)
        if error.credential_aside_s:
            self._aside_until = now + error.credential_aside_s
        if error.cools_credential:
            rest_s = error.retry_after_s
            if rest_s is None:
                rest_s, self._rest_s = self._rest_s, min(LONGEST_REST_S, self._rest_s * 2)
            self._resting_until = max(self._resting_until, now + rest_s)


class UpstreamHealth:
    """What is known of one upstream, in the memory of one process.

    Where callers' own keys are passed through (*shared_credential* false), one caller's limits are not another's.
    *login* is the upstream's own, where that may change.
    """

    def __init__(
        self, policy: Breaker, clock: Clock, random: Random, *, shared_credential: bool, login: Login | None = None
    ) -> None:
        self._policy = policy
        self._clock = clock
        self._random = random
        self._circuits: dict[str, Circuit] = {}
        self._credential = Credential(clock, login) if shared_credential else None

    def of_model(self, model_id: str) -> "ModelHealth":
        """The health of this upstream as one model entry sees it."""
        circuit = self._circuits.setdefault(model_id, Circuit(self._policy, self._clock, self._random))
        return ModelHealth(self, circuit)

    @property
    def state(self) -> str:
        """`ok`, `open` when any circuit is, `aside` when the credential is."""
        if self._credential is not None and self._credential.aside_s():
            return "aside"
        return "open" if any(circuit.is_open for circuit in self._circuits.values()) else "ok"

    @property
    def credential_state(self) -> CredentialState | Literal["suspect"] | None:
        """How the upstream's own login is; None where that is settled by the configuration."""
        return self._credential.state if self._credential else None

    def blocked_s(self) -> float:
        """Seconds for which the credential must not be used."""
        return self._credential.aside_s() if self._credential else 0.0

    def resting_s(self) -> float:
        """Seconds for which the credential had better not be used."""
        return self._credential.resting_s() if self._credential else 0.0

    def hear(self, error: TurnstileError | None, told: Circuit) -> None:
        """Hear how a call has ended, as far as it concerns more than the circuit that was *told* already."""
        if self._credential is not None:
            self._credential.hear(error)
        if error is not None and error.fails_whole_upstream:
            for circuit in self._circuits.values():
                if circuit is not told and not circuit.is_open:
                    circuit.leave(circuit.epoch, Outcome.FAILURE)


class ModelHealth:
    """A `Health`: one upstream as one model entry sees it."""

    def __init__(self, upstream: UpstreamHealth, circuit: Circuit) -> None:
        self._upstream = upstream
        self._circuit = circuit

    def wait_s(self) -> float:
        """Seconds until a call may be made; 0 = now."""
        return max(self._upstream.blocked_s(), self._circuit.wait_s())

    @property
    def rests(self) -> bool:
        """Whether a call may be made, but another upstream is the better choice."""
        return self._upstream.resting_s() > 0

    def enter(self) -> "Visit":
        """Begin a call, which must be allowed."""
        return Visit(self._upstream, self._circuit)


class Visit:
    """One call, as health sees it: it says at most one thing about the circuit."""

    def __init__(self, upstream: UpstreamHealth, circuit: Circuit) -> None:
        self._upstream = upstream
        self._circuit = circuit
        self._epoch = circuit.enter()
        self._open = True

    def answered(self) -> None:
        """The first delta has come: a probe has found what it looked for, however the answer goes on."""
        if self._circuit.is_open:
            self._circuit.leave(self._epoch, Outcome.SUCCESS)
            self._epoch = self._circuit.epoch

    def leave(self, error: TurnstileError | None) -> None:
        """The call has ended."""
        if not self._open:
            return
        self._open = False
        self._circuit.leave(self._epoch, outcome_of(error))
        self._upstream.hear(error, self._circuit)
