"""The gateway's own faults: no room, no time, a bug, going down."""

from collections.abc import Callable

import pytest

from proxy.clock import LoopClock
from proxy.testing.inprocess import InProcessUpstream
from proxy.testing.raw import ROLE, Stall, answers, sse
from proxy.testing.script import Upstream
from tests.contract.faults import BEGUN, HOLDS, SHORT_S, SPARE_SAYS, Fault, failing, holding
from tests.contract.gateway import (
    MAIN,
    Running,
    answer_text,
    body,
    expect_envelope,
    expect_frame,
    proves,
    serving,
)
from tests.contract.table import Row
from tests.e2e.wire import connected, request

CHAT = "/v1/chat/completions"
SECRET = "what only we should know"
COMMIT_S = 0.03
ONE_AT_A_TIME = {"upstream": {"max_parallel": 1}, "clocks": {"queue": SHORT_S}}


@proves("G1")
async def test_when_even_the_queue_is_full_nothing_is_read(row: Row) -> None:
    """A body that is not wanted is not waited for."""
    tables = {"server": {"max_in_flight": 1, "max_queued": 0}}
    async with holding("stream", **tables) as (gateway, upstream, first), connected(gateway.url) as second:
        await second.send(request("POST", CHAT, None, {"Content-Type": "application/json", "Content-Length": "99"}))
        answer = await second.answer()

        expect_envelope(row, answer)
        assert (await gateway.end()).state == row.ends
        assert 1 <= int(answer.headers["Retry-After"]) <= 5
        assert len(upstream.received) == 1
        first.reset()
        await gateway.end()


@proves("G2a")
async def test_the_queue_of_the_worker_is_left_after_a_while(row: Row) -> None:
    tables = {"server": {"max_in_flight": 1}, "clocks": {"queue": SHORT_S}}
    async with holding("stream", **tables) as (gateway, upstream, first):
        answer, x = await gateway.ask()

        expect_envelope(row, answer)
        assert 1 <= int(answer.headers["Retry-After"]) <= 5
        assert (x.path, x.failure and x.failure.clock) == ("validate>auth>overloaded", "queue")
        assert len(upstream.received) == 1
        first.reset()
        await gateway.end()


@proves("G2b")
@pytest.mark.parametrize("committed", [False, True])
async def test_the_queue_of_an_upstream_is_left_after_a_while(row: Row, committed: bool) -> None:
    clocks = {"queue": SHORT_S, "commit_headers_after": COMMIT_S * committed}
    async with holding("stream", **{**ONE_AT_A_TIME, "clocks": clocks}) as (gateway, upstream, first):
        answer, x = await gateway.ask()

        if committed:
            expect_frame(row, answer)
        else:
            expect_envelope(row, answer)
            assert 1 <= int(answer.headers["Retry-After"]) <= 5
        assert (x.state, x.failure and x.failure.clock) == (row.ends, "queue")
        assert (len(upstream.received), gateway.health()) == (1, "ok")
        first.reset()
        await gateway.end()


@proves("G2b")
async def test_another_candidate_may_have_room(row: Row) -> None:
    async with (
        failing(Fault("full", (*BEGUN, Stall())), spare=True, **ONE_AT_A_TIME) as (gateway, *_),
        connected(gateway.url) as first,
    ):
        await first.send(request("POST", CHAT, body()))
        await gateway.until("stream")
        answer, _ = await gateway.ask()

        assert row.elsewhere
        assert answer_text(answer) == SPARE_SAYS
        first.reset()
        await gateway.end()


@proves("G3")
@pytest.mark.parametrize("state", sorted(HOLDS.keys() - {"backoff"}))  # no wait begins that would end after it
async def test_the_whole_request_has_an_end_in_every_state(row: Row, state: str) -> None:
    """The far backstop: named with its seconds, and no word about the upstream's health."""
    async with holding(state, clocks={"total": 2 * SHORT_S}) as (gateway, _, connection):
        answer = await connection.answer()
        x = await gateway.end()

        if state == "stream":
            expect_frame(row, answer, "Hel")
        else:
            expect_envelope(row, answer)
        assert x.state == row.ends
        assert x.failure is not None
        assert x.failure.clock == "total"
        assert "(clock 'total')" in x.failure.message
        assert gateway.health() in ("ok", "resting")


@proves("G3")
async def test_the_clock_total_ends_a_committed_stream_by_a_frame(row: Row) -> None:
    clocks = {"total": 2 * SHORT_S, "commit_headers_after": COMMIT_S}
    async with failing(Fault("ids", (sse(), ROLE, Stall())), clocks=clocks) as (gateway, *_):
        answer, x = await gateway.ask()

    expect_frame(row, answer)
    assert x.state == row.ends


@proves("G4")
@pytest.mark.parametrize("stream", [True, False])
async def test_a_bug_is_told_without_its_text(row: Row, stream: bool) -> None:
    bug = InProcessUpstream(MAIN, [Upstream.fails(RuntimeError(SECRET))], LoopClock())
    async with serving({MAIN: bug}) as gateway:
        answer, x = await gateway.ask(stream=stream)

        expect_envelope(row, answer)
        assert SECRET not in answer.body.decode()
        assert (x.state, gateway.health(), bug.live) == (row.ends, "ok", 0)


@proves("G4")
async def test_a_bug_in_mid_stream_ends_it_by_a_frame(row: Row) -> None:
    bug = InProcessUpstream(MAIN, [Upstream.answers("Hel").then_fails(RuntimeError(SECRET))], LoopClock())
    async with serving({MAIN: bug}) as gateway:
        answer, x = await gateway.ask()

        expect_frame(row, answer, "Hel")
        assert SECRET not in answer.body.decode()
        assert (x.state, gateway.health(), bug.live) == (row.ends, "ok", 0)


@proves("G6")
async def test_a_request_on_a_kept_connection_is_refused_once_nobody_listens(row: Row) -> None:
    async with failing(Fault("none", answers())) as (gateway, upstream, _), connected(gateway.url) as connection:
        gateway.gateway.refuse()
        await connection.send(request("POST", CHAT, body()))
        answer = await connection.answer()

        expect_envelope(row, answer)
        assert answer.headers["Connection"] == "close"
        assert await connection.ended()
        assert ((await gateway.end()).state, upstream.received) == (row.ends, [])


@proves("G7")
@pytest.mark.parametrize("state", HOLDS)
async def test_what_runs_when_the_patience_is_over_is_told_so(row: Row, state: str) -> None:
    await expect_shut_down(row, state, lambda gateway: gateway.gateway.cut())


@proves("G7")
@pytest.mark.parametrize("state", ["validate", "session", "backoff"])
async def test_what_only_waits_is_ended_as_soon_as_nobody_listens(row: Row, state: str) -> None:
    """It has cost nothing yet, and can be asked for elsewhere."""
    await expect_shut_down(row, state, lambda gateway: gateway.gateway.refuse())


async def expect_shut_down(row: Row, state: str, end: Callable[[Running], None]) -> None:
    """One request, which rests in *state* as the daemon goes down."""
    async with holding(state) as (gateway, upstream, connection):
        end(gateway)
        answer = await connection.answer()
        x = await gateway.end()

        if state == "stream":
            expect_frame(row, answer, "Hel")
        else:
            expect_envelope(row, answer)
        assert await connection.ended()
        assert x.state == row.ends
        if state in ("upstream", "stream", "read"):
            await (await upstream.call()).left()
