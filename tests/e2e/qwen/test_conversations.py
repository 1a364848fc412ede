"""What becomes of conversations at the site."""

import pytest

from proxy.testing.qwen import Says
from tests.e2e.qwen.conftest import Json
from tests.e2e.wire import connected, request, until_live


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("chain", ["parent_id", "response_id"])
async def test_a_conversation_goes_on_in_its_chat_and_only_what_is_new_travels(start, stream, chain):
    daemon = await start(chain=chain, site={"chain": chain})
    messages: list[str] = []
    for number in range(1, 5):
        messages.append(f"Question {number}?")
        messages.append(await daemon.says(*messages, stream=stream))

    assert messages[-1] == "Answer 4."
    assert len(daemon.site.chats) == 1
    assert daemon.site.chat.branches() == [[f"Question {n}?" for n in range(1, 5)]]
    assert [text for _role, text in daemon.site.contexts[-1]] == messages[:-1]
    assert daemon.session == "hit"
    assert daemon.path == f"validate>auth>session>upstream>{'stream' if stream else 'read'}>tool_parse>render>done"


async def test_a_record_is_there_before_the_answer_has_ended(start):
    """The next turn of a quick client raced it."""
    daemon = await start()
    messages: list[str] = []
    for number in range(1, 12):
        messages += [f"{number}?", await daemon.says(*messages, f"{number}?", stream=True)]

    assert len(daemon.site.chats) == 1


async def test_edits_and_regenerations_are_branches_of_one_tree(start):
    daemon = await start()
    one = await daemon.says("One?")
    two = await daemon.says("One?", one, "Two?")
    await daemon.says("One?", one, "Two?", two, "Three?")
    await daemon.says("One?", one, "Two?")
    await daemon.says("One?", one, "Other?")

    assert daemon.site.chat.branches() == [
        ["One?", "Two?", "Three?"],
        ["One?", "Two?"],
        ["One?", "Other?"],
    ]
    await daemon.says("One?")
    assert len(daemon.site.chats) == 2


async def test_callers_who_begin_alike_never_meet(start):
    daemon = await start()
    hello = await daemon.says("Hello", key="key-a")
    await daemon.says("Hello", key="key-b")
    await daemon.says("Hello", hello, "My secret?", key="key-a")
    await daemon.says("Hello", hello, "Tell me!", key="key-b")

    first, second = daemon.site.chats.values()
    assert first.branches() == [["Hello", "My secret?"]]
    assert second.branches() == [["Hello", "Tell me!"]]


async def test_a_history_that_nobody_knows_is_told_whole(start):
    daemon = await start()
    await daemon.says("One?", "Never said.", "Two?")

    (context,) = daemon.site.contexts
    assert [word in context[0][1] for word in ("One?", "Never said.", "Two?")] == [True] * 3
    assert daemon.session == "replay"


@pytest.mark.parametrize("stream", [True, False])
async def test_a_lost_chat_is_replayed_once_and_unseen(start, stream):
    daemon = await start()
    one = await daemon.says("One?")
    daemon.site.forget()
    answer = await daemon.says("One?", one, "Two?", stream=stream)

    assert answer == "Answer 1."
    assert "One?" in daemon.site.contexts[-1][0][1]
    assert daemon.session == "replay"
    assert daemon.path.count("session") == 2
    await daemon.says("One?", one, "Two?", answer, "Three?")
    assert [text for _role, text in daemon.site.contexts[-1]][1:] == ["Answer 1.", "Three?"]


async def test_a_turn_that_failed_leaves_the_conversation_where_it_was(start):
    daemon = await start()
    one = await daemon.says("One?")
    daemon.site.answers(Says("It is", ends="reset", after=2))
    await daemon.ask("One?", one, "Two?", stream=True)
    await daemon.says("One?", one, "Two?")

    assert daemon.site.contexts[-1] == [("user", "One?"), ("assistant", one), ("user", "Two?")]
    assert daemon.site.chat.branches() == [["One?", "Two?"], ["One?", "Two?"]]


