"""Records and leases in Redis or Valkey, which all hosts share.

Each operation is one script, hence one step and one round trip, under one deadline that also covers waiting for a
connection and making it.  Nothing is tried twice: whoever asks decides what a failure is worth.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeAlias

from redis import asyncio as aioredis
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisClusterException, RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeout

from proxy.sessions.redis_scripts import DELETE, LIST, MERGE, RENEW, SETTLE, TAKE, WRITE, Script
from proxy.sessions.redis_url import RedisUrl
from proxy.sessions.remote import Dropped, Late
from proxy.sessions.store import Lease, Listed, Put, StoreFailed, Taken
from proxy.tasks import spawn

CONNECTIONS = 32  # of one worker; each is busy for well under a millisecond at a time
SCAN_KEYS = 1_000
PROBE_MS = 1_000

Client: TypeAlias = aioredis.Redis | RedisCluster
Argument: TypeAlias = str | bytes | int


class RedisStore:
    """A `RecordStore` behind *url*; a failure is told after *timeout_s* at the latest.

    Nothing is connected before it is needed, so opening does not fail for a server that is down.
    """

    degraded = False

    def __init__(self, url: RedisUrl, *, prefix: str, timeout_s: float) -> None:
        self._client, self._sentinel = _client(url, timeout_s)
        self._prefix = prefix
        self._timeout_s = timeout_s
        self._connections = asyncio.Semaphore(CONNECTIONS)

    # --- the port

    async def take(self, lease: Lease, reads: Sequence[str], *, hold_s: float, keep_s: float) -> Taken:
        """See `RecordStore`."""
        try:
            reply = await self._run(TAKE, lease.partition, lease.token, _ms(hold_s), _ms(keep_s), lease.key, *reads)
        except asyncio.CancelledError:  # it may have been granted all the same
            spawn(self._finish(lease, (), (), 0.0), name="give a lease back")
            raise
        await self._check_answers(lease.token, reply)
        _, held, abandoned, *texts = reply
        return Taken(bool(held), bool(abandoned), tuple(map(_value, texts)))

    async def renew(self, leases: Sequence[Lease], *, hold_s: float) -> Sequence[bool]:
        """See `RecordStore`.  One round trip for each partition."""
        still: dict[Lease, bool] = {}
        by_partition: dict[str, list[Lease]] = {}
        for lease in leases:
            by_partition.setdefault(lease.partition, []).append(lease)
        for partition, some in by_partition.items():
            pairs = [part for lease in some for part in (lease.key, lease.token)]
            reply = await self._run(RENEW, partition, _ms(hold_s), *pairs)
            await self._check_answers(some[0].token, reply)
            still.update(zip(some, map(bool, reply[1:]), strict=True))
        return [still[lease] for lease in leases]

    async def settle(self, lease: Lease, puts: Sequence[Put], drops: Sequence[str], *, keep_s: float) -> bool:
        """See `RecordStore`."""
        try:
            return await self._settle(lease, puts, drops, keep_s)
        except asyncio.CancelledError:  # whether it was done is not known; doing it again is no harm
            spawn(self._finish(lease, puts, drops, keep_s), name="give a lease back")
            raise

    async def write(self, partition: str, puts: Sequence[Put], *, keep_s: float) -> None:
        """See `RecordStore`."""
        await self._run(WRITE, partition, _ms(keep_s), *_parts(puts))

    async def sessions(self, partition: str | None, *, limit: int) -> Sequence[Listed]:
        """See `RecordStore`.  All partitions are found by walking through all keys, one bounded step after another."""
        partitions = [partition] if partition is not None else [each async for each in self._partitions()]
        found: list[tuple[float, Listed]] = []
        for each in partitions:
            for group, written_ms, records, head in await self._run(LIST, each, limit):
                found.append((float(written_ms), Listed(each, group.decode(), _value(head), records)))
        found.sort(key=lambda one: one[0], reverse=True)
        return [listed for _, listed in found[:limit]]

    async def delete(self, partition: str, session: str | None) -> int:
        """See `RecordStore`."""
        return int(await self._run(DELETE, partition, *(() if session is None else (session,))))

    async def close(self) -> None:
        """See `RecordStore`.  What can't be closed in time is left to the other side."""
        with suppress(StoreFailed):
            async with self._asked(slots=False):
                await self._client.aclose()
                if self._sentinel is not None:
                    await self._sentinel.aclose()

    # --- what a store beside it needs

    async def probe(self) -> None:
        """See `RemoteStore`."""
        async with self._asked():
            await self._client.execute_command("SET", f"{self._prefix}:probe", "", "PX", PROBE_MS)

    async def merge(self, partition: str, puts: Sequence[Late], drops: Sequence[Dropped]) -> None:
        """See `RemoteStore`."""
        parts: list[Argument] = [len(puts)]
        for late in puts:
            parts += (late.put.key, late.put.session, late.put.value, _ms(late.age_s), _ms(late.keep_s))
        for dropped in drops:
            parts += (dropped.key, _ms(dropped.age_s))
        await self._run(MERGE, partition, *parts)

    # --- asking

    async def _settle(self, lease: Lease, puts: Sequence[Put], drops: Sequence[str], keep_s: float) -> bool:
        parts = (lease.token, _ms(keep_s), lease.key, len(puts), *_parts(puts), *drops)
        reply = await self._run(SETTLE, lease.partition, *parts)
        await self._check_answers(lease.token, reply)
        return bool(reply[1])

    async def _finish(self, lease: Lease, puts: Sequence[Put], drops: Sequence[str], keep_s: float) -> None:
        try:
            await self._settle(lease, puts, drops, keep_s)
        except StoreFailed:
            return  # the lease runs out

    async def _run(self, script: Script, partition: str, *arguments: Argument) -> Any:
        base = f"{self._prefix}:{{{partition}}}:"
        parts = (1, f"{base}groups", base, *arguments)
        async with self._asked():
            try:
                return await self._client.execute_command("EVALSHA", script.sha, *parts)
            except NoScriptError:  # a new server, or one that was started anew
                return await self._client.execute_command("EVAL", script.text, *parts)

    async def _partitions(self) -> AsyncIterator[str]:
        start, end = f"{self._prefix}:{{", "}:groups"
        keys = self._client.scan_iter(match=f"{start}*{end}", count=SCAN_KEYS)
        seen: set[str] = set()  # a walk may pass a key twice
        while True:
            try:
                async with self._asked():
                    key = (await anext(keys)).decode()
            except StopAsyncIteration:
                return
            if key not in seen:
                seen.add(key)
                yield key.removeprefix(start).removesuffix(end)

    async def _check_answers(self, token: str, reply: Any) -> None:
        """Raise unless this is the answer to what was asked: a record must never reach another caller."""
        if reply[0] != token.encode():
            await self.close()
            raise StoreFailed("Redis: the answer to another question came")

    @asynccontextmanager
    async def _asked(self, *, slots: bool = True) -> AsyncIterator[None]:
        """Foreign exceptions stop here.  Their own messages tell addresses, so ours is made of what they are."""
        try:
            async with asyncio.timeout(self._timeout_s):
                if not slots:
                    yield
                    return
                async with self._connections:
                    yield
        except (TimeoutError, RedisTimeout) as error:
            raise StoreFailed("Redis: no answer in time") from error
        except (RedisError, RedisClusterException, OSError) as error:
            raise StoreFailed(f"Redis: {_kind(error)}") from error


