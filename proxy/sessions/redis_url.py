"""Where Redis is, as a URL says it; what a URL says may be a secret, so no message repeats it.

    redis://[[user]:password@]host[:6379][/db]                  one server
    unix://[[user]:password@]/path/redis.sock[?db=0]            one server, on this host
    redis+sentinel://[…@]host[:26379][,host…]/service[/db]      whichever server the sentinels name
    redis+cluster://[…@]host[:6379][,host…]                     a cluster, found through any of these nodes

`rediss` in place of `redis` asks for TLS, of sentinels too.  User and password are the servers' own; what sentinels
want is given as `?sentinel_username=…&sentinel_password=…`.  Options of TLS: `ssl_ca_certs`, `ssl_certfile`,
`ssl_keyfile` (paths), `ssl_cert_reqs` (`required` or `none`), `ssl_check_hostname` (`true` or `false`).
"""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias
from urllib.parse import parse_qsl, unquote

from proxy.sessions.sqlite_file import StoreUnusable

REDIS_PORT = 6379
SENTINEL_PORT = 26379

Kind: TypeAlias = Literal["server", "unix", "sentinel", "cluster"]
Node: TypeAlias = tuple[str, int]

KINDS: dict[str, Kind] = {"": "server", "+sentinel": "sentinel", "+cluster": "cluster"}
PATHS = frozenset({"ssl_ca_certs", "ssl_certfile", "ssl_keyfile"})
FLAGS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Login:
    """Who asks; nothing of it is in its `repr`."""

    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class RedisUrl:
    """A URL, taken apart."""

    kind: Kind
    login: Login
    sentinel_login: Login = Login()
    tls: bool = False
    nodes: tuple[Node, ...] = ()
    path: str = ""
    service: str = ""
    db: int = 0
    tls_options: dict[str, str | bool] = field(default_factory=dict)


def parsed(url: str) -> RedisUrl:
    """*url*, taken apart; raises `StoreUnusable`."""
    scheme, _, rest = url.partition("://")
    rest, _, query = rest.partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    authority, _, path = rest.partition("/")
    given, _, places = authority.rpartition("@")
    username, _, password = given.partition(":")
    login = Login(unquote(username) or None, unquote(password) or None)
    found = _unix(login, unquote(path), options) if scheme == "unix" else _remote(scheme, login, places, path, options)
    if options:
        names = ", ".join(sorted(name if name.isidentifier() else "…" for name in options))
        raise _bad(f"options that are not known, or not for this kind: {names}")
    return found


def _unix(login: Login, path: str, options: dict[str, str]) -> RedisUrl:
    if not path:
        raise _bad("the path of the socket is missing")
    return RedisUrl("unix", login, path=f"/{path}", db=_db(options.pop("db", "")))


def _remote(scheme: str, login: Login, places: str, path: str, options: dict[str, str]) -> RedisUrl:
    tls = scheme.startswith("rediss")
    kind = KINDS[scheme.removeprefix("rediss" if tls else "redis")]
    service, sentinel_login = "", Login()
    if kind == "sentinel":
        service, _, path = path.partition("/")
        if not service:
            raise _bad("the name of the service is missing: redis+sentinel://host:26379/service")
        sentinel_login = Login(options.pop("sentinel_username", None), options.pop("sentinel_password", None))
    db = _db(options.pop("db", "") or path)
    if kind == "cluster" and db:
        raise _bad("a cluster has no databases but 0")
    port = SENTINEL_PORT if kind == "sentinel" else REDIS_PORT
    nodes = tuple(_node(place, port) for place in places.split(","))
    if kind == "server" and len(nodes) > 1:
        raise _bad("several hosts are for redis+sentinel:// and redis+cluster://")
    tls_options = _tls_options(options) if tls else {}
    return RedisUrl(kind, login, sentinel_login, tls, nodes, "", service, db, tls_options)


def _node(place: str, default_port: int) -> Node:
    """`host:port`, where the port may be missing, and the host be an IPv6 address in brackets."""
    host, bracket, port = place.rpartition("]") if place.startswith("[") else place.partition(":")
    if bracket == "]":
        host, port = host.removeprefix("["), port.removeprefix(":")
    if port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise _bad("a port is not a number from 1 to 65535")
    return unquote(host) or "localhost", int(port or default_port)


def _db(text: str) -> int:
    if text and not (text.isascii() and text.isdigit()):
        raise _bad("the database is not a number")
    return int(text or 0)


def _tls_options(options: dict[str, str]) -> dict[str, str | bool]:
    """What *options* say of TLS, taken out of them."""
    found: dict[str, str | bool] = {name: options.pop(name) for name in PATHS & options.keys()}
    if (certificates := options.pop("ssl_cert_reqs", None)) is not None:
        if certificates not in ("required", "none"):
            raise _bad("ssl_cert_reqs is neither required nor none")
        found["ssl_cert_reqs"] = certificates
    if (hostname := options.pop("ssl_check_hostname", None)) is not None:
        if hostname not in FLAGS:
            raise _bad("ssl_check_hostname is neither true nor false")
        found["ssl_check_hostname"] = FLAGS[hostname]
    return found


def _bad(what: str) -> StoreUnusable:
    return StoreUnusable(f"session.store: the URL of Redis is not right: {what}")
