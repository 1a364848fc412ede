"""Where the calls of one upstream go: to its configured base, or to one that the caller names."""

from collections import OrderedDict
from collections.abc import Callable

from multidict import MultiMapping
from yarl import URL

from proxy.config import Credential, Dynamic
from proxy.errors import UpstreamUnavailable
from proxy.ports import Override
from proxy.upstreams.http.guarded import Connect, GuardedConnect
from proxy.upstreams.http.policy import BasePolicy, Named
from proxy.upstreams.http.pool import PooledTransport
from proxy.upstreams.http.port import HttpTransport
from proxy.wire.request import ChatRequest, named_base_url

MAX_ORIGINS = 64  # whose connections are kept for the next calls; those used least recently are let go of

Target = tuple[HttpTransport, str | None]


class Bases:
    """*path* follows every base; *own* makes the transport of the configured one, which may be empty."""

    def __init__(
        self,
        base_url: str,
        path: str,
        own: Callable[[URL], HttpTransport],
        *,
        dynamic: Dynamic,
        credential: Credential,
        guard: Connect | None = None,
    ) -> None:
        self._path = path
        self._base = URL(base_url) if base_url else None
        self._own = own(joined(base_url, path)) if base_url else None
        bound = credential.mode in ("static", "managed") or bool(credential.headers)
        self._policy = BasePolicy(dynamic, base_url, bound=bound)
        self._guard = guard or GuardedConnect(allow_private=dynamic.allow_private)
        self._named: OrderedDict[str, PooledTransport] = OrderedDict()

    def check(self, request: ChatRequest, caller_headers: MultiMapping[str]) -> Override | None:
        """What the caller names, if callers may; raises `RequestRejected`."""
        named = self._judged(request, caller_headers)
        if named is not None:
            return Override(named.url.raw_authority, named.by)
        if self._policy.enabled and self._base is not None:
            return Override(self._base.raw_authority, "default")
        return None

    def scope(self, request: ChatRequest, caller_headers: MultiMapping[str]) -> str:
        """The base that conversations are held at; "" for the configured one."""
        named = self._judged(request, caller_headers)
        return "" if named is None else str(named.url)

    def target(self, request: ChatRequest, caller_headers: MultiMapping[str]) -> Target:
        """How a call gets to where it goes: the transport, and the path and query where they are not its own."""
        named = self._judged(request, caller_headers)
        if named is None:
            if self._own is None:
                raise UpstreamUnavailable(detail="no base URL is configured, and none was named")
            return self._own, None
        url = joined(str(named.url), self._path)
        origin = str(url.origin())
        transport = self._named.pop(origin, None) or PooledTransport(url, self._guard)
        self._named[origin] = transport
        if len(self._named) > MAX_ORIGINS:
            self._named.popitem(last=False)[1].retire()
        return transport, url.raw_path_qs

    async def close(self) -> None:
        """Close every connection."""
        for transport in (self._own, *self._named.values()):
            if transport is not None:
                await transport.close()

    def _judged(self, request: ChatRequest, caller_headers: MultiMapping[str]) -> Named | None:
        raw = named_base_url(request, caller_headers)
        return None if raw is None else self._policy.judge(raw)


def joined(base_url: str, path: str) -> URL:
    """The two with exactly one slash between them; an empty path adds none."""
    return URL(f"{base_url.rstrip('/')}/{path.lstrip('/')}" if path else base_url)
