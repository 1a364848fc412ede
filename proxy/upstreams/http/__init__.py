"""HTTP to upstreams, behind one small port with two clients.

`pooled` is the hot path: it hands the bytes of an answer on in the turn of the loop in which they come.  `aiohttp` is
the plain one, for whoever meets a server that the other does not get on with.
"""

from collections.abc import Callable, Mapping

from yarl import URL

from proxy.upstreams.http.aiohttp_client import AiohttpTransport
from proxy.upstreams.http.bases import Bases
from proxy.upstreams.http.pool import PooledTransport
from proxy.upstreams.http.port import HttpAnswer, HttpTransport
from proxy.upstreams.http.token_endpoint import ConfiguredCredential

CLIENTS: Mapping[str, Callable[[URL], HttpTransport]] = {
    "pooled": PooledTransport,
    "aiohttp": AiohttpTransport,
}
"""How a client is made for the calls to one origin, by the name that configuration uses."""

__all__ = [
    "CLIENTS",
    "AiohttpTransport",
    "Bases",
    "ConfiguredCredential",
    "HttpAnswer",
    "HttpTransport",
    "PooledTransport",
]
