"""How the processes of an installation share a token: each generation is fetched once, by whoever holds the lock."""

from dataclasses import dataclass, field
from math import inf
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class SharedToken:
    """A token as it is shared; times are Unix milliseconds, None = for as long as it is not refused."""

    generation: int
    token: str = field(repr=False)
    expires_at_ms: int | None = None
    renew_at_ms: int | None = None

    def left_s(self, wall_s: float) -> tuple[float, float]:
        """Seconds until it ends, and until it is to be renewed."""
        ends, renewed = self.expires_at_ms, self.renew_at_ms
        return (
            inf if ends is None else ends / 1000 - wall_s,
            inf if renewed is None else renewed / 1000 - wall_s,
        )


@dataclass(frozen=True, slots=True)
class Seen:
    """What a try at the lock has brought: whether it is ours (*lock*, None if another holds it), and what is shared."""

    lock: Any
    token: SharedToken | None


class TokenShare(Protocol):
    """Where a token is shared.  Nothing here raises: a store that fails stands for one that holds nothing."""

    async def take(self, *, hold_s: float) -> Seen:
        """Try to take the lock for *hold_s* seconds, and read, in one step."""

    async def put(self, lock: Any, token: SharedToken) -> None:
        """Share *token*, and give the lock back, in one step."""

    def let_go(self, lock: Any) -> None:
        """Give the lock back, whatever comes of it."""


class NoShare:
    """Nothing is shared: the lock is always ours."""

    async def take(self, *, hold_s: float) -> Seen:
        """Ours."""
        del hold_s
        return Seen(self, None)

    async def put(self, lock: Any, token: SharedToken) -> None:
        """Nobody is told."""

    def let_go(self, lock: Any) -> None:
        """Nobody waits."""


NO_SHARE = NoShare()