def _client(url: RedisUrl, timeout_s: float) -> tuple[Client, Sentinel | None]:
    """A client that tries nothing twice, and what finds its server, if that must be found."""
    options: dict[str, Any] = {
        "username": url.login.username,
        "password": url.login.password,
        "socket_connect_timeout": timeout_s,
        "socket_timeout": None,  # the deadline of the whole covers it, and costs no task per command
        "retry": Retry(NoBackoff(), 0),
        "health_check_interval": 0,  # an idle connection that has died is a failure like any other
        "protocol": 2,  # saves the handshake that the later one begins with
        "driver_info": None,  # and this one
        **url.tls_options,
    }
    if url.kind == "cluster":
        nodes = [ClusterNode(host, port) for host, port in url.nodes]
        return RedisCluster(startup_nodes=nodes, ssl=url.tls, max_connections=CONNECTIONS, **options), None
    options |= {"db": url.db, "max_connections": CONNECTIONS}
    if url.kind == "sentinel":
        sentinel = _sentinel(url, timeout_s)
        return sentinel.master_for(url.service, ssl=url.tls, **options), sentinel
    if url.kind == "unix":
        pool = aioredis.ConnectionPool(connection_class=UnixDomainSocketConnection, path=url.path, **options)
    else:
        (host, port) = url.nodes[0]
        connection_class = SSLConnection if url.tls else Connection
        pool = aioredis.ConnectionPool(connection_class=connection_class, host=host, port=port, **options)
    return aioredis.Redis.from_pool(pool), None


def _sentinel(url: RedisUrl, timeout_s: float) -> Sentinel:
    """Sentinels are asked one after another, so each has a share of the time: one that is down costs no more."""
    share_s = timeout_s / (len(url.nodes) + 1)
    options: dict[str, Any] = {
        "username": url.sentinel_login.username,
        "password": url.sentinel_login.password,
        "socket_connect_timeout": share_s,
        "socket_timeout": share_s,
        "retry": Retry(NoBackoff(), 0),
        "ssl": url.tls,
        **url.tls_options,
    }
    return Sentinel(url.nodes, sentinel_kwargs=options)  # type: ignore[no-untyped-call]  # the library's


def _kind(error: Exception) -> str:
    """What went wrong, without what it went wrong with: the server's own code, else the name of the exception."""
    code = str(error).partition(" ")[0]
    return code if isinstance(error, ResponseError) and code.isalpha() and code.isupper() else type(error).__name__


def _parts(puts: Sequence[Put]) -> list[Argument]:
    return [part for put in puts for part in (put.key, put.session, put.value)]


def _value(text: bytes | None) -> bytes | None:
    """A record without the line that stands above its value."""
    return None if text is None else text[text.index(b"\n") + 1 :]


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000)) if seconds else 0
