"""The plain tables: `[server]`, `[auth]`, `[retry]`, `[breaker]`, `[log]`."""

from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Annotated, Any, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, PlainValidator

from proxy.config.fields import (
    NEEDS_RESTART,
    Bytes,
    Count,
    Integer,
    Name,
    Names,
    Positive,
    Seconds,
    Section,
    Text,
    Unit,
    unique,
)
from proxy.config.problems import kind_of, problem
from proxy.config.secret import KeyField
from proxy.dialects.port import MAX_CALL_BYTES

_UNIX_PATH_MAX_BYTES = 107  # sun_path holds 108 with the closing zero; unix(7)


def _network(value: Any) -> IPv4Network | IPv6Network:
    if isinstance(value, IPv4Network | IPv6Network):
        return value
    if not isinstance(value, str):
        raise problem(f"expected a string, got {kind_of(value)}")
    try:
        return ip_network(value)
    except ValueError as error:
        raise problem(f"expected an address or a network like 10.0.0.0/8: {error}") from None


def _origin(value: str) -> str:
    """A browser's origin, as it stands in the header `Origin`; RFC 6454 §6.2."""
    if value == "*":
        return value
    try:
        parts = urlsplit(value)
        whole = f"{parts.scheme}://{parts.netloc}"
        fits = parts.scheme in ("http", "https") and parts.hostname and "@" not in parts.netloc and parts.port != 0
    except ValueError:
        fits = False
    if not fits or value != whole:
        raise problem("expected '*' or an origin like https://chat.example.org, without a path")
    return value


def _unix_path(value: str) -> str:
    if len(value.encode()) > _UNIX_PATH_MAX_BYTES:
        raise problem(f"a socket's path has at most {_UNIX_PATH_MAX_BYTES} bytes")
    return value


Network: TypeAlias = Annotated[IPv4Network | IPv6Network, PlainValidator(_network)]
Origins: TypeAlias = Annotated[tuple[Annotated[str, AfterValidator(_origin)], ...], AfterValidator(unique)]


class Server(Section):
    """Where the daemon listens, and how much it takes on."""

    host: Annotated[Name, NEEDS_RESTART] = "127.0.0.1"
    """Address or host name to listen on."""
    unix: Annotated[Text, AfterValidator(_unix_path), NEEDS_RESTART] = ""
    """Path of a Unix socket to listen on instead of `host` and `port`; empty = off."""
    port: Annotated[Integer, Field(ge=0, le=65535), NEEDS_RESTART] = 8080
    """TCP port; 0 = any free one."""
    workers: Annotated[Positive, NEEDS_RESTART] = 1
    """Processes that share the port."""
    max_body_bytes: Bytes = 10_485_760
    """Largest body of a request."""
    max_in_flight: Annotated[Positive, Unit("requests"), NEEDS_RESTART] = 1000
    """Requests under way at a time, per worker; more wait in a queue."""
    max_queued: Annotated[Count, Unit("requests"), NEEDS_RESTART] = 100
    """Places in that queue, each held for the clock `queue` at most; beyond it the answer is `overloaded`."""
    max_event_bytes: Bytes = 4_194_304
    """Largest line or event of an upstream."""
    max_answer_bytes: Bytes = 8_388_608
    """Largest answer of an upstream, collected or streamed."""
    allow_header_overrides: bool = False
    """Let callers choose by headers how answers are told: `x-stop-after-tools` and its like; else these do nothing."""
    drain_s: Seconds = 30.0
    """How long live requests may run on after SIGTERM."""
    trusted_proxies: tuple[Network, ...] = (ip_network("127.0.0.1/32"), ip_network("::1/128"))
    """Peers whose word on the caller's address (`X-Forwarded-For`) is believed."""
    cors_origins: Origins = ()
    """Origins whose pages may call from a browser; `*` = any, empty = CORS is off."""

    @property
    def is_local(self) -> bool:
        """Whether only this host can connect."""
        if self.unix or self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False


class Key(Section):
    """A caller's key.  Only its SHA-256 is kept once the configuration is loaded."""

    name: Name
    """Who it is, in logs and metrics."""
    key: KeyField
    """The key itself, or `env:NAME` or `file:PATH`."""
    models: Annotated[Names, Field(min_length=1)] = ("*",)
    """Model ids that it may use; `*` = all, `prefix/*` = all under the prefix."""
    rpm: Annotated[Count, Unit("requests/min")] = 0
    """Requests per minute; 0 = no limit."""
    max_parallel: Annotated[Count, Unit("requests")] = 0
    """Requests at a time; 0 = no limit."""


class Auth(Section):
    """Who may call."""

    mode: Literal["keys", "none"] = "keys"
    """`none` asks for no key; refused where others than this host can connect.  Without a file and keys: `none`."""
    allow_open: bool = False
    """Allow `mode = "none"` on any address."""
    keys: tuple[Key, ...] = ()
    """The keys that are accepted."""


class Retry(Section):
    """What is spent on a request whose upstream fails before anything of the answer has left."""

    attempts: Annotated[Positive, Unit("calls")] = 3
    """Calls to one candidate."""
    base_s: Seconds = 0.2
    """Longest wait before the first repeated call; doubles with each, with full jitter."""
    cap_s: Seconds = 5.0
    """The most that wait grows to, and the longest Retry-After that is waited for while another candidate is left."""
    max_calls: Annotated[Positive, Unit("calls")] = 6
    """Calls for one request, over all its candidates."""
    retry_after_cap_s: Seconds = 20.0
    """The longest Retry-After that is waited for at the last candidate."""


class Breaker(Section):
    """When an upstream that fails is left alone; per upstream and model, in the memory of each worker."""

    failures: Annotated[Count, Unit("calls")] = 5
    """Failed calls that open the circuit, if they are at least half of the calls in the window; 0 = never."""
    window_s: Seconds = 30.0
    """The window in which calls are counted."""
    open_s: Seconds = 15.0
    """How long no call is made then, give or take a tenth; after that one request at a time tries."""


class Tools(Section):
    """Tool calls that models write as text."""

    max_call_bytes: Annotated[Bytes, Field(ge=1024)] = MAX_CALL_BYTES
    """Longest text of one call, counted in characters; what is longer is no call."""


class Log(Section):
    """How the daemon logs."""

    format: Annotated[Literal["json", "logfmt", "console"], NEEDS_RESTART] = "json"
    """`json` and `logfmt` for machines, `console` for eyes."""
    level: Annotated[Literal["debug", "info", "warning", "error"], NEEDS_RESTART] = "info"
    """The least severe level that is logged."""
