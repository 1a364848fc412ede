"""The pytest plugin `turnstile`: fixtures that test a gateway, or code that talks to one.

`play` plays one request through the real driver in process, `upstream_server` starts a scripted upstream on a socket,
`gateway_server` a whole gateway.  What they need is imported when a test asks for them: a run that does not is left
alone.
"""

from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from proxy.testing.gateway import GatewayServer
    from proxy.testing.play import Play
    from proxy.testing.script import Upstream
    from proxy.testing.server import ScriptedServer

    async_fixture = pytest.fixture
else:
    try:
        from pytest_asyncio import fixture as async_fixture
    except ImportError:  # a run without asynchronous tests has no use for these fixtures, and must not fail for them
        async_fixture = pytest.fixture


class StartGateway(Protocol):
    """What the fixture `gateway_server` gives."""

    def __call__(self, config: Mapping[str, Any] | None = None, **options: Any) -> "Awaitable[GatewayServer]":
        """Start one; the parameters are those of `GatewayServer`."""


class StartUpstream(Protocol):
    """What the fixture `upstream_server` gives."""

    def __call__(self, *scripts: "Upstream") -> "Awaitable[ScriptedServer]":
        """Start one; the parameters are those of `ScriptedServer`."""


@pytest.fixture
def play() -> "Play":
    """Requests played through the driver, see `Play`."""
    from proxy.testing.play import Play  # noqa: PLC0415 - see the module's docstring

    return Play()


@async_fixture
async def upstream_server() -> "AsyncIterator[StartUpstream]":
    """Scripted upstreams on sockets, which end with the test."""
    from proxy.testing.server import ScriptedServer  # noqa: PLC0415 - see the module's docstring

    async with AsyncExitStack() as running:

        async def start(*scripts: "Upstream") -> ScriptedServer:
            return await running.enter_async_context(ScriptedServer(*scripts))

        yield start


@async_fixture
async def gateway_server() -> "AsyncIterator[StartGateway]":
    """Gateways on sockets, which end with the test; see `GatewayServer`."""
    from proxy.testing.gateway import GatewayServer  # noqa: PLC0415 - see the module's docstring

    async with AsyncExitStack() as running:

        async def start(config: Mapping[str, Any] | None = None, **options: Any) -> GatewayServer:
            return await running.enter_async_context(GatewayServer(config, **options))

        yield start
