"""An upstream fails before anything of its answer has come: told as what it is, tried again, and tried elsewhere."""

from dataclasses import replace

from proxy.testing.walk import path
from tests.contract.faults import BEFORE_A_DELTA, SPARE_SAYS, Fault, cases, failing
from tests.contract.gateway import ATTEMPTS, answer_text, attempts, expect_envelope, expect_frame
from tests.contract.table import Row

COMMIT_S = 0.03
KEY = {"Authorization": "Bearer made-up"}


def told(row: Row, fault: Fault) -> Row:
    """What this form of the fault is told as."""
    return replace(row, told=fault.told) if fault.told else row


@cases(BEFORE_A_DELTA)
async def test_before_headers_have_left_it_has_a_status(row: Row, fault: Fault) -> None:
    """Nothing was promised yet, so the caller's client sees what it is by the status."""
    async with failing(fault) as (gateway, upstream, _):
        answer, x = await gateway.ask(headers=KEY)

    expect_envelope(told(row, fault), answer)
    expect_calls(row, fault, len(attempts(x)), len(upstream.received))
    assert path(x).split()[-2:] == ["upstream", row.ends]


@cases(BEFORE_A_DELTA)
async def test_an_answer_that_is_not_streamed_fails_alike(row: Row, fault: Fault) -> None:
    """It tells nothing before it is whole, so it can be tried again in the same way."""
    async with failing(fault) as (gateway, upstream, _):
        answer, x = await gateway.ask(stream=False, headers=KEY)

    expect_envelope(told(row, fault), answer)
    expect_calls(row, fault, len(attempts(x)), len(upstream.received))


@cases(BEFORE_A_DELTA, first=True)
async def test_after_headers_have_left_the_same_is_told_in_one_frame(row: Row, fault: Fault) -> None:
    """The status has been told: what remains is the frame, which must say the same."""
    slow = fault.after(2 * COMMIT_S)
    clocks = {"commit_headers_after": COMMIT_S}
    async with failing(slow, clocks=clocks, retry={"base_s": 3 * COMMIT_S}, breaker={"failures": 0}) as (gateway, *_):
        answer, x = await gateway.ask(headers=KEY)

    expect_frame(told(row, fault), answer)
    assert x.state == row.ends


@cases(BEFORE_A_DELTA, first=True)
async def test_another_candidate_is_asked_where_it_may_do_better(row: Row, fault: Fault) -> None:
    """Each candidate once: the answer, if there is one, is whole and is the other's."""
    async with failing(fault, spare=True, retry={"attempts": 1}) as (gateway, _, spare):
        answer, x = await gateway.ask(headers=KEY)

    if row.elsewhere:
        assert answer_text(answer) == SPARE_SAYS
        assert path(x) == "validate auth session upstream backoff upstream stream tool_parse render done"
    else:
        expect_envelope(told(row, fault), answer)
    assert len(spare.received) == row.elsewhere


@cases(BEFORE_A_DELTA, first=True)
async def test_the_health_of_the_upstream_hears_of_it(row: Row, fault: Fault) -> None:
    """What is the upstream's failure counts; what is about the request or the credential does not."""
    async with failing(fault, retry={"attempts": 1}, breaker={"failures": 1}) as (gateway, *_):
        await gateway.ask(headers=KEY)

        expected = {"counts": "open", "all": "open", "aside": "aside", "rests": "resting"}.get(row.breaker, "ok")
        assert gateway.health() == expected


def expect_calls(row: Row, fault: Fault, begun: int, seen: int) -> None:
    """The budget is spent where the row says that the same candidate is called again, and else one call is made."""
    assert begun == (ATTEMPTS if row.again else 1)
    if not fault.where:
        assert seen == begun
