"""A process that breaks, hangs or garbles: what becomes of the turns on it."""

import asyncio

import pytest

from proxy.errors import (
    ConnectTimeout,
    ConversationLost,
    InternalError,
    UpstreamBusy,
    UpstreamContextLength,
    UpstreamDisconnected,
    UpstreamFailed,
    UpstreamOversize,
    UpstreamProtocolError,
    UpstreamTimeout,
    UpstreamTruncated,
    UpstreamUnavailable,
    UpstreamUnreachable,
)
from tests.upstreams.child.conftest import until
from tests.upstreams.codex.conftest import events_of, failure_of, text_of


async def test_a_process_that_ends_before_its_handshake_is_unreachable(codex):
    with pytest.raises(UpstreamUnreachable):
        await codex(stillborn=True).open()


async def test_a_process_that_does_not_answer_the_handshake_is_not_waited_for_for_ever(codex):
    with pytest.raises(ConnectTimeout):
        await codex(mute=True, clocks={"connect": 0.3}).open()


async def test_a_program_that_is_not_there_is_unreachable_then_unavailable(codex):
    codex = codex(bin="/no/such/program")

    for expected in (UpstreamUnreachable, UpstreamUnreachable, UpstreamUnavailable):
        with pytest.raises(expected):
            await codex.open()


@pytest.mark.parametrize(("tier", "reason"), [("old", "codex_too_old"), ("basic", "codex_too_basic")])
async def test_a_version_that_lacks_what_is_needed_is_not_started_again(codex, tier, reason):
    codex = codex(tier=tier)

    with pytest.raises(UpstreamUnavailable) as told:
        await codex.open()

    assert (told.value.detail, told.value.retryable) == (reason, False)
    assert codex.pool.slots[0].generation == 1


async def test_a_process_that_ends_breaks_off_every_answer_on_it_at_once(codex):
    codex = codex([["delta", "begun"], ["silence"]], [["sleep", 0.05], ["exit"]])
    first = await codex.open()
    second = await codex.open()

    for call in (first, second):
        with pytest.raises(UpstreamTruncated):
            await events_of(call)
        assert call.node is None
    again = await codex.open()
    assert (await again.receive())[0].ids["turn_id"] == "turn-1", "the first one of a new process"
    again.close()


async def test_a_process_that_ends_while_a_turn_is_opened_is_told_as_such(codex):
    codex = codex(unanswered=["turn/start"])
    await until(lambda: codex.pool.ready)
    opening = asyncio.ensure_future(codex.open())  # noqa: TID251 - a test's own
    await codex.until_told("turn/start")

    codex.pool.slots[0].ready._process.kill()

    with pytest.raises(UpstreamDisconnected):
        await opening


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ('{"method":"item/agentMessage/delta","params":{"threadId":"THREAD","delta":"ha', UpstreamProtocolError),
        ('{"method":"x","params":{"threadId":"THREAD","delta":"' + "x" * 30_000_000, UpstreamOversize),
        ("not even a thread", UpstreamProtocolError),
    ],
    ids=["garbled", "oversize", "whose?"],
)
async def test_a_line_that_can_t_be_read_fails_the_turn_it_is_of_and_is_never_skipped(codex, line, error):
    failure, events = await failure_of(
        codex([["delta", "begun"], ["sleep", 0.1], ["raw", line], ["delta", "more"], ["end"]])
    )

    assert type(failure) is error
    assert text_of(events) == "begun"


async def test_a_call_that_gets_no_reply_ends_by_the_clock_rpc(codex):
    with pytest.raises(UpstreamTimeout) as told:
        await codex(unanswered=["turn/start"], rpc_s=0.3).open()

    assert told.value.clock == "rpc"


async def test_an_overloaded_process_is_busy_after_some_resends(codex):
    overloaded = {"code": -32001, "message": "Server overloaded; retry later."}
    codex = codex(refusals={"turn/start": [overloaded] * 2})
    await codex.ask()
    assert len(codex.told("turn/start")) == 3


async def test_a_process_that_stays_overloaded_is_busy(codex):
    overloaded = {"code": -32001, "message": "Server overloaded; retry later."}
    with pytest.raises(UpstreamBusy):
        await codex(refusals={"turn/start": [overloaded] * 9}).open()


