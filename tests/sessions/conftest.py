"""Every store, one after another; and servers for those that need one."""

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack

import pytest
import redis

from proxy.testing import redis_server
from proxy.testing.redis_server import RedisServer
from tests.sessions import stores
from tests.sessions.outage import World
from tests.sessions.stores import Subject, redis_store

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


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A store before a remote one that can be lost."""
    made = World()
    yield made
    made.remote.frozen = made.remote.late = False  # which would wait for the clock
    await made.store.close()


@pytest.fixture(params=BINARIES)
def server(request, shared_server) -> RedisServer:
    """A server that holds nothing, first of one kind, then of the other."""
    return shared_server(request.param)


@pytest.fixture
def client(server):
    """To look at the server from outside."""
    with redis.Redis(port=server.port, decode_responses=True) as client:
        yield client


@pytest.fixture
async def opened():
    """Open stores; they are closed after the test."""
    stores = []

    def opened(url, **options):
        stores.append(redis_store(url, **options))
        return stores[-1]

    yield opened
    for store in stores:
        await store.close()


@pytest.fixture
def started(tmp_path):
    """Start servers of a test's own, which end with it."""
    with ExitStack() as running:

        def started(*args, kind="valkey"):
            folder = tmp_path / f"{len(list(tmp_path.iterdir()))}"
            return running.enter_context(RedisServer(BINARIES[kind](), folder=folder, args=args))

        yield started
