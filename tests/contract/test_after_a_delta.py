"""An upstream fails in the middle of its answer: never tried again once something has left, always when nothing has."""

from contextlib import AbstractAsyncContextManager
from dataclasses import replace

from proxy.clock import LoopClock
from proxy.testing.frames import finish_of_stream
from proxy.testing.inprocess import InProcessUpstream
from proxy.testing.raw import DONE, ROLE, Script, begins_call, finishes, goes_on_call, says, sse
from proxy.testing.raw_server import RawServer
from proxy.testing.script import Upstream
from proxy.testing.walk import path
from tests.contract.faults import AFTER_A_DELTA, CUT_CALL, SHORT_S, SPARE_SAYS, WHOLE, Fault, cases, failing
from tests.contract.gateway import (
    ATTEMPTS,
    MAIN,
    Running,
    answer_text,
    attempts,
    expect_envelope,
    expect_frame,
    proves,
    serving,
)
from tests.contract.table import Row

HEALTH = {"counts": "open", "rests": "resting"}


@cases(AFTER_A_DELTA)
async def test_what_has_left_is_never_told_again(row: Row, fault: Fault) -> None:
    """The text so far, then the one frame; no other call, though the budget and another candidate are there."""
    async with failing(fault, spare=True, breaker={"failures": 1}) as (gateway, upstream, spare):
        answer, x = await gateway.ask()

        expect_frame(row, answer, "Hel")
        assert path(x).split()[-2:] == ["stream", row.ends]
        assert (len(upstream.received), len(spare.received)) == (1, 0)
        assert gateway.health() == HEALTH.get(row.breaker, "ok")


@cases(AFTER_A_DELTA)
async def test_a_collected_answer_goes_to_another_candidate(row: Row, fault: Fault) -> None:
    """Nothing has left, so nothing can be told twice."""
    async with failing(fault, spare=True, retry={"attempts": 1}) as (gateway, _, spare):
        answer, x = await gateway.ask(stream=False)

    assert answer_text(answer) == SPARE_SAYS
    assert path(x) == "validate auth session upstream read backoff upstream read tool_parse render done"
    assert len(spare.received) == 1


@cases(AFTER_A_DELTA, first=True)
async def test_a_collected_answer_is_asked_for_again_unless_waiting_twice_would_not_help(
    row: Row, fault: Fault
) -> None:
    """A clock ran out, or the answer is too large: the same call would end in the same way."""
    async with failing(fault) as (gateway, upstream, _):
        answer, _ = await gateway.ask(stream=False)

    expect_envelope(in_read(row), answer)
    assert len(upstream.received) == (1 if row.id in {"M2", "M3", "M6"} else ATTEMPTS)


@cases(AFTER_A_DELTA, first=True)
async def test_an_assured_stream_is_rescued(row: Row, fault: Fault) -> None:
    """That is what `assured` is paid for."""
    async with failing(fault, spare=True, retry={"attempts": 1}) as (gateway, _, spare):
        answer, _ = await gateway.ask(headers={"x-delivery": "assured"})

    assert answer_text(answer) == SPARE_SAYS
    assert len(spare.received) == 1


@proves("M6")
async def test_a_collected_answer_has_a_size(row: Row) -> None:
    script = (sse(), *(says("x" * 100) for _ in range(30)), finishes(), DONE)
    async with failing(Fault("answer", script, tables={"server": {"max_answer_bytes": 2048}})) as (gateway, *_):
        answer, _ = await gateway.ask(stream=False)

    expect_envelope(in_read(row), answer)


@proves("M7", "M8", "M9", "M10", "U22")
async def test_a_sloppy_answer_that_is_whole_is_an_answer(row: Row) -> None:
    """Servers end their streams in many ways; what matters is whether something of the answer is missing."""
    text = "" if row.id == "U22" else "Hello."
    for stream in (True, False):
        async with whole(WHOLE[row.id]) as (gateway, upstream, _):
            answer, x = await gateway.ask(stream=stream)
            assert answer_text(answer) == text
            assert x.state == row.ends
            assert (len(attempts(x)), gateway.health()) == (1, "ok")
            if stream:
                assert finish_of_stream(answer.body) == "stop"
            if row.id == "M8":
                await (await upstream.call()).left()


@proves("M9")
async def test_an_end_mark_after_whole_calls_is_their_finish(row: Row) -> None:
    async with whole((*CUT_CALL, goes_on_call('TC"}'), DONE)) as (gateway, *_):
        answer, x = await gateway.ask(tools=[{"type": "function", "function": {"name": "now"}}])

    assert finish_of_stream(answer.body) == "tool_calls"
    assert x.state == row.ends


@proves("M10")
async def test_text_after_the_finish_is_told_and_the_last_finish_counts(row: Row) -> None:
    """The finish is held back until the end, so that there is one."""
    async with whole((sse(), ROLE, says("Hel"), finishes(), says("lo."), finishes("length"), DONE)) as (gateway, *_):
        answer, x = await gateway.ask()

    assert answer_text(answer) == "Hello."
    assert finish_of_stream(answer.body) == "length"
    assert x.state == row.ends


@proves("M12")
async def test_a_call_cut_by_the_length_is_told_as_such(row: Row) -> None:
    """The caller asked for no more tokens: it is the caller's own limit, not a failure."""
    script = (sse(), ROLE, begins_call("now", '{"zone":"U'), finishes("length"), DONE)
    async with whole(script) as (gateway, *_):
        answer, x = await gateway.ask(tools=[{"type": "function", "function": {"name": "now"}}])

    assert finish_of_stream(answer.body) == "length"
    assert x.state == row.ends


@proves("M14")
async def test_our_own_end_lets_go_of_the_upstream(row: Row) -> None:
    """Where the gateway keeps to stop strings for the upstream, what comes after one is of no use."""
    upstream = InProcessUpstream("main", [Upstream.answers("Hello. END", " More.").then_stalls()], LoopClock())
    async with serving({MAIN: upstream}) as gateway:
        answer, x = await gateway.ask(stop=["END"])

        assert answer_text(answer) == "Hello. "
        assert x.state == row.ends
        assert (upstream.live, gateway.health()) == (0, "ok")


def in_read(row: Row) -> Row:
    """The row as it is told while nothing has left."""
    return replace(row, told=row.told.removeprefix("text "))


def whole(script: Script) -> AbstractAsyncContextManager[tuple[Running, RawServer, RawServer]]:
    """A gateway before an upstream that answers so, with a breaker that forgives nothing."""
    return failing(Fault("whole", script), breaker={"failures": 1}, clocks={"tail": SHORT_S})
