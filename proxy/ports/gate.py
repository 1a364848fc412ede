"""Who may, is there room, and is the daemon going down."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Protocol

from proxy.wire.answer import RateLimit

Release = Callable[[], None]
"""Gives a slot, a lease or a place back; safe to call once, at any time, from anywhere on the loop."""


ANONYMOUS = "anyone"
"""The name of every caller where no key is asked for."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is calling: the name of the key, a fingerprint of it for logs and scopes, and what it is allowed."""

    name: str
    fingerprint: str
    models: tuple[str, ...]
    rpm: int
    max_parallel: int

    def with_passed(self, token: str | None) -> "Caller":
        """The same, told apart by the token that is passed on, where no key is asked for that would do it."""
        if self.name != ANONYMOUS or not token:
            return self
        digest = blake2b(token.encode("utf-8", "surrogatepass"), digest_size=6, person=b"passed token")
        return replace(self, fingerprint=digest.hexdigest())

    def may_use(self, model_id: str) -> bool:
        """Whether the key's list names the model, all models, or a prefix of it (`mix/*`)."""
        return any(
            allowed in ("*", model_id) or (allowed.endswith("/*") and model_id.startswith(allowed[:-1]))
            for allowed in self.models
        )


class Gate(Protocol):
    """Who is calling, and whether there is room for them."""

    def check_room(self) -> None:
        """Raise `Overloaded` when all slots and the whole queue are taken, so that a body need not be read."""

    def identify(self, presented_key: str | None) -> Caller:
        """The caller behind a key.  Raises `InvalidApiKey`."""

    def limit(self, caller: Caller) -> Release:
        """Count a request against the caller's own limits.  Raises `RateLimitExceeded`, `ConcurrencyLimitExceeded`."""

    def rate_limits(self, caller: Caller) -> Sequence[RateLimit]:
        """What a caller who has limits may still use."""

    async def admit(self) -> Release:
        """Wait for a slot in the daemon.  Raises `Overloaded` when the queue is full."""


class Slots(Protocol):
    """A bounded number of calls at a time, first come first served."""

    async def take(self) -> Release:
        """Wait for a slot."""


class Lifecycle(Protocol):
    """What the daemon is about to do."""

    @property
    def draining(self) -> bool:
        """Whether the daemon takes its leave: answers carry `Connection: close`."""

    @property
    def refusing(self) -> bool:
        """Whether new requests are turned away."""
