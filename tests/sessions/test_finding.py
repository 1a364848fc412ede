"""Finding a conversation again: by what was said, by an id, by who asks."""

from proxy.testing.clock import at_rest
from tests.sessions.turns import ALICE, BOB, CANDIDATE, Desk

# --- found by what was said


async def test_a_first_turn_begins_a_conversation_and_the_second_goes_on() -> None:
    desk = Desk()
    first = await desk.turn("Hi.", answer="Hello.", node="n1")
    second = await desk.take("Hi.", "Hello.", "And now?")

    assert (first.status, second.status, desk.ids(second)) == ("new", "hit", "n1")
    assert second.plan(CANDIDATE, desk.place).tail == 2
    assert first.session_id == second.session_id


async def test_a_history_that_nobody_knows_is_told_whole() -> None:
    desk = Desk()
    conversation = await desk.take("Hi.", "Hello.", "And now?")

    assert (conversation.status, desk.ids(conversation)) == ("replay", None)


async def test_the_same_question_again_goes_on_from_the_same_node() -> None:
    """A regenerate: a sibling of the answer that was there."""
    desk = Desk()
    await desk.turn("Hi.", answer="Hello.", node="n1")
    await desk.turn("Hi.", "Hello.", "Tell me.", answer="One.", node="n2")
    again = await desk.take("Hi.", "Hello.", "Tell me.")

    assert desk.ids(again) == "n1"


async def test_an_edit_goes_on_from_the_node_before_it() -> None:
    desk = Desk()
    await desk.turn("Hi.", answer="Hello.", node="n1")
    await desk.turn("Hi.", "Hello.", "Tell me.", answer="One.", node="n2")
    await desk.turn("Hi.", "Hello.", "Tell me.", "One.", "More.", answer="Two.", node="n3")

    assert desk.ids(await desk.take("Hi.", "Hello.", "Tell me more.")) == "n1"
    assert desk.ids(await desk.take("Hi.", "Hello.", "Tell me.", "One.", "Less.")) == "n2"


async def test_both_branches_are_gone_on_with() -> None:
    desk = Desk()
    await desk.turn("Hi.", answer="Hello.", node="n1")
    await desk.turn("Hi.", "Hello.", "Left.", answer="L.", node="left")
    await desk.turn("Hi.", "Hello.", "Right.", answer="R.", node="right")

    assert desk.ids(await desk.take("Hi.", "Hello.", "Left.", "L.", "Go.")) == "left"
    assert desk.ids(await desk.take("Hi.", "Hello.", "Right.", "R.", "Go.")) == "right"


async def test_a_history_with_something_left_out_is_told_whole() -> None:
    """Clients cut long histories short."""
    desk = Desk()
    await desk.turn("Hi.", answer="Hello.", node="n1")
    await desk.turn("Hi.", "Hello.", "Tell me.", answer="One.", node="n2")

    assert (await desk.take("Tell me.", "One.", "More.")).status == "replay"


async def test_two_callers_who_say_the_same_never_meet() -> None:
    desk = Desk()
    await desk.turn("Hi.", answer="Hello.", node="n1")

    assert (await desk.take("Hi.", "Hello.", "And now?", caller=BOB)).status == "replay"


async def test_two_end_users_of_one_key_never_meet_where_they_are_told_apart() -> None:
    by_field, by_header = Desk(end_user="user"), Desk(end_user="x-user")
    await by_field.turn("Hi.", answer="Hello.", node="n1", user="ann")
    await by_header.turn("Hi.", answer="Hello.", node="n1", headers={"X-User": "ann"})
    next_turn = ("Hi.", "Hello.", "And now?")

    assert (await by_field.take(*next_turn, user="ann")).status == "hit"
    assert (await by_field.take(*next_turn, user="bob")).status == "replay"
    assert (await by_header.take(*next_turn, headers={"x-user": "ann"})).status == "hit"
    assert (await by_header.take(*next_turn, headers={"x-user": "bob"})).status == "replay"


async def test_callers_who_open_alike_do_not_wait_for_each_other() -> None:
    desk = Desk()
    first, second = await desk.take("Hi."), await desk.take("Hi.")

    assert first.session_id != second.session_id


