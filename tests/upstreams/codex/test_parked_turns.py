"""Turns that wait for the results of the caller's tools."""

import pytest

from proxy.errors import ConversationLost
from proxy.wire.events import Finished, TextDelta, ToolCallDelta
from tests.upstreams.child.conftest import until
from tests.upstreams.codex.conftest import assistant, declared, tool, user

PLAIN = [["delta", "ok"], ["end"]]
TWO_CALLS = [
    ["delta", "let me see"],
    ["call", 0, "c1", "look", '{"a": 1}'],
    ["call", 1, "c2", "find", "{}"],
    ["usage"],
    ["results"],
    ["results"],
    ["delta", "seen"],
    ["usage"],
    ["end"],
]
TOOLS = declared("look", "find")


def results(codex):
    """What codex got as results, by the ids of its requests."""
    return {line["id"]: line["result"] for line in codex.told() if "method" not in line}


def called(first, *results_after):
    calls = assistant("let me see", ("c1", "look", '{"a": 1}'), ("c2", "find", "{}"))
    return [user(first), calls, *results_after]


# --- the caller's tools


async def test_results_let_the_turn_go_on_in_the_next_answer(codex):
    codex = codex(TWO_CALLS)
    events, call = await codex.ask([user("look")], tools=TOOLS)
    assert events[-1] == Finished("tool_calls")
    assert [(e.id, e.name, e.arguments) for e in events if isinstance(e, ToolCallDelta)] == [
        ("c1", "look", '{"a": 1}'),
        ("c2", "find", "{}"),
    ]
    assert codex.server.turns == 0, "a turn that waits takes no place"

    after = called("look", tool("c2", "Bob"), tool("c1", "Ada"))
    events, call = await codex.ask(after, tools=TOOLS, ids=call.node, tail=2)

    assert [event.text for event in events if isinstance(event, TextDelta)] == ["seen"]
    assert events[-2].total_tokens == 18, "usage starts anew"
    assert events[-1] == Finished("stop")
    assert results(codex) == {
        0: {"contentItems": [{"type": "inputText", "text": "Ada"}], "success": True},
        1: {"contentItems": [{"type": "inputText", "text": "Bob"}], "success": True},
    }
    assert len(codex.told("turn/start")) == 1
    assert call.node is not None


async def test_results_with_ids_that_nobody_gave_go_by_their_place(codex):
    codex = codex(TWO_CALLS)
    _, call = await codex.ask([user("look")], tools=TOOLS)
    calls = assistant("…", ("x1", "look", "{}"), ("x2", "find", "{}"))

    history = [user("look"), calls, tool("x1", "Ada"), tool("x2", "Bob")]
    await codex.ask(history, tools=TOOLS, ids=call.node, tail=2)

    assert results(codex)[0]["contentItems"] == [{"type": "inputText", "text": "Ada"}]


async def test_an_image_that_a_tool_gives_is_passed_on(codex):
    codex = codex([["call", 0, "c1", "look", "{}"], ["usage"], ["results"], ["end"]])
    _, call = await codex.ask([user("look")], tools=TOOLS)
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    history = [user("look"), assistant(None, ("c1", "look", "{}")), {**tool("c1", ""), "content": [image]}]

    await codex.ask(history, tools=TOOLS, ids=call.node, tail=2)

    assert results(codex)[0]["contentItems"] == [{"type": "inputImage", "imageUrl": "data:image/png;base64,AA=="}]


@pytest.mark.parametrize(
    ("after", "options"),
    [
        ([tool("c1", "Ada"), tool("c2", "Bob"), user("and now?")], {"tools": TOOLS}),
        ([tool("c1", "Ada"), tool("c2", "Bob")], {"tools": declared("look")}),
    ],
    ids=["other messages follow", "other tools"],
)
async def test_what_is_no_plain_result_ends_the_waiting_turn_and_is_told_anew(codex, after, options):
    codex = codex(TWO_CALLS)
    _, call = await codex.ask([user("look")], tools=TOOLS)

    with pytest.raises(ConversationLost):
        await codex.open(called("look", *after), ids=call.node, tail=2, **options)

    await codex.until_told("turn/interrupt")
    await codex.until_told("thread/unsubscribe")
    assert results(codex) == {}, "codex has already put its own words in place of the results"


