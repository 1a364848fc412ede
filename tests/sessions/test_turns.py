"""One turn at a time: who waits, who branches off, and what a turn that ends badly leaves behind."""

import asyncio

import pytest

from proxy.errors import ConversationBusy, SessionLost
from proxy.sessions.leases import HOLD_S
from proxy.sessions.store import StoreFailed
from proxy.testing.clock import at_rest
from tests.sessions.turns import CANDIDATE, Desk, answer_of

# --- one turn at a time


async def test_a_second_turn_waits_until_the_first_is_recorded() -> None:
    desk = Desk()
    await desk.turn("Hi.", answer="Hello.", node="n1", session_id="mine")
    first = await desk.take("One.", session_id="mine")
    waiting = asyncio.ensure_future(desk.take("Two.", session_id="mine"))  # noqa: TID251 - a test's own
    await at_rest()
    assert not waiting.done()

    await desk.commit(first, "1.", "n2")
    while not waiting.done():
        await desk.clock.next_timer()
        await at_rest()
    assert desk.ids(waiting.result()) == "n2"


async def test_a_second_turn_may_be_turned_away() -> None:
    desk = Desk(on_conflict="reject")
    await desk.turn("Hi.", answer="Hello.", node="n1", session_id="mine")
    await desk.take("One.", session_id="mine")

    with pytest.raises(ConversationBusy):
        await desk.take("Two.", session_id="mine")


async def test_a_second_turn_may_branch_off_and_leaves_the_name_to_the_first() -> None:
    desk = Desk(on_conflict="fork")
    await desk.turn("Hi.", answer="Hello.", node="n1", session_id="mine")
    first = await desk.take("One.", session_id="mine")
    second = await desk.turn("Two.", answer="2.", node="branch", session_id="mine")
    await desk.commit(first, "1.", "n2")

    assert second.status == "hit"
    assert desk.ids(await desk.take("Go.", session_id="mine")) == "n2"


async def test_a_branch_of_one_line_is_told_anew() -> None:
    """The other turn is under way on that very line."""
    desk = Desk(on_conflict="fork", keeps="line")
    await desk.turn("Hi.", answer="Hello.", node="n1")
    await desk.take("Hi.", "Hello.", "One.")

    assert desk.ids(await desk.take("Hi.", "Hello.", "Two.")) is None


async def test_a_turn_that_ends_badly_frees_the_conversation_and_changes_nothing() -> None:
    desk = Desk()
    await desk.turn("Hi.", answer="Hello.", node="n1", session_id="mine")
    first = await desk.take("One.", session_id="mine")
    desk.ids(first)
    first.sent()
    first.release()
    await at_rest()

    assert desk.ids(await desk.take("Two.", session_id="mine")) == "n1"
    assert desk.clock.pending == 1, "the second lease is renewed, the first is not"


async def test_an_answer_that_is_no_node_is_not_recorded() -> None:
    desk = Desk()
    await desk.turn("Hi.", answer="Hello.", node="n1", session_id="mine")
    second = await desk.take("One.", session_id="mine")
    await desk.commit(second, "1.", None)
    second.release()
    await at_rest()

    assert desk.ids(await desk.take("Two.", session_id="mine")) == "n1"