async def test_a_changed_system_prompt_is_another_history_unless_it_is_ignored() -> None:
    def asked(prompt: str) -> tuple[dict[str, str], ...]:
        return ({"role": "system", "content": prompt}, {"role": "user", "content": "Hi."})

    answered = ({"role": "assistant", "content": "Hello."}, {"role": "user", "content": "And now?"})
    for ignores, status in ((False, "replay"), (True, "hit")):
        desk = Desk(ignore_system=ignores)
        await desk.turn(*asked("Be brief."), answer="Hello.", node="n1")
        assert (await desk.take(*asked("Be kind."), *answered)).status == status


# --- found by an id


async def test_an_id_that_nobody_has_used_names_a_fresh_conversation() -> None:
    desk = Desk()
    conversation = await desk.turn("Hi.", answer="Hello.", node="n1", session_id="mine")

    assert (conversation.status, conversation.session_id) == ("new", "mine")


async def test_an_id_goes_on_where_it_was_when_only_what_is_new_is_sent() -> None:
    desk = Desk()
    await desk.turn("Hi.", answer="Hello.", node="n1", session_id="mine")
    await desk.turn("Tell me.", answer="One.", node="n2", session_id="mine")
    third = await desk.take("More.", session_id="mine")

    assert (third.status, desk.ids(third), third.history_missing) == ("hit", "n2", True)


async def test_an_id_with_a_history_goes_on_from_the_node_that_the_history_ends_at() -> None:
    desk = Desk()
    await desk.turn("Hi.", answer="Hello.", node="n1", session_id="mine")
    await desk.turn("Hi.", "Hello.", "Tell me.", answer="One.", node="n2", session_id="mine")

    assert desk.ids(await desk.take("Hi.", "Hello.", "No: tell me more.", session_id="mine")) == "n1"


async def test_an_id_with_a_history_that_it_never_had_is_told_whole() -> None:
    desk = Desk()
    await desk.turn("Hi.", answer="Hello.", node="n1", session_id="mine")
    conversation = await desk.take("Something.", "Else.", "Go on.", session_id="mine")

    assert (conversation.status, conversation.session_id) == ("replay", "mine")


async def test_two_ids_of_one_caller_never_meet() -> None:
    desk = Desk()
    await desk.turn("Hi.", answer="Hello.", node="n1", session_id="one")
    await desk.turn("Hi.", answer="Hello.", node="n2", session_id="two")

    assert desk.ids(await desk.take("Hi.", "Hello.", "Go.", session_id="one")) == "n1"
    desk = Desk()
    await desk.turn("Hi.", answer="Hello.", node="n1", session_id="one")
    assert (await desk.take("Hi.", "Hello.", "Go.", session_id="two")).status == "replay"


async def test_an_id_of_another_caller_is_an_unknown_one() -> None:
    desk = Desk()
    await desk.turn("Hi.", answer="Hello.", node="n1", session_id="mine")
    conversation = await desk.take("Hi.", session_id="mine", caller=BOB)

    assert (conversation.status, conversation.session_id) == ("new", "mine")


async def test_the_id_that_a_caller_was_told_leads_back() -> None:
    """Whoever begins without an id may go on with ours."""
    desk = Desk()
    first = await desk.turn("Hi.", answer="Hello.", node="n1")

    assert desk.ids(await desk.take("Go on.", session_id=first.session_id)) == "n1"
    desk = Desk()
    first = await desk.turn("Hi.", answer="Hello.", node="n1")
    assert desk.ids(await desk.take("Hi.", "Hello.", "Go on.", session_id=first.session_id)) == "n1"


async def test_a_conversation_that_an_id_began_is_found_by_what_was_said_too() -> None:
    desk = Desk()
    await desk.turn("Hi.", answer="Hello.", node="n1", session_id="mine")
    conversation = await desk.take("Hi.", "Hello.", "Go on.")

    assert (desk.ids(conversation), conversation.session_id) == ("n1", "mine")


