"""Dialect `hermes`: JSON in tags, read string-aware; each example cut everywhere."""

import json

import pytest

from proxy.dialects import DIALECTS, DialectOptions, PastCall, PastResult, Toolset
from proxy.wire.events import TextDelta, ToolCallDelta
from tests.dialects.examples import leaves, same
from tests.dialects.worlds import TOOLSET, calls_of, finish_of, merged, run, text_of, tool

NOW = ("now", "{}")
CALL = '<tool_call>⏎{"name":"now","arguments":{}}⏎</tool_call>'

CALLS = [
    (
        '<tool_call>{"name":"note","arguments":{"body":"</tool_call>"}}</tool_call>',
        [("note", '{"body":"</tool_call>"}')],
    ),
    ('<tool_call>{"name":"now"}', [NOW]),
    ('<tool_call>{"arguments":"{\\"n\\":1}","name":"pick"}</tool_call>', [("pick", '{"n":1}')]),
    # beyond the table
    (CALL, [NOW]),
    (f"So:⏎{CALL}⏎{CALL} and", ["So:", NOW, NOW, "and"]),
    (
        '<tool_call> {"id":7,"name":"pick","parameters":{"n":[1,{"a":null}]},"x":[{}]} </tool_call>',
        [("pick", '{"n":[1,{"a":null}]}')],
    ),
    ('<tool_call>{"arguments":{"n": 1},"name":"pick"}</tool_call>', [("pick", '{"n": 1}')]),
    ('<tool_call>{"name":"pick","arguments":null}</tool_call>', [("pick", "{}")]),
    ('<tool_call>{"name":"pick","arguments":""}</tool_call>', [("pick", "{}")]),
    ('<tool_call>{"name":"pick","arguments":"{\\"ids\\":\\"[1]\\"}"}</tool_call>', [("pick", '{"ids":[1]}')]),
    (
        '<tool_call>{"name":"pick","arguments":{"ids":"[1, 2]","n":"3","all":"{}"}}</tool_call>',
        [("pick", '{"ids":[1, 2],"n":"3","all":"{}"}')],
    ),
    ('<tool_call>{"name":"pick","arguments":{"ids":"[1"}}</tool_call>', [("pick", '{"ids":"[1"}')]),
    (
        '<tool_call>{"name":"note","arguments":{"body":"a⏎b\t\\d \\u00e9\\ud83d\\ude00 \\ud83d \\udc00x \\u12 {}"}}',
        [
            (
                "note",
                '{"body":"a\\nb\\t\\\\d \\u00e9\\ud83d\\ude00 \\ufffd \\ufffdx \\\\u12 {}"}',
            )
        ],
    ),
    ('<tool_call>[{"name":"now"}, {"name":"pick","arguments":{"n":1}}]</tool_call> x', [NOW, ("pick", '{"n":1}'), "x"]),
    ('<tool_call>[{"name":"now"},{"name":"other"}]</tool_call>', [NOW, ',{"name":"other"}]</tool_call>']),
    ('<tool_call>[{"name":"now"},{"name":"now"', [NOW, ',{"name":"now"']),
    (
        '<tool_call>{"name":"pick","arguments":{"n":1.50e+3}}</tool_call></tool_call>',
        [("pick", '{"n":1.50e+3}'), "</tool_call>"],
    ),
    (f"```json⏎{CALL}⏎```", [NOW]),
]

TEXTS = [
    '{"name":"now","arguments":{}}',
    "<tool_call>{'name':'now'}</tool_call>",
    '<tool_call>{"name":"other","arguments":{}}</tool_call>',
    '<tool_call>{"name":"Now"}</tool_call>',
    '<tool_call>{"name":"now","arguments":[1]}</tool_call>',
    '<tool_call>{"name":"now","arguments":"text"}</tool_call>',
    '<tool_call>{"name":"now","arguments":"{} x"}</tool_call>',
    '<tool_call>{"name":"now",}</tool_call>',
    '<tool_call>{"arguments":{}}</tool_call>',
    "<tool_call>now()</tool_call>",
    "<tool_call>[]</tool_call> <tool_call>[1] <tool_call>",
    f"`{CALL[:20]}` and so on",
    f"See:⏎```⏎{CALL}⏎```",
    '<tool_call>{"name":"no',
]


@pytest.mark.parametrize("example", CALLS, ids=lambda example: example[0][:50])
def test_a_call_is_found(example):
    same("hermes", TOOLSET, example)


@pytest.mark.parametrize("raw", TEXTS)
def test_text_stays_text(raw):
    same("hermes", TOOLSET, (raw, [raw]))


@pytest.mark.parametrize("raw", [raw for raw, _ in CALLS])
def test_without_tools_everything_is_text(raw):
    same("hermes", Toolset(), (raw, [raw]))


