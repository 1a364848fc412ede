"""Several processes on one port: they share it, stand in for each other, and go down together."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from proxy.testing.frames import read_stream, text_of_stream
from proxy.testing.process import Daemon, StartDaemon
from tests.e2e.configs import script_config
from tests.e2e.wire import ask, chat, connected, request

SCRIPTS: dict[str, list[Any]] = {
    "quick": [{"say": "Hi", "chunk": 0}],
    "second": [{"say": "0123456789", "chunk": 1, "every_ms": 80}],
    "endless": [{"say": "Hel", "chunk": 0}, {"stall": True}],
}


def two_workers(**tables: Any) -> dict[str, Any]:
    return script_config(SCRIPTS, **{"server": {"workers": 2}, **tables})


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


async def test_each_worker_takes_requests_from_the_shared_port(daemon: StartDaemon) -> None:
    """Proved by halting the other."""
    running = daemon(two_workers())
    for halted in workers_of(running):
        os.kill(halted, signal.SIGSTOP)
        try:
            answer = await ask(running.url, "POST", "/", chat(model="quick"))
            assert answer.status == 200
            await running.logged(answer.headers["x-request-id"])
        finally:
            os.kill(halted, signal.SIGCONT)


async def test_a_worker_that_dies_is_replaced_and_the_other_goes_on(daemon: StartDaemon) -> None:
    running = daemon(two_workers())
    victim, survivor = workers_of(running)
    os.kill(victim, signal.SIGKILL)
    died = await running.line(event="supervisor.worker_died")
    assert (died["worker"], died["status"], died["level"]) == (victim, -signal.SIGKILL, "error")
    assert (await ask(running.url, "POST", "/", chat(model="quick"))).status == 200
    successor = (await running.line(3, event="server.listening"))["pid"]
    assert successor not in (victim, survivor)
    os.kill(survivor, signal.SIGSTOP)
    try:
        assert (await ask(running.url, "POST", "/", chat(model="quick"))).status == 200
    finally:
        os.kill(survivor, signal.SIGCONT)
    running.signal(signal.SIGTERM)
    assert await running.exited() == 0
    assert not alive(successor)
    assert not alive(survivor)


async def test_ctrl_c_drains_all_workers(daemon: StartDaemon) -> None:
    """Every process of a terminal hears of it, the workers twice; it must not count as a second signal."""
    running = daemon(two_workers())
    workers = workers_of(running)
    async with connected(running.url) as live:
        await live.send(request("POST", "/", chat(model="second", stream=True)))
        assert (await live.head())[0] == 200
        os.killpg(running.pid, signal.SIGINT)
        body = await live.rest()
    assert text_of_stream(body) == "0123456789"
    assert read_stream(body).done
    assert await running.exited() == 0
    assert not any(map(alive, workers))
    assert len(running.lines(event="server.stopped")) == 2
    assert running.errors == ""
    with pytest.raises(ConnectionRefusedError):
        await ask(running.url, "GET", "/livez")


async def test_a_second_signal_reaches_the_workers_too(daemon: StartDaemon) -> None:
    running = daemon(two_workers())
    async with connected(running.url) as live:
        await live.send(request("POST", "/", chat(model="endless", stream=True)))
        assert (await live.head())[0] == 200
        running.signal(signal.SIGTERM)
        await running.line(event="drain.started", live=1)
        running.signal(signal.SIGTERM)
        error = read_stream(await live.rest()).error
        assert error is not None
        assert error["code"] == "shutting_down"
    assert await running.exited(limit_s=3.0) == 0


async def test_a_reload_reaches_every_worker_and_those_that_are_started_later(daemon: StartDaemon) -> None:
    """Or else a key that was taken away would work again by chance."""
    running = daemon(two_workers(auth={"keys": [{"name": "old", "key": "sk-old"}]}))
    victim, other = workers_of(running)
    running.configure(two_workers(auth={"keys": [{"name": "new", "key": "sk-new"}]}))
    running.signal(signal.SIGHUP)
    await running.line(2, event="config.reloaded")
    os.kill(victim, signal.SIGKILL)
    successor = (await running.line(3, event="server.listening"))["pid"]
    for halted in (other, successor):
        os.kill(halted, signal.SIGSTOP)
        try:
            for key, status in (("sk-old", 401), ("sk-new", 200)):
                asked = chat(model="quick")
                assert (await ask(running.url, "POST", "/", asked, {"x-api-key": key})).status == status
        finally:
            os.kill(halted, signal.SIGCONT)


async def test_a_broken_file_is_refused_once_for_all_workers(daemon: StartDaemon) -> None:
    running = daemon(two_workers())
    running.configure("[server\n")
    running.signal(signal.SIGHUP)
    await running.line(event="config.refused")
    await asyncio.sleep(0.2)
    assert len(running.lines(event="config.refused")) == 1
    assert (await ask(running.url, "POST", "/", chat(model="quick"))).status == 200


async def test_workers_whose_supervisor_was_killed_give_the_port_back(daemon: StartDaemon) -> None:
    """At once, although one of them still has an answer to end; or else no successor could start."""
    running = daemon(two_workers())
    workers = workers_of(running)
    async with connected(running.url) as live:
        await live.send(request("POST", "/", chat(model="second", stream=True)))
        assert (await live.head())[0] == 200
        running.signal(signal.SIGKILL)
        assert await running.exited() == -signal.SIGKILL
        await running.line(event="drain.started", live=1)
        port = running.url.rpartition(":")[2]
        successor = daemon(two_workers(), args=["--port", port])
        assert (await ask(successor.url, "POST", "/", chat(model="quick"))).status == 200
        assert text_of_stream(await live.rest()) == "0123456789"
    await gone(*workers)
