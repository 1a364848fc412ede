"""A whole gateway on a socket, in the test's own event loop."""

from collections.abc import Mapping
from typing import Any, Self

from aiohttp import web

from proxy.config import Settings, load
from proxy.exchange import Exchange
from proxy.ports import Upstream
from proxy.server.app import build_app
from proxy.server.envelopes import Runner
from proxy.server.gateway import Gateway


class GatewayServer:
    """A gateway on 127.0.0.1, as an async context manager: *ended* has every request that has ended.

    *config* is a tree of tables, as in the configuration file; None serves the daemon's default.  *upstreams* replaces
    configured upstreams by name, `Gateway` itself the loop's time and the like with *options*.
    """

    def __init__(
        self,
        config: Mapping[str, Any] | None = None,
        *,
        upstreams: Mapping[str, Upstream] | None = None,
        **options: Any,
    ) -> None:
        self.settings: Settings = load(None, {}, dict(config or {}))
        self.ended: list[Exchange] = []
        self._upstreams = dict(upstreams or {})
        self._options = options
        self._port = 0

    async def __aenter__(self) -> Self:
        """Listen on a free port."""
        self.gateway = Gateway(self.settings, upstreams=self._upstreams, on_ended=self.ended.append, **self._options)
        self._runner = Runner(build_app(self.gateway), shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_error: object) -> None:
        """End what is live, and stop listening."""
        self.gateway.cut()
        await self._runner.cleanup()
        await self.gateway.close()

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def base_url(self) -> str:
        """The same, as clients of the API want it."""
        return f"{self.url}/v1"