async def test_the_content_filter_after_output_is_a_finish_without_a_record(start):
    daemon = await start()
    daemon.site.answers(Says("It is", last={"error": {"code": "data_inspection_failed"}}))
    answer = await daemon.ask("One?")
    (choice,) = answer.json["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("It is", "content_filter")

    await daemon.says("One?", "It is", "Two?")
    assert (daemon.session, len(daemon.site.chats)) == ("replay", 2)


async def test_an_answer_without_ids_is_replayed_next_time(start):
    daemon = await start()
    daemon.site.answers(Says("1.", ids=()))
    one = await daemon.says("One?")
    await daemon.says("One?", one, "Two?")

    assert (one, daemon.session, len(daemon.site.chats)) == ("1.", "replay", 2)


async def test_a_caller_who_leaves_stops_the_site_and_nothing_moves(start):
    daemon = await start()
    one = await daemon.says("One?")
    daemon.site.answers(Says("It is", ends="stall", after=2))
    body = {
        "model": "qwen3-max",
        "stream": True,
        "messages": [
            {"role": "user", "content": "One?"},
            {"role": "assistant", "content": one},
            {"role": "user", "content": "Two?"},
        ],
    }
    async with connected(daemon.gateway.url) as caller:
        await caller.send(request("POST", "/", body, {"Authorization": "Bearer key-a"}))
        await caller.head()
        caller.reset()
    await daemon.site.call(4)
    await until_live(daemon.gateway.url, 0)
    (stopped,) = daemon.site.stops
    assert stopped == {"chat_id": daemon.site.chat.id, "response_id": daemon.site.chat.exchanges[-1].response_id}

    assert await daemon.says("One?", one, "Two?") == "Answer 2."
    assert daemon.site.contexts[-1] == [("user", "One?"), ("assistant", one), ("user", "Two?")]


async def test_a_stop_string_cuts_the_answer_cancels_the_site_and_is_replayed_next_time(start):
    daemon = await start()
    daemon.site.answers(Says(("One", " END", " two"), ends="stall", after=4))
    one = await daemon.says("Count!", stop=["END"], stream=True)
    await daemon.site.call(3)
    await daemon.says("Count!", one, "Go on.")

    assert one == "One "
    assert (len(daemon.site.stops), daemon.session, len(daemon.site.chats)) == (1, "replay", 2)


async def test_a_conversation_of_the_first_message_goes_on_whatever_history_is_shown(start):
    """The predecessor's rule, where it is configured; scoped by the caller."""
    daemon = await start(tables={"session": {"key": "first_message"}})
    await daemon.says("Hello")
    await daemon.says("Hello", "something else", "Two?")
    await daemon.says("Hello", key="key-b")

    first, second = daemon.site.chats.values()
    assert first.branches() == [["Hello", "Two?"]]
    assert second.branches() == [["Hello"]]


async def test_system_text_that_is_left_out_of_the_key_is_not_told_again(start):
    def system(text: str) -> Json:
        return {"role": "system", "content": text}

    daemon = await start(tables={"session": {"ignore_system": True}})
    one = await daemon.says(system("It is 9."), {"role": "user", "content": "One?"})
    turn = [{"role": "user", "content": "One?"}, {"role": "assistant", "content": one}]
    await daemon.says(system("It is 10."), *turn, {"role": "user", "content": "Two?"})

    assert daemon.session == "hit"
    assert [each["content"] for each in daemon.site.completions[-1]["messages"]] == ["Two?"]


async def test_changed_system_text_is_another_conversation(start):
    daemon = await start()
    one = await daemon.says({"role": "system", "content": "A"}, {"role": "user", "content": "One?"})
    turn = [{"role": "user", "content": "One?"}, {"role": "assistant", "content": one}]
    await daemon.says({"role": "system", "content": "B"}, *turn, {"role": "user", "content": "Two?"})

    assert daemon.session == "replay"
    assert daemon.site.contexts[-1][0] == ("system", "B")


@pytest.mark.parametrize("stream", [True, False])
async def test_a_stop_string_that_cuts_off_nothing_but_white_space_leaves_a_node_to_go_on_from(start, stream):
    """What the site keeps is then what was told."""
    daemon = await start()
    daemon.site.answers(Says(("One.", "\n\n", " \n")))
    one = await daemon.says("Count!", stop=["\n\n"], stream=stream)
    await daemon.says("Count!", one, "Go on.")

    assert one == "One."
    assert (daemon.site.stops, daemon.session, len(daemon.site.chats)) == ([], "hit", 1)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    "answer",
    [
        Says(("One.", "\n\n", " Two."), ends="stall", after=4),
        Says(("One.", "\n\n", " \n"), ends="stall", after=4),
        Says(("One.", "\n\n"), ends="reset", after=3),
        Says("One.\n\n Two."),
    ],
)
async def test_a_stop_string_that_cuts_off_more_or_a_site_that_goes_on_is_replayed(start, stream, answer):
    daemon = await start(clocks={"tail": 0.2})
    daemon.site.answers(answer)
    one = await daemon.says("Count!", stop=["\n\n"], stream=stream)
    await daemon.says("Count!", one, "Go on.")

    assert one == "One."
    assert (daemon.session, len(daemon.site.chats)) == ("replay", 2)
    assert len(daemon.site.stops) == (answer.ends == "stall")