BROKEN = [
    ('<tool_call>{"name":"note","arguments":{"body":"a"', "", '{"body":"a"'),
    ('<tool_call>{"name":"note","arguments":{"body":"a"}', "", '{"body":"a"'),
    ('<tool_call>{"name":"pick","arguments":{"n":1},"x":', "", '{"n":1'),
    ('<tool_call>{"name":"note","arguments":{"body":oops} so', "oops} so", '{"body":'),
    ('<tool_call>{"name":"pick","arguments":{"n":NaN}}</tool_call>', "NaN}}</tool_call>", '{"n":'),
    ('<tool_call>{"name":"note","arguments":{"body":"a",}}</tool_call>', "}}</tool_call>", '{"body":"a",'),
]


@pytest.mark.parametrize("finish", ["stop", "length"])
@pytest.mark.parametrize(("raw", "text", "told"), BROKEN)
def test_a_call_that_breaks_stays_open(raw, text, told, finish):
    for pieces in ([raw], list(raw)):
        events = run("hermes", TOOLSET, pieces, finish)
        [(_, arguments)] = calls_of(events)
        with pytest.raises(ValueError, match=r".*"):
            json.loads(arguments)
        assert (text_of(events), arguments, finish_of(events)) == (text, told, "length")


def test_a_call_after_a_broken_one_does_not_make_the_answer_whole():
    events = run(
        "hermes", TOOLSET, [f'<tool_call>{{"name":"pick","arguments":{{"n":NaN}}}}\n{CALL}'.replace("⏎", "\n")]
    )

    assert [name for name, _ in calls_of(events)] == ["pick", "now"]
    assert finish_of(events) == "length"


def test_arguments_leave_as_they_come():
    decoder = DIALECTS["hermes"].decoder(TOOLSET, DialectOptions())

    def step(piece):
        return [(e.name, e.arguments) for e in decoder.feed([TextDelta(piece)]) if isinstance(e, ToolCallDelta)]

    assert step('<tool_call>{"name":"note",') == []
    assert step('"arguments":{') == [("note", ""), (None, "{")]
    assert step('"body": "one\\') == [(None, '"body": "one')]
    assert step("ntwo \\ud83d") == [(None, "\\ntwo ")]
    assert step('\\ude00"') == [(None, '\\ud83d\\ude00"')]
    assert step("}") == []
    assert step("}") == [(None, "}")]


def test_a_call_that_is_too_large_ends_the_answer():
    options = DialectOptions(max_call_bytes=100)
    text = '<tool_call>{"name":"note","arguments":{"body":"' + "x" * 200 + '"}}</tool_call> and'
    whole = merged(run("hermes", TOOLSET, [text], "stop", options))

    assert merged(run("hermes", TOOLSET, text, "stop", options)) == whole
    assert whole[1:] == [("finish", "length")]
    assert whole[0][3].startswith('{"body":"xxx')


def test_json_that_is_nested_too_deeply_is_no_call():
    raw = '<tool_call>{"name":"pick","arguments":{"n":' + "[" * 300 + "]" * 300 + "}}</tool_call>"
    events = run("hermes", TOOLSET, [raw])

    assert finish_of(events) == "length"
    assert not calls_of(events)[0][1].endswith("}")


@pytest.mark.parametrize(
    ("raw", "left"), [("Now <b", "Now <b"), ("Now <tool_", "Now"), ("Now <tool_call> {x", "Now <tool_call> {x")]
)
def test_no_more_is_held_than_may_become_a_call(raw, left):
    assert leaves("hermes", TOOLSET, raw) == left


def test_reasoning_is_told_apart_where_configured():
    options = DialectOptions(reasoning_tags=True, reasoning_preopened=True)

    same(
        "hermes",
        TOOLSET,
        (f"a {CALL}</think>{CALL}", [("reasoning", f"a {CALL}".replace("⏎", "\n")), NOW]),
        options=options,
    )


def test_the_block_holds_the_whole_signatures():
    block = DIALECTS["hermes"].block(TOOLSET)

    assert (
        '{"type":"function","function":{"name":"now","description":"Does now.","parameters":{"type":"object",'
        '"properties":{}}}}'
    ) in block.splitlines()
    assert '<tool_call>\n{"name":"TOOL","arguments":{"PARAMETER":"value"}}\n</tool_call>' in block


def test_the_example_in_the_block_is_no_call():
    tools = Toolset((tool("TOOL", PARAMETER="string"),))
    block = DIALECTS["hermes"].block(tools)

    assert text_of(run("hermes", tools, [block])) == block


@pytest.mark.parametrize(
    ("arguments", "told"), [('{"n": 1}', '{"n": 1}'), ("[1", '"[1"'), ("", '""'), (' {"n":1}\n', '{"n":1}')]
)
def test_a_past_call_is_written_as_the_model_would(arguments, told):
    assert DIALECTS["hermes"].call_text(PastCall("f", arguments)) == (
        f'<tool_call>\n{{"name":"f","arguments":{told}}}\n</tool_call>'
    )


def test_a_result_stands_in_its_tag():
    assert DIALECTS["hermes"].result_text(PastResult("f", 1, 2, "42")) == "<tool_response>\n42\n</tool_response>"
