"""Which base URLs callers may name: pure judgement, before anything is resolved or connected.

What the host resolves to is judged when a connection is made, see `guarded`.
"""

import re
import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_address
from typing import Literal

from yarl import URL

from proxy.config import Dynamic
from proxy.errors import RequestRejected
from proxy.upstreams.http.addresses import Address

PARAM = "upstream_base_url"
MAX_CHARS = 2048
MAX_NAME_CHARS = 253  # RFC 1035 §2.3.4, less the last dot
ANY_HOST = "*"
DEFAULT_PORTS = {"http": 80, "https": 443}

_SHAPE = re.compile(r"(?:https?)://([^/?#]+)(/[^?#]*)?", re.IGNORECASE)
_NAME = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_ENTRY = re.compile(r"(?P<host>\[[^\]]+\]|[^:]+)(?::(?P<port>.+))?")


@dataclass(frozen=True, slots=True)
class Named:
    """A base URL that a caller may name: as it is connected to, and what allows it."""

    url: URL
    by: Literal["dynamic", "allowlist"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of `allow_hosts`: a host, all below one, or any; *port* None = the scheme's own, 0 = any."""

    host: str
    below: bool
    port: int | None
    address: Address | None

    @property
    def any_host(self) -> bool:
        """Whether every host matches."""
        return self.host == ANY_HOST

    def allows(self, host: str, address: Address | None, port: int, scheme: str, *, private: bool) -> bool:
        """Whether a host, which may be an *address*, is allowed at *port*."""
        if self.port is None and port != DEFAULT_PORTS[scheme]:
            return False
        if self.port not in (None, 0, port):
            return False
        if address is not None:
            return address == self.address or (self.any_host and private)
        if self.any_host:
            return True
        return host.endswith(f".{self.host}") if self.below else host == self.host


def entry_of(text: str) -> Entry:
    """An entry as it is configured."""
    found = _ENTRY.fullmatch(text)
    assert found is not None  # noqa: S101 - the configuration was checked
    host = found["host"].strip("[]")
    port = None if found["port"] is None else 0 if found["port"] == "*" else int(found["port"])
    below = host.startswith("*.")
    return Entry(host.removeprefix("*."), below, port, None if below else literal_of(host))


def literal_of(host: str) -> Address | None:
    """The address that *host* spells, in any way that a resolver would take for one; None for a name.

    Raises ValueError for what ends in a number and is none.
    """
    if ":" in host:
        return ip_address(host)
    if not _NUMBER.fullmatch(host.rpartition(".")[2]):
        return None
    try:
        return IPv4Address(socket.inet_aton(host))
    except OSError:
        raise ValueError(host) from None


class BasePolicy:
    """The rules of one upstream.  *own* is its configured base; *bound*: its credential is not for everyone's host."""

    def __init__(self, entry: Dynamic, own: str, *, bound: bool) -> None:
        self._entry = entry
        self._own = URL(own).origin() if own else None
        self._bound = bound
        self._entries = tuple(entry_of(each) for each in entry.allow_hosts)

    @property
    def enabled(self) -> bool:
        """Whether callers may name a base URL at all."""
        return self._entry.enabled

    def judge(self, raw: str) -> Named:
        """The base URL that *raw* is.  Raises `RequestRejected`."""
        if not self._entry.enabled:
            raise RequestRejected(
                "Invalid 'upstream_base_url': expected it left out with this model, got a value.",
                code="unsupported_parameter",
                param=PARAM,
            )
        url, host, address = self._parsed(raw)
        scheme, port = url.scheme, url.port or 0
        if scheme == "http" and not self._entry.allow_http:
            raise refused("a URL of https")
        private = self._entry.allow_private
        matches = [each for each in self._entries if each.allows(host, address, port, scheme, private=private)]
        if not matches:
            raise refused("a host that is allowed")
        listed = any(not each.any_host for each in matches)
        if self._bound and not listed and url.origin() != self._own:
            raise refused("a host that this model's credential is meant for")
        return Named(url, "allowlist" if listed else "dynamic")

    def _parsed(self, raw: str) -> tuple[URL, str, Address | None]:
        """The URL as it is connected to, its host in lower case, and the address that the host is, if it is one."""
        shape = _SHAPE.fullmatch(raw)
        if len(raw) > MAX_CHARS or not raw.isprintable() or any(each in raw for each in " \\") or shape is None:
            raise refused("an absolute URL of https, without query and fragment")
        if any(each in shape[1] for each in "@%"):
            raise refused("a URL with a plain host, and without user and password")
        try:
            url = URL(raw)
            host = (url.raw_host or "").lower().removesuffix(".")
            address = literal_of(host)
            if address is not None:
                url = url.with_host(str(address))
        except (ValueError, UnicodeError):
            raise refused("a URL with a valid host and port") from None
        if not url.port or (address is None and not _is_name(host)):
            raise refused("a URL with a valid host and port")
        return url if address is not None else url.with_host(host), host, address


def _is_name(host: str) -> bool:
    return len(host) <= MAX_NAME_CHARS and _NAME.fullmatch(host) is not None


def refused(expected: str) -> RequestRejected:
    """The refusal of a base URL, which is not repeated: it may hold anything."""
    return RequestRejected(f"Invalid '{PARAM}': expected {expected}, got something else.", param=PARAM)
