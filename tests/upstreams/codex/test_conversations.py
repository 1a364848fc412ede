"""Threads that are continued, told anew, or given up; turns that wait for the caller's tools."""

import asyncio

import pytest

from proxy.clock import LoopClock
from proxy.errors import ConversationLost, UpstreamBusy, UpstreamFailed
from proxy.upstreams import build_upstreams
from proxy.wire.events import Finished, TextDelta
from tests.upstreams.child.conftest import until
from tests.upstreams.codex.conftest import assistant, declared, events_of, tool, user

PLAIN = [["delta", "ok"], ["end"]]
TOOLS = declared("look", "find")


def called(first, *results_after):
    calls = assistant("let me see", ("c1", "look", '{"a": 1}'), ("c2", "find", "{}"))
    return [user(first), calls, *results_after]


# --- continuing


async def test_a_thread_goes_on_with_what_is_new_alone(codex):
    codex = codex(PLAIN)
    history, node = [user("one")], None
    for turn in range(3):
        _, call = await codex.ask(history, ids=node, tail=len(history) - 1)
        node = call.node
        history += [assistant("ok"), user(f"next {turn}")]

    assert len(codex.told("thread/start")) == 1
    assert codex.told("thread/inject_items") == []
    assert [line["params"]["input"][0]["text"] for line in codex.told("turn/start")] == ["one", "next 0", "next 1"]


async def test_of_several_new_messages_all_but_the_last_are_injected(codex):
    codex = codex(PLAIN)
    _, call = await codex.ask([user("one")])
    history = [user("one"), assistant("ok"), {"role": "developer", "content": "Be brief."}, user("a"), user("b")]
    await codex.ask(history, ids=call.node, tail=2)

    [injected] = codex.told("thread/inject_items")
    assert [(item["role"], item["content"][0]["text"]) for item in injected["params"]["items"]] == [
        ("developer", "Be brief."),
        ("user", "a"),
    ]
    assert codex.told("turn/start")[1]["params"]["input"] == [{"type": "text", "text": "b"}]


async def test_a_node_survives_json_and_names_what_it_needs(codex):
    _, call = await codex(PLAIN).ask()

    assert call.node.keys() == {"inst", "slot", "generation", "thread_id", "turn_id", "fingerprint", "ephemeral"}
    assert all(isinstance(value, str | int | bool) for value in call.node.values())


@pytest.mark.parametrize(
    "change",
    [{"inst": "another"}, {"generation": 7}, {"slot": 5}, {"thread_id": "x"}, {"turn_id": "turn-0"}, {"slot": "a"}],
    ids=str,
)
async def test_a_node_that_is_not_here_or_not_the_head_is_lost(codex, change):
    codex = codex(PLAIN)
    _, call = await codex.ask()

    with pytest.raises(ConversationLost):
        await codex.open([user("hi"), assistant("ok"), user("more")], ids={**call.node, **change}, tail=2)


@pytest.mark.parametrize(
    "change",
    [
        {"tools": declared("other")},
        {"reasoning_effort": "low"},
        {"system": "Be terse."},
        {"response_format": {"type": "json_object"}},
    ],
    ids=str,
)
async def test_a_thread_that_was_made_for_another_request_is_not_continued(codex, change):
    codex = codex(PLAIN)
    _, call = await codex.ask()
    system = change.pop("system", None)
    history = [user("hi"), assistant("ok"), user("more")]
    if system:
        history.insert(0, {"role": "system", "content": system})

    with pytest.raises(ConversationLost):
        await codex.open(history, ids=call.node, tail=len(history) - 1, **change)
    await codex.until_told("thread/unsubscribe")


async def test_a_caller_who_tells_only_what_is_new_need_not_repeat_the_instructions(codex):
    codex = codex(PLAIN)
    _, call = await codex.ask([{"role": "system", "content": "Be terse."}, user("one")])

    await codex.ask([user("two")], ids=call.node, tail=0)

    assert len(codex.told("thread/start")) == 1


