"""Before the first delta, one by one: whether, when and where another call is made."""

import asyncio
import ssl
from typing import Any

import pytest
import trustme

from proxy.testing.raw import DONE, ROLE, KeepAlive, Reset, Sleep, Stall, answers, error, finishes, response, says, sse
from proxy.testing.raw_server import RawServer, full_port
from tests.contract.faults import SHORT_S, SPARE_SAYS, STATIC, Fault, failing, statuses
from tests.contract.gateway import (
    ATTEMPTS,
    MAIN,
    SPARE,
    answer_text,
    attempts,
    expect_envelope,
    proves,
    serving,
)
from tests.contract.table import ROWS, Row

HINT_S = 0.2
WHOLE = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}]}


@pytest.fixture(scope="module")
def untrusted() -> ssl.SSLContext:
    """A server's certificate that nobody vouches for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return context


@proves("U1b")
async def test_a_certificate_does_not_get_better_by_another_try(row: Row, untrusted: ssl.SSLContext) -> None:
    """It needs its operator; another candidate does not."""
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # the server's side of the handshake
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0, ssl=untrusted)
    where = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    async with server, RawServer() as spare:
        async with serving({MAIN: where}, breaker={"failures": 1}) as gateway:
            answer, x = await gateway.ask()
            expect_envelope(row, answer)
            assert (len(attempts(x)), gateway.health()) == (1, "open")
        async with serving({MAIN: where, SPARE: spare.base_url}) as gateway:
            answer, x = await gateway.ask()
            assert (answer_text(answer), len(attempts(x))) == ("Hello.", 2)


@proves("U2")
async def test_a_connection_is_waited_for_once_while_a_candidate_is_left(row: Row) -> None:
    with full_port() as where:
        async with (
            RawServer() as spare,
            serving({MAIN: where, SPARE: spare.base_url}, clocks={"connect": SHORT_S}) as gw,
        ):
            answer, x = await gw.ask()

    assert row.again
    assert answer_text(answer) == "Hello."
    assert [(each.upstream, each.clock) for each in attempts(x)] == [(MAIN, "connect"), (SPARE, None)]


@proves("U3")
async def test_a_pooled_connection_found_dead_costs_no_attempt(row: Row) -> None:
    """It died while nobody used it, which is no word about this call."""
    kept = (response(200, WHOLE, Connection="keep-alive"), KeepAlive())
    async with (
        RawServer(kept, (Reset(),), answers()) as upstream,
        serving({MAIN: upstream.base_url}, retry={"attempts": 1}) as gateway,
    ):
        await gateway.ask()
        answer, x = await gateway.ask()

    assert row.again
    assert answer_text(answer) == "Hello."
    assert (len(attempts(x)), len(upstream.received)) == (1, 3)


@proves("U5")
async def test_the_clock_names_itself_everywhere(row: Row) -> None:
    """In the message, for the log, and in the trace of the attempt."""
    fault = Fault("silence", (Stall(),), tables={"clocks": {"first_event": SHORT_S}})
    async with failing(fault) as (gateway, upstream, _):
        answer, x = await gateway.ask()
        await (await upstream.call()).left()

    assert f"clock 'first_event' ran out after {SHORT_S:g} seconds" in answer.error["message"]
    assert x.failure is not None
    assert (x.failure.clock, attempts(x)[0].clock, x.state) == ("first_event", "first_event", row.ends)


@proves("U6")
@pytest.mark.parametrize("stream", [True, False])
async def test_another_answer_beats_a_wait(row: Row, stream: bool) -> None:
    """The slow one is let go of; where nobody else is left, it is waited for."""
    slow = Fault("slow", (sse(), ROLE, Sleep(3 * SHORT_S), says("Late."), finishes(), DONE))
    clocks = {"failover": SHORT_S}
    async with failing(slow, spare=True, clocks=clocks, breaker={"failures": 1}) as (gateway, upstream, _):
        answer, x = await gateway.ask(stream=stream)
        assert (answer_text(answer), x.state) == (SPARE_SAYS, row.ends)
        assert [each.clock for each in attempts(x)] == ["failover", None]
        assert gateway.health() == "open"
        await (await upstream.call()).left()
    async with failing(slow, clocks=clocks) as (gateway, *_):
        answer, _ = await gateway.ask(stream=stream)
        assert answer_text(answer) == "Late."


@proves("U9")
@pytest.mark.parametrize(("spare_tokens", "asked"), [(2000, True), (1000, False), (500, False)])
async def test_a_request_that_is_too_long_goes_to_a_larger_window(row: Row, spare_tokens: int, asked: bool) -> None:
    """A window that is no larger would only refuse it again."""
    async with RawServer((error(400, "context_length_exceeded"),)) as main, RawServer() as spare:
        windows = {MAIN: 1000, SPARE: spare_tokens}
        async with serving({MAIN: main.base_url, SPARE: spare.base_url}, windows=windows) as gateway:
            answer, _ = await gateway.ask()

    assert len(spare.received) == asked
    if not asked:
        expect_envelope(row, answer)


@proves("U8", "U11", "U15")
async def test_a_fallback_that_finds_fault_does_not_hide_why_it_was_asked(row: Row) -> None:
    """The caller would look for a fault in a request that the model asked for would have taken."""
    fault = error(row.status, "made_up" if row.id == "U8" else None)
    async with (
        RawServer((error(500),)) as main,
        RawServer((fault,)) as spare,
        serving({MAIN: main.base_url, SPARE: spare.base_url}) as gateway,
    ):
        answer, x = await gateway.ask()

    assert (len(main.received), len(spare.received)) == (ATTEMPTS, ATTEMPTS if row.again else 1)
    expect_envelope(ROWS["U17"], answer)
    assert [each.outcome for each in attempts(x)][-1] != "upstream_error"


@proves("U13")
async def test_the_wait_that_was_asked_for_is_waited_in_full(row: Row) -> None:
    limited = (error(429, retry_after_ms=str(int(HINT_S * 1000))),)
    async with RawServer(limited, answers()) as upstream, serving({MAIN: upstream.base_url}) as gateway:
        answer, _ = await gateway.ask()

    assert row.again
    assert answer_text(answer) == "Hello."
    first, second = upstream.received
    assert HINT_S <= second.seen_s - first.seen_s < HINT_S + 1.0


@proves("U14")
@pytest.mark.parametrize(("spare", "calls"), [(True, 1), (False, ATTEMPTS)])
async def test_how_long_a_wait_is_in_reach_depends_on_who_else_is_there(row: Row, spare: bool, calls: int) -> None:
    """An answer now beats a wait; without another candidate a longer wait beats none."""
    retry = {"cap_s": HINT_S / 2, "retry_after_cap_s": 1.0}
    (limited,) = statuses(429, retry_after_ms=str(int(HINT_S * 1000)))
    async with failing(limited, spare=spare, retry=retry) as (gateway, upstream, _):
        answer, _ = await gateway.ask()

    assert len(upstream.received) == calls
    assert (answer.status == 200) == spare
    if not spare:
        assert answer.status == row.status


@proves("U14")
async def test_a_hint_of_the_upstream_is_handed_on(row: Row) -> None:
    async with failing(Fault("429", (error(429, retry_after="60"),))) as (gateway, *_):
        answer, _ = await gateway.ask()

    expect_envelope(row, answer)
    assert answer.headers["Retry-After"] == "60"


@proves("U24")
@pytest.mark.parametrize("stream", [True, False])
async def test_while_nobody_may_be_asked_the_time_left_is_told(row: Row, stream: bool) -> None:
    tables: dict[str, Any] = {"retry": {"attempts": 1}, "breaker": {"failures": 1, "open_s": 30}}
    for fault, shortest_s, longest_s in (
        (Fault("500", (error(500),)), 26, 33),
        (Fault("401", (error(401),), tables=STATIC), 59, 60),
    ):
        async with failing(fault, **tables) as (gateway, upstream, _):
            await gateway.ask()
            answer, x = await gateway.ask(stream=stream)

            expect_envelope(row, answer)
            assert shortest_s <= int(answer.headers["Retry-After"]) <= longest_s
            assert (x.state, len(upstream.received)) == (row.ends, 1)


@proves("U1a", "U17")
async def test_who_else_is_hit_by_a_failure(row: Row) -> None:
    """An upstream that can't be reached can't be reached for any model; a model that fails may be the only one."""
    (fault,) = (Fault("refused", where="closed"),) if row.breaker == "all" else statuses(500)
    models = [{"id": name, "upstream": MAIN} for name in (MAIN, "second")]
    async with failing(fault, models=models, retry={"attempts": 1}, breaker={"failures": 1}) as (gateway, *_):
        await gateway.ask(model="second")
        _, x = await gateway.ask()

    assert len(attempts(x)) == (0 if row.breaker == "all" else 1)