async def test_the_first_turn_again_under_an_id_begins_anew() -> None:
    """The very same words, or a caller who always shows the history: what it does not show is not there for it."""
    desk = Desk()
    await desk.turn("Hi.", answer="Hello.", node="n1", session_id="mine")
    assert (await desk.take("Hi.", session_id="mine")).status == "new"

    desk = Desk()
    await desk.turn("Hi.", answer="Hello.", node="n1", session_id="mine")
    await desk.turn("Hi.", "Hello.", "Go on.", answer="So.", node="n2", session_id="mine")
    assert (await desk.take("Hello!", session_id="mine")).status == "new"


async def test_new_begins_afresh_and_forgets_nothing() -> None:
    desk = Desk()
    first = await desk.turn("Hi.", answer="Hello.", node="n1")
    fresh = await desk.turn("Hi.", "Hello.", "Go.", answer="Gone.", node="n2", session_id="new")

    assert fresh.status == "replay"
    assert fresh.session_id not in ("new", first.session_id)
    assert desk.ids(await desk.take("Hi.", "Hello.", "And?")) == "n1"
    assert desk.ids(await desk.take("Hi.", "Hello.", "Go.", "Gone.", "And?")) == "n2"


# --- other ways to tell conversations apart


async def test_a_client_may_have_one_conversation_whatever_it_shows() -> None:
    desk = Desk(key="client")
    ide, chat = {"User-Agent": "Ide/1.2 (x)"}, {"User-Agent": "Chat/3"}
    first = await desk.turn("Hi.", answer="Hello.", node="n1", headers=ide)

    assert desk.ids(await desk.take("Something else.", headers={"User-Agent": "Ide/1.3"})) == "n1"
    assert (await desk.take("Something else.", headers=chat)).status == "new"
    assert first.session_id is not None
    assert first.session_id.startswith("client_")


async def test_a_header_may_name_the_client() -> None:
    desk = Desk(key="client", key_header="X-Window")
    await desk.turn("Hi.", answer="Hello.", node="n1", headers={"X-Window": "1"})

    assert desk.ids(await desk.take("Go.", headers={"x-window": "1"})) == "n1"
    assert (await desk.take("Go.", headers={"x-window": "2"})).status == "new"


async def test_a_client_can_begin_anew() -> None:
    desk = Desk(key="client")
    await desk.turn("Hi.", answer="Hello.", node="n1")
    fresh = await desk.turn("Hi again.", answer="Hello again.", node="n2", session_id="new")

    assert fresh.status == "new"
    assert desk.ids(await desk.take("Go.")) == "n2"


async def test_a_turn_under_an_id_becomes_the_clients_conversation() -> None:
    desk = Desk(key="client")
    await desk.turn("Hi.", answer="Hello.", node="n1", session_id="mine")
    following = await desk.take("Go.")

    assert (desk.ids(following), following.session_id) == ("n1", "mine")


async def test_the_first_message_may_name_a_conversation() -> None:
    """Two chats of a caller that open alike share one, which is why it is not the default; two callers never do."""
    desk = Desk(key="first_message")
    first = await desk.turn("Hello", answer="Hi.", node="n1")

    assert first.session_id == "8b1a9953c4611296a827abf8c47804d7"
    assert desk.ids(await desk.take("Hello", "Whatever.", "Go.")) == "n1"
    assert (await desk.take("Hello", caller=BOB)).status == "new"


# --- what can't be read


async def test_a_record_that_cannot_be_read_is_a_miss() -> None:
    desk = Desk()
    conversation = await desk.turn("Hi.", answer="Hello.", node="n1")
    for kept in desk.store._records.values():  # type: ignore[attr-defined]  # the store is the one in memory
        kept.value = b'{"v": 9}'

    assert (await desk.take("Hi.", "Hello.", "Go.")).status == "replay"
    assert conversation.session_id


async def test_what_was_not_used_for_long_is_forgotten() -> None:
    desk = Desk(ttl_s=100)
    await desk.turn("Hi.", answer="Hello.", node="n1")
    for _ in range(3):
        await desk.clock.advance(60)
        found = await desk.take("Hi.", "Hello.", "Go.")
        assert found.status == "hit"
        found.release()
        await at_rest()
    await desk.clock.advance(100)

    assert (await desk.take("Hi.", "Hello.", "Go.", caller=ALICE)).status == "replay"