async def test_a_thread_after_a_failed_turn_is_not_continued(codex):
    """It keeps the message of the user, who would be heard twice."""
    failed = [["end", "failed", {"message": "x", "codexErrorInfo": "internalServerError"}]]
    codex = codex(PLAIN, failed, PLAIN)
    _, call = await codex.ask()
    history = [user("hi"), assistant("ok"), user("more")]
    with pytest.raises(UpstreamFailed):
        await codex.ask(history, ids=call.node, tail=2)

    with pytest.raises(ConversationLost):
        await codex.open(history, ids=call.node, tail=2)
    await codex.ask(history)

    assert len(codex.told("thread/start")) == 2


async def test_threads_of_a_process_that_has_gone_are_lost(codex):
    codex = codex(PLAIN, [["exit"]])
    _, call = await codex.ask()
    child = codex.pool.slots[0].ready
    other = await codex.open()
    other.close()
    await until(lambda: child.lost)

    with pytest.raises(ConversationLost):
        await codex.open([user("hi"), assistant("ok"), user("more")], ids=call.node, tail=2)


async def test_of_too_many_threads_the_one_that_was_not_used_for_longest_goes(codex):
    codex = codex(PLAIN, max_threads=2)
    nodes = [(await codex.ask())[1].node for _ in range(3)]

    gone = await codex.until_told("thread/unsubscribe")

    assert gone["params"]["threadId"] == nodes[0]["thread_id"]
    assert [thread.id for thread in codex.server.running.threads] == [node["thread_id"] for node in nodes[1:]]


async def test_a_thread_that_nobody_continues_goes_after_a_while(codex):
    codex = codex(PLAIN, thread_idle_s=0.1)
    await codex.ask()

    await codex.until_told("thread/unsubscribe")
    assert len(codex.server.running.threads) == 0


async def test_a_process_that_has_begun_many_threads_is_replaced(codex):
    codex = codex(PLAIN, max_threads_started=2)
    for _ in range(2):
        await codex.ask()

    await until(lambda: codex.pool.slots[0].generation == 2 and codex.pool.ready)
    assert (await codex.ask())[0][-1] == Finished("stop")


async def test_more_turns_than_a_process_takes_are_turned_away(codex):
    codex = codex([["silence"]], max_turns=1)
    first = await codex.open()

    with pytest.raises(UpstreamBusy):
        await codex.open()
    first.close()


# --- replay


async def test_a_history_is_told_as_what_it_is(codex):
    codex = codex(PLAIN)
    history = [
        {"role": "system", "content": "Be terse."},
        {"role": "developer", "content": "And kind."},
        user("look"),
        assistant("let me see", ("c1", "a.b", '{"a":  1}')),
        tool("c1", "Ada"),
        {"role": "system", "content": "Later word."},
        user([{"type": "text", "text": "and"}, {"type": "image_url", "image_url": {"url": "data:x", "detail": "low"}}]),
        assistant(""),
        user("last"),
    ]
    await codex.ask(history, tools=declared("a.b"))

    [thread] = codex.told("thread/start")
    name = thread["params"]["dynamicTools"][0]["name"]
    [injected] = codex.told("thread/inject_items")
    assert thread["params"]["baseInstructions"] == "Be terse.\n\nAnd kind."
    assert injected["params"]["items"] == [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "look"}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "let me see"}]},
        {"type": "function_call", "call_id": "c1", "name": name, "arguments": '{"a":  1}'},
        {"type": "function_call_output", "call_id": "c1", "output": "Ada"},
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "Later word."}]},
        {
            "type": "message",
            "role": "user",
            "content": [
                {"type": "input_text", "text": "and"},
                {"type": "input_image", "image_url": "data:x", "detail": "low"},
            ],
        },
    ]
    assert codex.told("turn/start")[0]["params"]["input"] == [{"type": "text", "text": "last"}]


async def test_a_history_that_ends_in_results_runs_on_itself(codex):
    codex = codex(PLAIN)
    await codex.ask(called("look", tool("c1", "Ada"), tool("c2", "Bob")), tools=TOOLS)

    assert codex.told("turn/start")[0]["params"]["input"] == []
    assert len(codex.told("thread/inject_items")[0]["params"]["items"]) == 6


async def test_a_message_that_is_too_long_for_input_is_injected(codex):
    codex = codex(PLAIN)
    await codex.ask([user("x" * 1_048_577)])

    assert codex.told("turn/start")[0]["params"]["input"] == []
    assert len(codex.told("thread/inject_items")[0]["params"]["items"][0]["content"][0]["text"]) == 1_048_577


