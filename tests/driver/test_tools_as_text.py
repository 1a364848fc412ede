"""A model that knows no tools: it is told of them in words, and what it writes becomes calls."""

import json
from typing import Any

import pytest

from proxy.dialects import DIALECTS
from proxy.dialects.json.scanner import JsonScanner
from proxy.testing.play import Play
from proxy.testing.script import Upstream

SCHEMA = {"type": "object", "properties": {"zone": {"type": "string"}, "hours": {"type": "integer"}}}
NOW = {"type": "function", "function": {"name": "now", "description": "Tells the time.", "parameters": SCHEMA}}
PING = {"type": "function", "function": {"name": "ping"}}
CALL = '{"tool_call":{"name":"now","arguments":{"zone":"UTC"}}}'
TEXT: dict[str, Any] = {"model": {"tools": "text", "dialect": "json"}, "body": {"tools": [NOW, PING]}}

HISTORY = [
    {"role": "user", "content": "What time is it?"},
    {
        "role": "assistant",
        "content": "Let me see.",
        "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "now", "arguments": '{"zone":"UTC"}'}},
            {"id": "b", "type": "function", "function": {"name": "ping", "arguments": "{}"}},
        ],
    },
    {"role": "tool", "tool_call_id": "b", "content": ""},
    {"role": "tool", "tool_call_id": "a", "content": "Noon."},
    {"role": "user", "content": "Sure?"},
]


def body(**more: Any) -> dict[str, Any]:
    return {**TEXT, "body": {**TEXT["body"], **more}}


def calls(x: Any) -> list[tuple[str, str]]:
    return [(call.name, call.arguments) for choice in x.exchange.answer.choices.values() for call in choice.calls]


def turn(x: Any) -> Any:
    return x.world.upstreams["main"].turns[0]


@pytest.mark.parametrize("stream", [True, False])
async def test_calls_in_the_text_become_tool_calls(play: Play, stream: bool) -> None:
    x = await play(Upstream.answers("Sure. ", CALL[:20], CALL[20:]), stream=stream, **TEXT)

    assert x.text == "Sure."
    assert calls(x) == [("now", '{"zone":"UTC"}')]
    assert x.exchange.finishes == {0: "tool_calls"}
    assert x.exchange.answer.choices[0].calls[0].id.startswith("call_")


async def test_the_upstream_is_told_of_the_tools_in_words_alone(play: Play) -> None:
    x = await play(Upstream.answers("Noon."), **body(tool_choice="auto", parallel_tool_calls=True))

    assert not turn(x).request.body.keys() & {"tools", "tool_choice", "parallel_tool_calls"}
    assert turn(x).tools_as_text
    assert '{"name":"now","description":"Tells the time.","parameters":{"type":"object"' in turn(x).tool_block


async def test_past_calls_and_results_are_told_as_text_message_by_message(play: Play) -> None:
    """Results in the order of their calls, an empty one with a word."""
    x = await play(Upstream.answers("Yes."), **body(messages=HISTORY))

    told = turn(x).request.messages
    assert [message["role"] for message in told] == [message["role"] for message in HISTORY]
    assert told[1] == {
        "role": "assistant",
        "content": f'Let me see.\n\n{CALL}\n{{"tool_call":{{"name":"ping","arguments":{{}}}}}}',
    }
    assert told[2]["content"] == "Result of tool now (call 1 of 2):\nNoon."
    assert told[3]["content"] == "Result of tool ping (call 2 of 2):\n(no output)"
    assert turn(x).request.body["messages"] == told


async def test_without_tools_now_the_history_is_told_and_nothing_is_read(play: Play) -> None:
    x = await play(Upstream.answers(CALL), model=TEXT["model"], body={"messages": HISTORY})

    assert x.text == CALL
    assert turn(x).tool_block == ""
    assert turn(x).request.messages[2]["content"].startswith("Result of tool now")


@pytest.mark.parametrize(
    ("choice", "words", "told", "expected"),
    [
        ("none", [], [], []),
        ("required", ["at least one tool"], ["now", "ping"], ["now", "ping"]),
        ({"type": "function", "function": {"name": "ping"}}, ["must call the tool ping"], ["ping"], ["ping"]),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [PING]}},
            ["several such lines"],
            ["ping"],
            ["ping"],
        ),
    ],
)
async def test_the_choice_of_tools_is_kept(play: Play, choice: Any, words: Any, told: Any, expected: Any) -> None:
    answer = f'{CALL}\n{{"tool_call":{{"name":"ping"}}}}'
    x = await play(Upstream.answers(answer), **body(tool_choice=choice))

    block = turn(x).tool_block
    assert all(word in block for word in words)
    assert [name for name in ("now", "ping") if f'"name":"{name}"' in block] == told
    assert [name for name, _ in calls(x)] == expected


async def test_a_required_call_that_does_not_come_is_no_error(play: Play) -> None:
    x = await play(Upstream.answers("No."), **body(tool_choice="required"))

    assert (x.text, x.exchange.finishes) == ("No.", {0: "stop"})
    assert x.world.gateway.tool_outcomes == {("json", "required_missing"): 1}


async def test_arguments_that_break_their_schema_are_delivered_and_counted(play: Play) -> None:
    bad = CALL.replace('"zone":"UTC"', '"hours":"many"')
    x = await play(Upstream.answers(bad), **TEXT)

    assert calls(x) == [("now", '{"hours":"many"}')]
    assert x.world.gateway.tool_outcomes == {("json", "call"): 1, ("json", "schema_mismatch"): 1}


