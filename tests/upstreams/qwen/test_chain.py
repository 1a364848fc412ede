"""The chain of turns: what is told, and under which node of the site's tree."""

import pytest

from proxy.errors import ConversationLost, UpstreamRefused
from proxy.testing.qwen import Refuses, Says

BLOCK = "# Tools\nf: finds."
OTHER = "# Tools\ng: gets."
U1, A1, U2, A2, U3 = ("user", "One?"), ("assistant", "1."), ("user", "Two?"), ("assistant", "2."), ("user", "Three?")


def contents(line, number=-1):
    """What the messages of a completion say, by role."""
    return [(each["role"], each["content"]) for each in line.site.completions[number]["messages"]]


@pytest.mark.parametrize("chain", ["parent_id", "response_id"])
async def test_later_turns_tell_only_what_is_new_and_the_site_remembers(connect, chain):
    line = await connect(chain=chain, site={"chain": chain})
    line.site.answers("1.", "2.", "3.")
    first = await line.ask(("system", "Be brief."), U1)
    second = await line.ask(("system", "Be brief."), U1, A1, U2, ids=first.node)
    await line.ask(("system", "Be brief."), U1, A1, U2, A2, U3, ids=second.node)

    assert line.site.contexts[-1] == [("system", "Be brief."), U1, A1, U2, A2, U3]
    assert contents(line) == [U3]
    (exchanges,) = [chat.exchanges for chat in line.site.chats.values()]
    assert [each["parent_id"] for each in line.site.completions] == [
        None,
        *(getattr(exchange, chain) for exchange in exchanges[:2]),
    ]


async def test_the_other_chain_forgets_the_models_own_words(connect):
    """Why there is a setting, and a probe."""
    line = await connect(chain="response_id", site={"chain": "parent_id"})
    first = await line.ask(U1)
    await line.ask(U1, A1, U2, ids=first.node)

    assert line.site.contexts[-1] == [U1, U2]


async def test_both_ids_are_kept_so_that_the_setting_can_change(connect):
    line = await connect()
    first = await line.ask(U1, tool_block=BLOCK)
    (exchange,) = line.site.chat.exchanges

    assert first.node is not None
    assert dict(first.node) | {"tools_fp": ""} == {
        "chat_id": line.site.chat.id,
        "parent_id": exchange.parent_id,
        "response_id": exchange.response_id,
        "tools_fp": "",
    }
    assert first.node["tools_fp"]
    assert first.request_id == exchange.response_id


@pytest.mark.parametrize(("chain", "missing"), [("parent_id", "parent_id"), ("response_id", "response_id")])
async def test_the_other_id_serves_when_the_chosen_one_is_missing(connect, chain, missing):
    line = await connect(chain=chain)
    other = "response_id" if missing == "parent_id" else "parent_id"
    line.site.answers(Says("1.", ids=(other,)))
    first = await line.ask(U1)
    await line.ask(U1, A1, U2, ids=first.node)

    assert first.node[missing] is None
    assert line.site.completions[-1]["parent_id"] == getattr(line.site.chat.exchanges[0], other)


async def test_an_answer_without_ids_is_delivered_but_not_gone_on_from(connect):
    line = await connect()
    line.site.answers(Says("1.", ids=()))
    first = await line.ask(U1)

    assert (first.text, first.node) == ("1.", None)


async def test_a_replay_is_a_new_chat_that_is_told_everything(connect):
    line = await connect()
    await line.ask(("system", "Be brief."), U1, A1, U2, tool_block=BLOCK)
    system, user = contents(line)

    assert system == ("system", f"Be brief.\n\n{BLOCK}")
    assert line.site.completions[-1]["parent_id"] is None
    assert [word in user[1] for word in ("One?", "1.", "Two?")] == [True] * 3
    assert user[1].endswith("Two?")


async def test_without_system_text_and_tools_there_is_no_system_message(connect):
    line = await connect()
    await line.ask(U1)

    assert contents(line) == [U1]


async def test_inline_system_text_makes_one_message(connect):
    line = await connect(system_mode="inline")
    await line.ask(("system", "Be brief."), U1)

    assert contents(line) == [("user", "Be brief.\n\nOne?")]


async def test_all_trailing_results_are_told_then_the_users_words(connect):
    line = await connect()
    first = await line.ask(U1)
    calls = [{"id": n, "type": "function", "function": {"name": "f", "arguments": "{}"}} for n in ("a", "b")]
    await line.ask(
        U1,
        {"role": "assistant", "content": "calls", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "a", "content": "<r>1</r>"},
        {"role": "tool", "tool_call_id": "b", "content": "<r>2</r>"},
        ("user", "Go on."),
        ids=first.node,
    )

    assert contents(line) == [("user", "<r>1</r>\n\n<r>2</r>\n\nGo on.")]


@pytest.mark.parametrize("role", ["system", "developer"])
async def test_late_system_text_never_has_a_message_of_its_own(connect, role):
    """On a later turn it gives an empty answer."""
    line = await connect()
    first = await line.ask(U1)
    second = await line.ask(U1, A1, (role, "Be brief."), U2, ids=first.node)

    assert second.text == "Answer 2."
    assert contents(line) == [("user", "[System]\nBe brief.\n\nTwo?")]


