"""The login of an upstream: a token and cookies, from the configuration or from a file kept fresh elsewhere."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import structlog

from proxy.config import QwenCredential
from proxy.deadline import Clock
from proxy.errors import UpstreamUnavailable
from proxy.ports import CredentialState
from proxy.wire.upstream.redact import redact

LOOK_EVERY_S = 1.0  # a file is looked at when it is needed, but not for every request of a busy second
MAX_FILE_BYTES = 256 * 1024
_LOGIN_COOKIE = "token"
_SHORTEST_SECRET = 6  # characters; what is shorter is found in any text

log = structlog.get_logger("turnstile.credentials")


@dataclass(frozen=True, slots=True)
class Login:
    """What is sent along with a call; *expires_at* in Unix seconds."""

    token: str = field(repr=False)
    cookies: str = field(repr=False)
    expires_at: float | None = None

    @property
    def is_guest(self) -> bool:
        """Whether the cookies are those of a visitor: none of them is named `token`."""
        return all(name != _LOGIN_COOKIE for name, _value in _cookies(self.cookies))

    def clean(self, text: str) -> str:
        """*text* without anything of the login in it, and otherwise fit to be logged."""
        secrets = [self.token, self.cookies, *(value for _name, value in _cookies(self.cookies))]
        for secret in sorted(secrets, key=len, reverse=True):
            if len(secret) >= _SHORTEST_SECRET:
                text = text.replace(secret, "[key]")
        return redact(text)


def _cookies(header: str) -> Iterator[tuple[str, str]]:
    for pair in header.split(";"):
        name, _, value = pair.partition("=")
        yield name.strip(), value.strip()


class Standing:
    """The login of one upstream as it is now."""

    def __init__(self, configured: QwenCredential, upstream: str, clock: Clock) -> None:
        self._upstream = upstream
        self._clock = clock
        self.path = configured.path
        self.login: Login | None = None
        self._version = 0
        self._seen: tuple[int, int] | None = None  # time of change and size of the file, when it was read last
        self._looked_s: float | None = None
        self._complained = False
        if configured.token is not None and configured.cookies is not None:
            self.login = Login(configured.token.reveal(), configured.cookies.reveal())
        self._look()

    @property
    def state(self) -> CredentialState:
        """Whether there is a login, and whether its time is over."""
        self._look()
        if self.login is None:
            return "absent"
        expires_at = self.login.expires_at
        return "expired" if expires_at is not None and expires_at <= self._clock.wall() else "valid"

    @property
    def version(self) -> int:
        """A number that changes with the login."""
        self._look()
        return self._version

    def take(self) -> Login:
        """The login for a turn, which keeps it to its end.  Raises `UpstreamUnavailable`, saying why there is none."""
        state = self.state
        if state != "valid" or self.login is None:
            raise UpstreamUnavailable(f"The credential of this model's upstream is {state}.")
        return self.login

    def inherit(self, before: "Standing") -> None:
        """Take over the login of *before*, where it came from the same file and that can't be read just now."""
        if self.login is None and self.path is not None and self.path == before.path:
            self.login = before.login

    def _look(self) -> None:
        """Read the file again if it has changed; it is looked at when it is needed, but at most once a second."""
        now = self._clock.now()
        if self.path is None or (self._looked_s is not None and now - self._looked_s < LOOK_EVERY_S):
            return
        self._looked_s = now
        try:
            told = Path(self.path).stat()
            seen = (told.st_mtime_ns, told.st_size)
            if seen == self._seen:
                return
            self._seen = seen
            self.login = read_login(Path(self.path))
        except (OSError, ValueError) as error:
            self._complain(error)
            return
        self._version += 1
        self._complained = False

    def _complain(self, error: Exception) -> None:
        """Say once that the file is of no use; what was there before stays."""
        if not self._complained:
            self._complained = True
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            log.warning("a credential file is of no use", upstream=self._upstream, reason=reason.lower())


def read_login(path: Path) -> Login:
    """The login in a file.  Raises OSError, and ValueError, which says what is wrong and not what is in it."""
    with path.open("rb") as file:
        raw = file.read(MAX_FILE_BYTES + 1)
    try:
        told = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise ValueError("it is not JSON") from None
    if type(told) is not dict:
        raise ValueError("it is not a JSON object")
    expires_at = told.get("expires_at")
    if expires_at is not None and type(expires_at) not in (int, float):
        raise ValueError("`expires_at` is neither a number of seconds nor null")
    return Login(_text(told, "token"), _text(told, "cookies"), expires_at)


def _text(told: dict[str, Any], name: str) -> str:
    value = told.get(name)
    if type(value) is not str or not value:
        raise ValueError(f"`{name}` is missing")
    if not value.isprintable() or not value.isascii():
        raise ValueError(f"`{name}` holds what can't stand in a header")
    return value
