"""Going down: what runs may end, what waits is told, and nothing keeps the process from ending."""

import asyncio
import signal
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from proxy.tasks import spawn
from proxy.testing.frames import read_stream, text_of_stream
from proxy.testing.process import Daemon, StartDaemon, daemons
from tests.e2e.configs import script_config
from tests.e2e.wire import Connection, ask, chat, connected, error_of, request, until_live

pytestmark = pytest.mark.asyncio(loop_scope="module")

SCRIPTS: dict[str, list[Any]] = {
    "quick": [{"say": "Hi", "chunk": 0}],
    "second": [{"say": "0123456789", "chunk": 1, "every_ms": 80}],
    "seven seconds": [{"say": "0123456789", "chunk": 1, "every_ms": 740}],
    "stalled": [{"say": "Hel", "chunk": 0}, {"stall": True}],
    "silent": [{"stall": True}],
    "waiting to retry": [{"fail": "upstream_rate_limited", "retry_after_s": 15}],
}


async def begin(connection: Connection, model: str, *, stream: bool = True) -> None:
    """Send a request; of one that is streamed the answer has begun."""
    await connection.send(
        request("POST", "/", chat(model=model, stream=stream), {"x-request-id": model.replace(" ", "-")})
    )
    if stream:
        assert (await connection.head())[0] == 200


def stopped_well(daemon: Daemon) -> bool:
    """Whether it said that every request which it took has ended."""
    (line,) = daemon.lines(event="server.stopped")
    return bool(line["accepted"] == line["ended"]) and daemon.errors == ""


async def drain_for_long(running: Daemon) -> None:
    """SIGTERM, with one request that runs, one that waits, and a connection that is kept."""
    async with connected(running.url) as live, connected(running.url) as waits, connected(running.url) as kept:
        await begin(live, "seven seconds")
        await begin(waits, "waiting to retry", stream=False)
        await kept.send(request("GET", "/livez"))
        assert (await kept.answer()).status == 200
        running.signal(signal.SIGTERM)
        waited = await waits.answer()
        assert (waited.status, waited.error["code"]) == (503, "shutting_down")
        assert (await running.logged("waiting-to-retry"))["path"].endswith(">backoff>shutdown")
        with pytest.raises(ConnectionRefusedError):
            await ask(running.url, "GET", "/livez")
        await kept.send(request("POST", "/", chat(model="quick"), {"x-request-id": "too-late"}))
        late = await kept.answer()
        assert (late.status, late.error["code"]) == (503, "shutting_down")
        assert late.headers["connection"] == "close"
        assert (await running.logged("too-late"))["path"] == "validate>shutdown"
        body = await live.rest()
        assert text_of_stream(body) == "0123456789"
        assert read_stream(body).done
        assert await asyncio.wait_for(running.exited(), 2.0) == 0
    assert running.lines(event="drain.waiting"), "somebody may be watching"
    assert stopped_well(running)


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def long_drain(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator["asyncio.Task[None]"]:
    """The story that takes its time is told beside the others."""
    with daemons(tmp_path_factory.mktemp("long-drain")) as start:
        yield spawn(drain_for_long(start(script_config(SCRIPTS, server={"drain_s": 20}))), name="long drain")


async def test_a_live_stream_is_let_run_to_its_end(daemon: StartDaemon) -> None:
    """Meanwhile balancers are told to look elsewhere, and who comes all the same is served, once."""
    running = daemon(script_config(SCRIPTS))
    async with connected(running.url) as live, connected(running.url) as kept:
        await begin(live, "second")
        await kept.send(request("GET", "/readyz"))
        assert (await kept.answer()).status == 200
        running.signal(signal.SIGTERM)
        await running.line(event="drain.started")
        ready = await ask(running.url, "GET", "/readyz")
        assert (ready.status, ready.json) == (503, {"status": "draining"})
        assert (await ask(running.url, "GET", "/livez")).status == 200
        assert (await ask(running.url, "GET", "/health")).json["status"] == "draining"
        for stream in (False, True):
            late = await ask(running.url, "POST", "/", chat(model="quick", stream=stream))
            assert late.status == 200
            assert late.headers["connection"] == "close"
        body = await live.rest()
        assert text_of_stream(body) == "0123456789"
        assert read_stream(body).done
        assert await running.exited() == 0
        assert await kept.ended()
    assert stopped_well(running)
    assert (await running.logged("second"))["end_reason"] == "done"


async def test_with_nothing_live_it_ends_at_once(daemon: StartDaemon) -> None:
    running = daemon(script_config(SCRIPTS))
    assert (await ask(running.url, "POST", "/", chat(model="quick"))).status == 200
    running.signal(signal.SIGINT)
    assert await running.exited(limit_s=1.0) == 0
    assert stopped_well(running)


async def test_a_second_signal_ends_the_patience(daemon: StartDaemon) -> None:
    """Each live request is told in the way that is left: inside its stream, or by a status."""
    running = daemon(script_config(SCRIPTS))
    async with connected(running.url) as stream, connected(running.url) as whole, connected(running.url) as held:
        await begin(stream, "stalled")
        await begin(whole, "silent", stream=False)
        await held.send(request("POST", "/", chat(model="silent", stream=True), {"x-request-id": "held"}))
        await until_live(running.url, 3)
        running.signal(signal.SIGTERM)
        await running.line(event="drain.started")
        running.signal(signal.SIGTERM)
        body = await stream.rest()
        assert text_of_stream(body) == "Hel"
        cut = read_stream(body)
        assert error_of({"error": cut.error})["code"] == "shutting_down"
        assert not cut.done
        for connection in (whole, held):
            answer = await connection.answer()
            assert (answer.status, answer.error["code"]) == (503, "shutting_down")
            assert answer.headers["x-end-reason"] == "shutdown"
            assert answer.headers["connection"] == "close"
            assert answer.headers["retry-after"] == "1"
            assert "x-should-retry" not in answer.headers
        assert await running.exited(limit_s=3.0) == 0
        assert await stream.ended()
    assert stopped_well(running)
    for request_id in ("stalled", "silent", "held"):
        assert (await running.logged(request_id))["end_reason"] == "shutdown"


async def test_patience_ends_by_itself(daemon: StartDaemon) -> None:
    """Also with a caller that reads nothing, whose socket takes no error frame."""
    flood = [{"say": "x" * 4000, "chunk": 0, "every_ms": 0}] * 1000
    running = daemon(script_config({**SCRIPTS, "flood": flood}, server={"drain_s": 0.3}))
    async with connected(running.url) as stream, connected(running.url) as deaf:
        await begin(stream, "stalled")
        await begin(deaf, "flood")
        running.signal(signal.SIGTERM)
        error = read_stream(await stream.rest()).error
        assert error is not None
        assert error["code"] == "shutting_down"
        assert await running.exited(limit_s=5.0) == 0
    assert running.lines(event="drain.cutting")
    assert stopped_well(running)


async def test_after_a_while_the_door_is_closed_and_what_waits_is_sent_away(long_drain: "asyncio.Task[None]") -> None:
    """Balancers have had their time; what already runs at an upstream still has some left."""
    await long_drain