async def test_a_regenerated_and_an_edited_turn_are_siblings(connect):
    line = await connect()
    first = await line.ask(U1)
    for text in ("Two?", "Two?", "Other?"):
        await line.ask(U1, A1, ("user", text), ids=first.node)

    assert line.site.chat.branches() == [["One?", "Two?"], ["One?", "Two?"], ["One?", "Other?"]]
    assert all(context == [U1, ("assistant", "Answer 1."), context[-1]] for context in line.site.contexts[1:])


async def test_a_regenerated_first_turn_is_a_new_chat(connect):
    line = await connect()
    await line.ask(U1)
    await line.ask(U1)

    assert len(line.site.chats) == 2
    assert [each["parent_id"] for each in line.site.completions] == [None, None]


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("", BLOCK, f"{BLOCK}\n\nTwo?"),
        (BLOCK, OTHER, f"{OTHER}\n\nTwo?"),
        (BLOCK, "", "No tools are available now.\n\nTwo?"),
        (BLOCK, BLOCK, "Two?"),
        ("", "", "Two?"),
    ],
)
async def test_changed_tools_are_announced_before_the_users_words(connect, before, after, told):
    line = await connect()
    first = await line.ask(U1, tool_block=before)
    second = await line.ask(U1, A1, U2, ids=first.node, tool_block=after)

    assert contents(line) == [("user", told)]
    await line.ask(U1, A1, U2, A2, U3, ids=second.node, tool_block=after)
    assert contents(line) == [U3]


async def test_changed_tools_may_begin_a_new_chat(connect):
    line = await connect(on_tools_change="replay")
    first = await line.ask(U1, tool_block=BLOCK)
    second = await line.ask(U1, A1, U2, ids=first.node, tool_block=OTHER)

    assert len(line.site.chats) == 2
    assert contents(line)[0] == ("system", OTHER)
    assert "One?" in contents(line)[1][1]
    assert second.node["chat_id"] == line.site.chat.id != first.node["chat_id"]
    await line.ask(U1, A1, U2, A2, U3, ids=second.node, tool_block=OTHER)
    assert contents(line) == [U3]


async def test_changed_tools_are_announced_where_the_history_is_not_told(connect):
    """A new chat would silently forget everything."""
    line = await connect(on_tools_change="replay")
    first = await line.ask(U1, tool_block=BLOCK)
    await line.ask(U2, ids=first.node, tool_block=OTHER)

    assert len(line.site.chats) == 1
    assert contents(line) == [("user", f"{OTHER}\n\nTwo?")]


@pytest.mark.parametrize(
    "ids",
    [
        {"chat_id": "gone", "parent_id": "p", "response_id": "r", "tools_fp": ""},
        {"chat_id": "gone", "parent_id": None, "response_id": None, "tools_fp": ""},
        {"turn": 3},
    ],
)
async def test_a_chat_that_is_gone_is_said_to_be_lost(connect, ids):
    line = await connect()

    with pytest.raises(ConversationLost):
        await line.ask(U1, A1, U2, ids=ids)


async def test_a_node_of_another_chat_is_never_continued(connect):
    """Chat and node travel together; the site refuses what does not belong together."""
    line = await connect()
    first, second = await line.ask(U1), await line.ask(U1)

    with pytest.raises(ConversationLost):
        await line.ask(U1, A1, U2, ids={**second.node, "parent_id": first.node["parent_id"]})


async def test_a_retry_of_the_same_request_goes_to_the_chat_that_it_made(connect):
    line = await connect()
    line.site.answers(Refuses(500), Says("1."))
    notes: dict[str, str] = {}
    with pytest.raises(Exception, match="error"):
        await line.open(U1, notes=notes)
    first = await line.ask(U1, notes=notes)

    assert first.text == "1."
    assert len(line.site.created) == 1
    fids = [each["messages"][0]["fid"] for each in line.site.completions]
    assert len(set(fids)) == 2


async def test_another_model_of_the_same_request_has_a_chat_of_its_own(connect):
    line = await connect()
    notes: dict[str, str] = {}
    await line.ask(U1, notes=notes)
    await line.ask(U1, notes=notes, model="qwen3-plus")

    assert [each["models"] for each in line.site.created] == [["qwen3-max"], ["qwen3-plus"]]


async def test_another_login_never_meets_the_chat_of_the_one_before(connect, tmp_path, clock):
    path = tmp_path / "login.json"
    path.write_text('{"token": "t1", "cookies": "c=1"}')
    line = await connect(credential={"mode": "managed", "path": str(path)})
    notes: dict[str, str] = {}
    await line.ask(U1, notes=notes)
    path.write_text('{"token": "another", "cookies": "c=1"}')
    await clock.advance(1.0)
    await line.ask(U1, notes=notes)

    assert len(line.site.created) == 2


async def test_parts_that_are_no_text_are_refused_or_named(connect):
    image = {"type": "image_url", "image_url": {"url": "https://h/x.png"}}
    told = {"role": "user", "content": [{"type": "text", "text": "See:"}, image]}
    line = await connect(unsupported_parts="placeholder")
    await line.ask(told)

    assert contents(line) == [("user", "See:\n[image_url omitted]")]


async def test_parts_are_refused_also_where_the_request_was_checked_for_another_kind(connect):
    """As a fallback of a model that takes images."""
    line = await connect()
    lenient = await connect(unsupported_parts="placeholder")
    image = {"type": "image_url", "image_url": {"url": "https://h/x.png"}}
    turn = lenient.turn({"role": "user", "content": [{"type": "text", "text": "See:"}, image]})

    with pytest.raises(UpstreamRefused) as refused:
        await line.adapter.open(turn)
    assert refused.value.told_code == "unsupported_content_part"