async def test_a_record_that_cannot_be_written_leaves_the_conversation_free_and_the_turn_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The upstream has moved on, and the record has not."""
    desk = Desk(keeps="line", on_conflict="reject")
    await desk.turn("Hi.", answer="Hello.", node="n1")
    unrecorded = await desk.take("Hi.", "Hello.", "One.")
    assert desk.ids(unrecorded) == "n1"
    unrecorded.sent()
    with monkeypatch.context() as broken:
        broken.setattr(desk.store, "settle", fails)
        await desk.commit(unrecorded, "1.", "n2")
    unrecorded.release()
    await at_rest()

    assert unrecorded.degraded
    again = await desk.take("Hi.", "Hello.", "One.")
    assert (desk.ids(again), again.status) == (None, "replay")


async def fails(*_args: object, **_options: object) -> None:
    raise StoreFailed("made up")


async def test_a_living_holder_keeps_its_lease_and_a_dead_one_loses_it() -> None:
    alive, dead = Desk(on_conflict="reject"), Desk(on_conflict="reject")
    for desk in (alive, dead):
        await desk.turn("Hi.", answer="Hello.", node="n1", session_id="mine")
        await desk.take("One.", session_id="mine")
    dead.leases.drop(next(iter(dead.leases._held)))

    for _ in range(10):
        await alive.clock.next_timer()
        await at_rest()
    with pytest.raises(ConversationBusy):
        await alive.take("Two.", session_id="mine")

    await dead.clock.advance(HOLD_S)
    assert desk.ids(await dead.take("Two.", session_id="mine")) == "n1"


async def test_a_turn_that_lost_its_lease_does_not_overwrite_the_next_one() -> None:
    desk = Desk()
    await desk.turn("Hi.", answer="Hello.", node="n1", session_id="mine")
    slow = await desk.take("One.", session_id="mine")
    desk.leases.drop(next(iter(desk.leases._held)))
    await desk.clock.advance(HOLD_S)
    await desk.turn("Two.", answer="2.", node="n2", session_id="mine")
    await desk.commit(slow, "1.", "late")

    assert desk.ids(await desk.take("Three.", session_id="mine")) == "n2"


# --- upstreams that know one line only


async def test_the_head_of_a_line_is_gone_on_with_and_no_other_node() -> None:
    desk = Desk(keeps="line")
    await desk.turn("Hi.", answer="Hello.", node="n1")
    await desk.turn("Hi.", "Hello.", "One.", answer="1.", node="n2")

    assert desk.ids(await desk.take("Hi.", "Hello.", "One.", "1.", "Go.")) == "n2"
    edited = await desk.take("Hi.", "Hello.", "Two.")
    assert (desk.ids(edited), edited.status) == (None, "replay")


@pytest.mark.parametrize(("keeps", "goes_on_from"), [("line", None), ("tree", "n1")])
async def test_a_turn_that_was_left_open_blocks_a_line_and_not_a_tree(keeps: str, goes_on_from: str | None) -> None:
    """Nobody knows whether the upstream took it."""
    desk = Desk(keeps=keeps)  # type: ignore[arg-type]  # one of the words
    await desk.turn("Hi.", answer="Hello.", node="n1")
    gone = await desk.take("Hi.", "Hello.", "One.")
    desk.ids(gone)
    gone.sent()
    gone.release()
    await at_rest()

    assert desk.ids(await desk.take("Hi.", "Hello.", "One.")) == goes_on_from


async def test_a_turn_that_was_surely_refused_leaves_the_line_open() -> None:
    desk = Desk(keeps="line")
    await desk.turn("Hi.", answer="Hello.", node="n1")
    turned_away = await desk.take("Hi.", "Hello.", "One.")
    desk.ids(turned_away)
    turned_away.sent()
    turned_away.refused()
    assert desk.ids(turned_away) == "n1", "the next call may try the same"
    turned_away.release()
    await at_rest()

    assert desk.ids(await desk.take("Hi.", "Hello.", "One.")) == "n1"


async def test_a_call_that_may_have_been_taken_is_not_repeated_on_the_same_line() -> None:
    desk = Desk(keeps="line")
    await desk.turn("Hi.", answer="Hello.", node="n1")
    retried = await desk.take("Hi.", "Hello.", "One.")
    assert desk.ids(retried) == "n1"
    retried.sent()

    assert (desk.ids(retried), retried.status) == (None, "replay")
    retried.sent()
    retried.refused()
    assert desk.ids(retried) is None, "what an earlier call has left stays left"


async def test_a_holder_that_died_in_a_turn_has_left_it_open() -> None:
    desk = Desk(keeps="line")
    await desk.turn("Hi.", answer="Hello.", node="n1")
    await desk.take("Hi.", "Hello.", "One.")
    desk.leases.drop(next(iter(desk.leases._held)))
    await desk.clock.advance(HOLD_S)

    assert desk.ids(await desk.take("Hi.", "Hello.", "One.")) is None


async def test_a_blocked_line_whose_history_nobody_shows_is_lost_and_said_to_be() -> None:
    """Never is only the last message sent, as if it were all."""
    desk = Desk(keeps="line")
    await desk.turn("Hi.", answer="Hello.", node="n1", session_id="mine")
    gone = await desk.take("One.", session_id="mine")
    desk.ids(gone)
    gone.sent()
    gone.release()
    await at_rest()
    blocked = await desk.take("Two.", session_id="mine")
    with pytest.raises(SessionLost):
        desk.ids(blocked)
    blocked.release()
    await at_rest()

    assert (await desk.take("Two.", session_id="mine")).status == "new", "the record went with it"


# --- lost at the upstream, answered elsewhere


async def test_a_lost_conversation_is_told_whole_and_its_record_replaced() -> None:
    desk = Desk()
    await desk.turn("Hi.", answer="Hello.", node="n1")
    lost = await desk.take("Hi.", "Hello.", "One.")
    assert desk.ids(lost) == "n1"
    lost.forget()
    assert (desk.ids(lost), lost.status) == (None, "replay")
    await desk.commit(lost, "1.", "m2")

    assert desk.ids(await desk.take("Hi.", "Hello.", "One.", "1.", "Go.")) == "m2"
    assert (await desk.take("Hi.", "Hello.", "Two.")).status == "replay"


async def test_another_upstream_is_told_everything_and_keeps_a_record_of_its_own() -> None:
    desk = Desk()
    await desk.turn("Hi.", answer="Hello.", node="n1")
    conversation = await desk.take("Hi.", "Hello.", "One.")
    assert conversation.plan(CANDIDATE, desk.elsewhere).ids is None
    await conversation.commit(CANDIDATE, desk.elsewhere, answer_of("1."), {"node": "other"})

    assert (await desk.take("Hi.", "Hello.", "One.", "1.", "Go.")).status == "replay"
    assert desk.ids(await desk.take("Hi.", "Hello.", "Two.")) == "n1"
    desk.place, desk.elsewhere = desk.elsewhere, desk.place
    assert desk.ids(await desk.take("Hi.", "Hello.", "One.", "1.", "Go.")) == "other"