async def test_a_turn_that_waits_too_long_is_given_up(codex):
    codex = codex(TWO_CALLS, park_s=0.1)
    _, call = await codex.ask([user("look")], tools=TOOLS)

    await codex.until_told("turn/interrupt")

    with pytest.raises(ConversationLost):
        await codex.open(called("look", tool("c1", "a"), tool("c2", "b")), tools=TOOLS, ids=call.node, tail=2)
    assert results(codex) == {}


async def test_of_too_many_turns_that_wait_the_oldest_goes(codex):
    codex = codex(TWO_CALLS, max_parked=1)
    first, _ = await codex.ask([user("one")], tools=TOOLS)
    await codex.ask([user("two")], tools=TOOLS)

    interrupt = await codex.until_told("turn/interrupt")

    assert interrupt["params"]["threadId"] == first[0].ids["thread_id"]


async def test_an_answer_whose_end_was_not_taken_does_not_wait_for_results(codex):
    """The caller left, and never heard of the calls."""
    codex = codex(TWO_CALLS)
    call = await codex.open([user("look")], tools=TOOLS)
    await until(lambda: call._last)

    call.close()

    await codex.until_told("turn/interrupt")


async def test_leaving_between_calls_ends_the_turn(codex):
    codex = codex([["call", 0, "c1", "look", "{}"], ["silence"]])
    call = await codex.open([user("look")], tools=TOOLS)
    events = []
    while not any(isinstance(event, ToolCallDelta) for event in events):
        events += await call.receive()

    call.close()

    await codex.until_told("turn/interrupt")
    assert results(codex) == {}


async def test_calls_that_codex_answers_itself_are_not_told_and_the_turn_goes_on(codex):
    """A tool that was not declared, or arguments that are no JSON."""
    call = {"item": {"type": "function_call", "call_id": "c1", "name": "exec_command", "arguments": "{}"}}
    output = {"item": {"type": "function_call_output", "call_id": "c1", "output": "unsupported call"}}
    script = [
        ["tell", "rawResponseItem/completed", call],
        ["usage"],
        ["tell", "rawResponseItem/completed", output],
        ["delta", "never mind"],
        ["usage"],
        ["end"],
    ]
    events, _ = await codex(script).ask(tools=TOOLS)

    assert [type(event) for event in events].count(ToolCallDelta) == 0
    assert events[-1] == Finished("stop")


async def test_a_call_that_comes_after_the_end_of_its_response_is_waited_for(codex):
    call = {"item": {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{}"}}
    script = [
        ["tell", "rawResponseItem/completed", call],
        ["usage"],
        ["sleep", 0.1],
        ["bare_call", 0, "c1", "look", "{}"],
    ]
    events, _ = await codex([*script, ["silence"]]).ask(tools=TOOLS)

    assert [type(event) for event in events].count(ToolCallDelta) == 1
    assert events[-1] == Finished("tool_calls")


async def test_a_call_that_never_comes_is_not_waited_for_for_long(codex):
    missing = {"item": {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{}"}}
    script = [["tell", "rawResponseItem/completed", missing], ["call", 0, "c2", "find", "{}"], ["usage"], ["silence"]]
    events, _ = await codex(script).ask(tools=TOOLS)

    assert [event.id for event in events if isinstance(event, ToolCallDelta)] == ["c2"]
    assert events[-1] == Finished("tool_calls")


async def test_draining_gives_up_turns_that_only_wait(codex):
    codex = codex(TWO_CALLS)
    await codex.ask([user("look")], tools=TOOLS)
    child = codex.pool.slots[0].ready

    child.wear_out("test")

    await codex.until_told("turn/interrupt")
    await until(lambda: child.lost)
