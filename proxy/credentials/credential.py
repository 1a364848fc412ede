"""What an adapter shows its upstream, and what it hears about it."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from multidict import MultiMapping

from proxy.config import Credential as Configured
from proxy.credentials.keeper import TokenKeeper
from proxy.credentials.share import TokenShare
from proxy.errors import CredentialStale, PassThroughDenied, TurnstileError
from proxy.wire.request import presented_key

MASK = "***"

_BEARER = re.compile(r"(?:bearer +)?([\x21-\x7e]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Shown:
    """What one call shows: the value of `Authorization`, if any, and the generation of a token that is renewed."""

    authorization: str | None = field(default=None, repr=False)
    generation: int | None = None


NOTHING = Shown()


class Credential:
    """How one upstream is shown who is calling; *keeper* is there where the mode is `managed`."""

    def __init__(self, entry: Configured, keeper: TokenKeeper | None = None) -> None:
        self._entry = entry
        self.mode = entry.mode
        self.keeper = keeper
        self._secrets = tuple(value.reveal() for value in entry.headers.values())
        self._fixed = NOTHING if entry.token is None else Shown(f"Bearer {entry.token.reveal()}")

    async def show(self, caller_headers: MultiMapping[str], on_wait: Callable[[str], None]) -> Shown:
        """What the next call shows; *on_wait* hears of the clock `token`.

        Raises `PassThroughDenied` where the caller has nothing to pass on, `TokenNotIssued` and `TokenTimeout`.
        """
        if self.keeper is not None:
            token = await self.keeper.token(on_wait)
            return Shown(f"Bearer {token.text}", token.generation)
        if self.mode != "pass_through":
            return self._fixed
        passed = passed_token(caller_headers, self._entry.header)
        if passed is None:
            raise PassThroughDenied(f"This model needs a key of its upstream, in the header '{self._entry.header}'.")
        return Shown(f"Bearer {passed}")

    def hear(self, shown: Shown, error: TurnstileError) -> None:
        """Hear what a call that showed *shown* has failed with; a secret that the upstream repeats is taken out."""
        sent = () if shown.authorization is None else (shown.authorization.removeprefix("Bearer "),)
        recent = self.keeper.recent if self.keeper is not None else ()
        for secret in (*sent, *recent, *self._secrets):
            error.message = error.message.replace(secret, MASK)
            error.detail = error.detail and error.detail.replace(secret, MASK)
        error.args = (error.message,)
        if isinstance(error, CredentialStale) and self.keeper is not None and shown.generation is not None:
            error.recoveries = self._entry.recoveries
            self.keeper.refused(shown.generation)

    def keep_secret(self, values: Iterable[str]) -> None:
        """Take these out of what the upstream says, too."""
        self._secrets += tuple(values)

    def join(self, share: TokenShare) -> None:
        """Share tokens with other processes, if this credential has any and may."""
        if self.keeper is not None and self._entry.share:
            self.keeper.join(share)

    async def close(self) -> None:
        """Ask for nothing more."""
        if self.keeper is not None:
            await self.keeper.close()


def passed_token(headers: MultiMapping[str], name: str) -> str | None:
    """The token in the header *name*, with or without `Bearer`; None if it is not there once, and usable.

    What is looked for in `authorization` may stand in `x-api-key` as well, as for the gateway's own keys.
    """
    if name == "authorization":
        return presented_key(headers.getall(name, ()), headers.getall("x-api-key", ()))
    given = headers.getall(name, ())
    found = _BEARER.fullmatch(given[0].strip()) if len(given) == 1 else None
    return found[1] if found else None