@pytest.mark.parametrize("kind", ["openai", "scripted"])
async def test_a_single_call_ends_the_answer(play: Play, kind: str) -> None:
    """What follows is dropped, and the upstream let go of."""
    scripts = Upstream.answers(CALL, "\n", CALL, "so").then_stalls()
    x = await play(scripts, kind=kind, **body(parallel_tool_calls=False))

    assert len(calls(x)) == 1
    assert (x.text, x.exchange.finishes) == ("", {0: "tool_calls"})


async def test_who_knows_functions_alone_is_answered_by_one(play: Play) -> None:
    asked = {"functions": [NOW["function"], PING["function"]]}
    x = await play(Upstream.answers(CALL, CALL), model=TEXT["model"], body=asked, stream=False)

    message = json.loads(x.body)["choices"][0]
    assert message["finish_reason"] == "function_call"
    assert message["message"]["function_call"] == {"name": "now", "arguments": '{"zone":"UTC"}'}


async def test_half_a_call_is_text_and_the_finish_stays(play: Play) -> None:
    x = await play(Upstream.answers(CALL[:-12]).then_finishes("length"), **TEXT)

    assert (x.text, calls(x), x.exchange.finishes) == (CALL[:-12], [], {0: "length"})


async def test_every_choice_has_a_decoder_of_its_own(play: Play) -> None:
    script = Upstream().then_says(CALL[:9]).then_says("No", choice=1).then_says(CALL[9:]).then_says(" {x", choice=1)
    script = script.then_finishes("stop").then_finishes("stop", choice=1)
    x = await play(script, kind="openai", **body(n=2))

    assert x.exchange.finishes == {0: "tool_calls", 1: "stop"}
    assert x.exchange.answer.choices[1].text == "No {x"


async def test_a_dialect_with_a_bug_gives_the_text_as_it_is(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that is lost is better than an answer that is."""

    def broken(self: JsonScanner) -> Any:
        yield from self.reader.expect('{"tool')
        raise RuntimeError

    monkeypatch.setattr(JsonScanner, "candidate", broken)
    x = await play(Upstream.answers("So: ", CALL[:12], CALL[12:], " and on"), **TEXT)

    assert x.text == f"So: {CALL} and on"
    assert x.exchange.finishes == {0: "stop"}
    assert x.world.gateway.tool_outcomes["json", "broken"] == 1


async def test_reasoning_in_tags_is_told_as_reasoning_where_the_entry_says_so(play: Play) -> None:
    x = await play(Upstream.answers("<think>hm", "</think>", "Yes."), model={"reasoning_tags": True})

    assert x.text == "Yes."
    assert x.exchange.answer.choices[0].reasoning == "hm"


async def test_own_words_stand_before_the_tools(play: Play) -> None:
    x = await play(Upstream.answers("Yes."), model={**TEXT["model"], "tool_prompt": "Use these:"}, body=TEXT["body"])

    assert turn(x).tool_block.splitlines()[0] == "Use these:"
    assert turn(x).tool_block.splitlines()[-1] == '{"name":"ping","description":"","parameters":{}}'
    assert len(turn(x).tool_block.splitlines()) == 3


async def test_the_words_count_in_the_estimate(play: Play) -> None:
    with_tools = await play(Upstream.answers("Yes."), **TEXT)
    without = await play(Upstream.answers("Yes."), model=TEXT["model"])

    assert with_tools.exchange.answer.usage.prompt_tokens > without.exchange.answer.usage.prompt_tokens + 50


@pytest.mark.parametrize("dialect", [name for name in DIALECTS if name != "native"])
async def test_what_a_dialect_writes_it_reads(play: Play, dialect: str) -> None:
    from tests.dialects.worlds import text_of_call

    text = text_of_call(dialect, "now", '{"zone":"UTC"}')
    x = await play(Upstream.answers(text), model={"tools": "text", "dialect": dialect}, body=TEXT["body"])

    assert [(name, json.loads(arguments)) for name, arguments in calls(x)] == [("now", {"zone": "UTC"})]


@pytest.mark.parametrize("stream", [True, False])
async def test_a_call_that_is_too_large_is_an_oversize_answer(play: Play, stream: bool) -> None:
    """It would be held in memory, and half of it is of no use to anybody."""
    written = "<now><zone>" + "x" * 3000 + "</zone></now>"
    x = await play(
        Upstream.answers(written[:1000], written[1000:]),
        model={"tools": "text", "dialect": "xml_tags"},
        body=TEXT["body"],
        tools={"max_call_bytes": 2000},
        retry={"attempts": 1},
        stream=stream,
    )

    assert (x.state, x.code) == ("upstream_error", "upstream_oversize")


@pytest.mark.parametrize("dialect", ["xml_tags", "qwen_coder", "glm"])
async def test_a_parameter_that_cannot_stand_in_a_tag_is_refused(play: Play, dialect: str) -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": {"properties": {"a<b": {}}}}}
    x = await play(Upstream.answers("Hi."), model={"tools": "text", "dialect": dialect}, body={"tools": [PING, tool]})

    assert x.path == "validate>invalid_request"
    assert (x.error["code"], x.error["param"]) == ("invalid_value", "tools[1].function.parameters")
