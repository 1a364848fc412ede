"""Several processes on one port: they share it, stand in for each other, and go down together."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from proxy.testing.frames import read_stream, text_of_stream
from proxy.testing.process import Daemon, StartDaemon
from tests.e2e.configs import script_config
from tests.e2e.wire import Connection, ask, chat, connected, request

SCRIPTS: dict[str, list[Any]] = {
    "quick": [{"say": "Hi", "chunk": 0}],
    "second": [{"say": "0123456789", "chunk": 1, "every_ms": 80}],
    "endless": [{"say": "Hel", "chunk": 0}, {"stall": True}],
}


def two_workers(key: str = "sk-old") -> dict[str, Any]:
    keys = [{"name": "caller", "key": key}]
    return script_config(SCRIPTS, server={"workers": 2, "drain_s": 10}, auth={"keys": keys})


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon that outlives what is done to its workers."""
    with Daemon(two_workers(), folder=tmp_path_factory.mktemp("workers")) as running:
        yield running


async def post(daemon: Daemon, key: str = "sk-old") -> int:
    """The status of a request on a connection of its own."""
    return (await ask(daemon.url, "POST", "/", chat(model="quick"), {"x-api-key": key})).status


async def begin(connection: Connection, model: str) -> None:
    """Send a streamed request; its answer has begun."""
    await connection.send(request("POST", "/", chat(model=model, stream=True), {"x-api-key": "sk-old"}))
    assert (await connection.head())[0] == 200


@contextmanager
def halted(pid: int) -> Iterator[None]:
    """Nothing reaches this process for as long as the block lasts."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def workers_of(daemon: Daemon) -> list[int]:
    """The workers that the supervisor started with."""
    (started,) = daemon.lines(event="supervisor.started")
    assert started["pid"] == daemon.pid
    workers: list[int] = started["workers"]
    assert len(workers) == 2
    return workers


def alive(pid: int) -> bool:
    """Whether there is such a process, and it has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def gone(*pids: int) -> None:
    """Wait until these processes have ended."""
    async with asyncio.timeout(5.0):
        while True:
            if not any(map(alive, pids)):
                return
            await asyncio.sleep(0.01)


async def test_each_worker_takes_requests_from_the_shared_port(workers: Daemon) -> None:
    """Proved by halting the other."""
    for other in workers_of(workers):
        with halted(other):
            assert await post(workers) == 200


async def test_a_broken_file_is_refused_once_for_all_workers(workers: Daemon) -> None:
    workers.configure("[server\n")
    workers.signal(signal.SIGHUP)
    await workers.line(event="config.refused")
    assert await post(workers) == 200
    await asyncio.sleep(0.1)
    assert len(workers.lines(event="config.refused")) == 1


async def test_a_worker_that_dies_is_replaced_and_a_reload_reaches_its_successor_too(workers: Daemon) -> None:
    """Or else a key that was taken away would work again by chance."""
    victim, survivor = workers_of(workers)
    workers.configure(two_workers(key="sk-new"))
    workers.signal(signal.SIGHUP)
    await workers.line(2, event="config.reloaded")
    os.kill(victim, signal.SIGKILL)
    died = await workers.line(event="supervisor.worker_died")
    assert (died["worker"], died["status"], died["level"]) == (victim, -signal.SIGKILL, "error")
    assert await post(workers, "sk-new") == 200, "the other goes on"
    successor = (await workers.line(3, event="server.listening"))["pid"]
    for other in (survivor, successor):
        with halted(other):
            assert await post(workers, "sk-old") == 401
            assert await post(workers, "sk-new") == 200


async def test_ctrl_c_drains_all_workers(daemon: StartDaemon) -> None:
    """Every process of a terminal hears of it, the workers twice; it must not count as a second signal."""
    running = daemon(two_workers())
    async with connected(running.url) as live:
        await begin(live, "second")
        os.killpg(running.pid, signal.SIGINT)
        body = await live.rest()
    assert text_of_stream(body) == "0123456789"
    assert read_stream(body).done
    assert await running.exited() == 0
    assert not any(map(alive, workers_of(running)))
    assert len(running.lines(event="server.stopped")) == 2
    assert running.errors == ""
    with pytest.raises(ConnectionRefusedError):
        await ask(running.url, "GET", "/livez")


async def test_a_second_signal_reaches_the_workers_too(daemon: StartDaemon) -> None:
    running = daemon(two_workers())
    async with connected(running.url) as live:
        await begin(live, "endless")
        running.signal(signal.SIGTERM)
        await running.line(event="drain.started", live=1)
        running.signal(signal.SIGTERM)
        error = read_stream(await live.rest()).error
        assert error is not None
        assert error["code"] == "shutting_down"
    assert await running.exited(limit_s=3.0) == 0


async def test_workers_whose_supervisor_was_killed_give_the_port_back(daemon: StartDaemon) -> None:
    """At once, although one of them still has an answer to end; or else no successor could start."""
    running = daemon(two_workers())
    async with connected(running.url) as live:
        await begin(live, "second")
        running.signal(signal.SIGKILL)
        assert await running.exited() == -signal.SIGKILL
        await running.line(event="drain.started", live=1)
        successor = daemon(two_workers(), args=["--port", running.url.rpartition(":")[2]])
        assert await post(successor) == 200
        assert text_of_stream(await live.rest()) == "0123456789"
    await gone(*workers_of(running))