async def test_an_interrupt_that_is_not_honoured_costs_the_process_but_no_other_turn(codex):
    other = [["delta", "on"], ["sleep", 0.6], ["delta", " and on"], ["end"]]
    codex = codex([["delta", "x"], ["silence"]], other, unanswered=["turn/interrupt"], interrupt_s=0.2)
    hung = await codex.open()
    await hung.receive()
    child = codex.pool.slots[0].ready
    running = await codex.open()

    hung.close()
    await until(lambda: child.worn is not None)

    assert text_of(await events_of(running)) == "on and on"
    await until(lambda: child.lost)


async def test_an_answer_that_nobody_takes_does_not_grow_without_limit(codex):
    codex = codex([*([["delta", "x" * 1000]] * 50), ["silence"]], server={"max_answer_bytes": 10_000})
    call = await codex.open()

    await codex.until_told("turn/interrupt")
    with pytest.raises(UpstreamOversize):
        await events_of(call)


async def test_codex_never_tries_again_by_itself(codex):
    """What it has told would be told again."""
    error = {"message": "stream disconnected before completion", "codexErrorInfo": {"responseStreamDisconnected": {}}}
    script = [["delta", "half"], ["tell", "error", {"error": error, "willRetry": True}], ["delta", "half"], ["silence"]]
    codex = codex(script)

    failure, events = await failure_of(codex)

    assert isinstance(failure, UpstreamDisconnected)
    assert text_of(events) == "half"
    await codex.until_told("turn/interrupt")


async def test_an_interrupt_that_was_not_ours_is_a_failure(codex):
    failure, _ = await failure_of(codex([["end", "interrupted"]]))

    assert type(failure) is UpstreamFailed
    assert failure.retryable


async def test_a_history_that_outgrows_the_window_is_the_callers_to_know(codex):
    script = [["tell", "item/started", {"item": {"type": "contextCompaction"}}], ["delta", "x"], ["silence"]]
    codex = codex(script)

    failure, events = await failure_of(codex)

    assert isinstance(failure, UpstreamContextLength)
    assert text_of(events) == ""
    await codex.until_told("turn/interrupt")


async def test_compaction_that_is_allowed_costs_the_thread(codex):
    script = [["tell", "item/started", {"item": {"type": "contextCompaction"}}], ["delta", "x"], ["end"]]
    events, call = await codex(script, on_compaction="allow").ask()

    assert text_of(events) == "x"
    assert call.node is None


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ("thread not found: abc", ConversationLost),
        ("no rollout found for thread id abc", ConversationLost),
        ("thread abc already has an active writer", ConversationLost),
        ("Not initialized", InternalError),
        ("turn/start.environments requires experimentalApi capability", InternalError),
        ("something else", UpstreamFailed),
    ],
)
async def test_a_call_that_is_refused_is_told_by_its_words(codex, message, error):
    with pytest.raises(error) as told:
        await codex(refusals={"turn/start": [{"code": -32600, "message": message}]}).open()

    assert type(told.value) is error


async def test_leaving_interrupts_the_turn_and_its_thread_is_let_go_of(codex):
    codex = codex([["delta", "x"], ["silence"]])
    call = await codex.open()

    call.close()
    call.close()

    await codex.until_told("turn/interrupt")
    await codex.until_told("thread/unsubscribe")
    assert codex.server.turns == 0
    assert len(codex.told("turn/interrupt")) == 1


async def test_leaving_before_the_turn_has_its_id_interrupts_it_then(codex):
    codex = codex([["early"], ["silence"]])
    await until(lambda: codex.pool.ready)
    opening = asyncio.ensure_future(codex.open())  # noqa: TID251 - a test's own
    while not codex.connected:  # noqa: ASYNC110 - at once, in the next turn of the loop
        await asyncio.sleep(0)

    opening.cancel()

    interrupt = await codex.until_told("turn/interrupt")
    assert interrupt["params"]["turnId"] == "turn-1"
    await until(lambda: codex.server.turns == 0)


async def test_an_answer_that_is_whole_is_not_interrupted(codex):
    codex = codex()
    _, call = await codex.ask()

    call.close()
    await codex.ask()

    assert codex.told("turn/interrupt") == []


async def test_closing_the_upstream_interrupts_what_runs_and_ends_the_process(codex):
    codex = codex([["delta", "x"], ["silence"]])
    call = await codex.open()
    child = codex.pool.slots[0].ready

    await codex.adapter.close()

    assert child.lost
    with pytest.raises(UpstreamDisconnected):
        await events_of(call)
    assert len(codex.told("turn/interrupt")) == 1