async def test_a_first_message_needs_no_injection(codex):
    codex = codex(PLAIN)
    await codex.ask("hello")

    [thread] = codex.told("thread/start")
    assert thread["params"]["baseInstructions"] == ""
    assert thread["params"]["environments"] == []
    assert (thread["params"]["approvalPolicy"], thread["params"]["sandbox"]) == ("never", "read-only")
    assert thread["params"]["ephemeral"] is True
    assert codex.told("thread/inject_items") == []
    assert codex.told("turn/start")[0]["params"]["environments"] == []


# --- on disk


async def test_a_thread_that_was_kept_is_taken_up_by_the_next_process(codex, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    codex = codex(PLAIN, [["exit"]], PLAIN, persist=True)
    _, call = await codex.ask()
    assert codex.told("thread/start")[0]["params"]["ephemeral"] is False
    child = codex.pool.slots[0].ready
    (await codex.open()).close()
    await until(lambda: child.lost)
    await until(lambda: codex.pool.ready)

    await codex.ask([user("hi"), assistant("ok"), user("more")], ids=call.node, tail=2)

    [resumed] = codex.told("thread/resume")
    assert resumed["params"]["threadId"] == call.node["thread_id"]
    assert resumed["params"]["excludeTurns"] is True
    assert codex.told("turn/start")[-1]["params"]["environments"] == []


async def test_a_kept_thread_that_is_gone_is_lost(codex, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    gone = {"code": -32600, "message": "no rollout found for thread id x"}
    codex = codex(PLAIN, persist=True, refusals={"thread/resume": [gone]})
    _, call = await codex.ask()

    with pytest.raises(ConversationLost):
        await codex.open(
            [user("hi"), assistant("ok"), user("more")], ids={**call.node, "inst": "earlier", "thread_id": "x"}, tail=2
        )


async def test_a_thread_that_was_kept_is_deleted_when_it_is_let_go_of(codex, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    codex = codex([["delta", "x"], ["silence"]], persist=True)

    (await codex.open()).close()

    await codex.until_told("thread/delete")


# --- the basic tier


async def test_a_basic_process_is_told_a_history_as_one_text(codex):
    codex = codex(PLAIN, tier="basic", allow_basic=True)

    await codex.ask([user("one"), assistant("ok"), user("two")])

    [part] = codex.told("turn/start")[0]["params"]["input"]
    assert (
        part["text"]
        == '{"content":"one","role":"user"}\n{"content":"ok","role":"assistant"}\n{"content":"two","role":"user"}'
    )
    assert codex.told("thread/inject_items") == []


async def test_many_turns_at_once_are_kept_apart(codex):
    codex = codex([["delta", "a"], ["delta", "b"], ["end"]], max_turns=40)

    calls = await asyncio.gather(*(codex.open([user(str(number))]) for number in range(32)))
    answers = await asyncio.gather(*map(events_of, calls))

    assert {"".join(e.text for e in events if isinstance(e, TextDelta)) for events in answers} == {"ab"}
    assert len({events[0].ids["turn_id"] for events in answers}) == 32


# --- another configuration


async def test_a_reload_that_changes_nothing_keeps_the_processes_and_their_threads(codex):
    codex = codex(PLAIN)
    _, call = await codex.ask()
    before = codex.adapter

    codex.adapter = build_upstreams(codex.settings, LoopClock(), {})["cx"]
    codex.adapter.inherit(before)
    await codex.ask([user("hi"), assistant("ok"), user("more")], ids=call.node, tail=2)

    assert codex.pool.slots[0].generation == 1
    assert len(codex.told("thread/start")) == 1


async def test_a_reload_that_changes_something_lets_what_runs_finish_and_ends_the_processes(codex):
    codex = codex([["delta", "a"], ["sleep", 0.5], ["delta", "b"], ["end"]])
    running = await codex.open()
    before, child = codex.adapter, codex.pool.slots[0].ready
    entry = codex.settings.upstreams[0].model_copy(update={"park_s": 7.0})

    changed = codex.settings.model_copy(update={"upstreams": (entry,)})
    codex.adapter = build_upstreams(changed, LoopClock(), {})["cx"]
    codex.adapter.inherit(before)

    assert (await events_of(running))[-1] == Finished("stop")
    await until(lambda: child.lost)
    assert (await codex.ask())[0][-1] == Finished("stop")
