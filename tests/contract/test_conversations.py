"""Conversations and credentials: what a store and a managed token can do to a request.

Stored conversations and managed credentials are played by fakes behind the same ports.
"""

from collections.abc import Callable

import pytest

from proxy.clock import LoopClock
from proxy.errors import ConversationBusy, ConversationLost, SessionLost, SessionStoreUnavailable, TurnstileError
from proxy.testing.inprocess import InProcessUpstream
from proxy.testing.script import Upstream
from proxy.testing.walk import path
from tests.contract.faults import SPARE_SAYS
from tests.contract.gateway import MAIN, SPARE, answer_text, expect_envelope, expect_frame, proves, serving
from tests.contract.table import Row

COMMIT_S = 0.03
HELLO = Upstream.answers("Hello.")
STREAMED = pytest.mark.parametrize("stream", [True, False])
REFUSED: dict[str, Callable[[], TurnstileError]] = {"S1": ConversationBusy, "S3": SessionStoreUnavailable}
FAILS: dict[str, Upstream] = {
    "S7b": Upstream.fails(ConversationLost()),
    "S8": Upstream.fails(SessionLost()),
    "K3a": Upstream.fails(401),
}
"""What fails each time it is asked; the first of S7b and K3a is mended, unseen."""


def managed(*scripts: Upstream, name: str = MAIN) -> InProcessUpstream:
    """An upstream whose credential can be renewed."""
    return InProcessUpstream(name, scripts, LoopClock(), credential="managed")


@proves(*REFUSED)
@STREAMED
async def test_a_conversation_that_cannot_be_taken_costs_no_call(row: Row, stream: bool) -> None:
    """Neither another try nor another candidate would have the conversation."""
    main, spare = managed(HELLO), managed(HELLO, name=SPARE)
    async with serving({MAIN: main, SPARE: spare}, errors=(REFUSED[row.id](),)) as gateway:
        answer, x = await gateway.ask(stream=stream)

    expect_envelope(row, answer)
    assert (path(x), main.calls, spare.calls) == (f"validate auth session {row.ends}", [], [])
    assert answer.headers["Retry-After"] == "1"


@proves("S7a", "K2")
@STREAMED
async def test_what_can_be_mended_is_mended_once_unseen(row: Row, stream: bool) -> None:
    """Outside of the budget: the caller and the health of the upstream know nothing of it."""
    fault = Upstream.fails(ConversationLost()) if row.id == "S7a" else Upstream.fails(401)
    main = managed(fault, HELLO)
    async with serving({MAIN: main}, retry={"attempts": 1}, breaker={"failures": 1}) as gateway:
        answer, x = await gateway.ask(stream=stream)

        assert answer_text(answer) == "Hello."
        assert (x.state, len(main.calls), gateway.health()) == (row.ends, 2, "ok")
        assert [turn.renew_credential for turn in main.turns] == [False, row.id == "K2"]
        mended = "session upstream" if row.id == "S7a" else "upstream"
        assert path(x).startswith(f"validate auth session upstream {mended} ")


@proves("S7a")
async def test_the_replay_tells_everything(row: Row) -> None:
    main = managed(Upstream.fails(ConversationLost()), HELLO)
    async with serving({MAIN: main}) as gateway:
        await gateway.ask()

        assert [turn.plan.ids for turn in main.turns] == [{"node": "known"}, None]
        assert [taken.status for taken in gateway.store.taken] == ["replay"]
        assert row.again


@proves(*FAILS)
@STREAMED
async def test_what_cannot_be_mended_is_told(row: Row, stream: bool) -> None:
    main = managed(FAILS[row.id])
    async with serving({MAIN: main}, breaker={"failures": 1}) as gateway:
        answer, x = await gateway.ask(stream=stream)

        expect_envelope(row, answer)
        assert (x.state, gateway.health() == "open") == (row.ends, False)
        assert len(main.calls) == (1 if row.id == "S8" else 2)


@proves(*FAILS)
async def test_what_cannot_be_mended_is_told_alike_in_a_frame(row: Row) -> None:
    main = managed(Upstream.waits(2 * COMMIT_S).then(*FAILS[row.id].steps))
    async with serving({MAIN: main}, clocks={"commit_headers_after": COMMIT_S}) as gateway:
        answer, x = await gateway.ask()

    expect_frame(row, answer)
    assert x.state == row.ends


@proves(*FAILS)
async def test_another_candidate_does_not_need_it(row: Row) -> None:
    """Unless the history is missing: then nobody can answer."""
    spare = managed(Upstream.answers(SPARE_SAYS), name=SPARE)
    async with serving({MAIN: managed(FAILS[row.id]), SPARE: spare}) as gateway:
        answer, _ = await gateway.ask()

    if row.elsewhere:
        assert answer_text(answer) == SPARE_SAYS
    else:
        expect_envelope(row, answer)
    assert len(spare.calls) == row.elsewhere
