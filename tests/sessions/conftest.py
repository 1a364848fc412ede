"""Every store, one after another; and servers for those that need one."""

from collections.abc import AsyncIterator, Iterator

import pytest
import redis

from proxy.testing import redis_server
from proxy.testing.redis_server import RedisServer
from tests.sessions import stores
from tests.sessions.stores import Subject

BINARIES = {"valkey": redis_server.valkey, "redis": redis_server.redis}
REMOTE = [pytest.param(name, marks=pytest.mark.real) for name in BINARIES]


@pytest.fixture(scope="session")
def running(tmp_path_factory) -> Iterator[dict[str, RedisServer]]:
    """The servers that tests share, by their name, once they were asked for; empty them before use."""
    servers: dict[str, RedisServer] = {}
    yield servers
    for server in servers.values():
        server.kill()


@pytest.fixture
def shared_server(running, tmp_path_factory):
    """Get a server that holds nothing, by its name."""

    def shared(name: str) -> RedisServer:
        if name not in running:
            running[name] = RedisServer(BINARIES[name](), folder=tmp_path_factory.mktemp(name)).__enter__()
        with redis.Redis(port=running[name].port) as client:
            client.flushall()
        return running[name]

    return shared


@pytest.fixture(params=["memory", "sqlite", *REMOTE, pytest.param("degrading", marks=pytest.mark.real)])
async def subject(request, tmp_path, shared_server) -> AsyncIterator[Subject]:
    """A store that holds nothing yet."""
    match request.param:
        case "memory":
            made = stores.memory()
        case "sqlite":
            made = stores.sqlite(tmp_path)
        case "degrading":
            made = stores.degrading(shared_server("valkey").url)
        case name:
            made = stores.redis(shared_server(name).url)
    yield made
    await made.store.close()
    await made.other.close()
