"""Dialect `json`: the forms of a call, what is mended, what is never looked into; each example cut everywhere."""

import pytest

from proxy.dialects import DIALECTS, DialectOptions, PastCall, PastResult, Tool, Toolset
from proxy.dialects.ids import CallIds
from proxy.wire.events import Finished, TextDelta, ToolCallDelta
from tests.dialects.examples import leaves, same, told
from tests.dialects.worlds import run, text_of, tool

TOOLS = Toolset(
    (
        tool("look_up", term="string", limit="integer"),
        tool("store", key="string", body="string"),
        tool("tag", items="array"),
        tool("ping"),
    )
)
PING = ("ping", "{}")
CALL = '{"tool_call":{"name":"ping"}}'

CALLS = [
    ('{"tool_call":{"name":"look_up","arguments":{"term":"tea"}}}', [("look_up", '{"term":"tea"}')]),
    ('{"name":"ping","arguments":{}}', [PING]),
    ('{"function_call":{"name":"ping","parameters":{}}}', [PING]),
    (
        '{"tool_calls":[{"id":"c-1","type":"function","function":{"name":"ping","arguments":"{}"}},{"name":"ping"}]}',
        [PING, PING],
    ),
    (
        '{"role":"assistant","content":"Wait.","tool_calls":[{"function":{"name":"ping","arguments":"{}"}}]}',
        ["Wait.", PING],
    ),
    ('Sure:⏎```json⏎{"tool_call":{"name":"ping"}}⏎```', ["Sure:", PING]),
    (
        '<tool_call>{"name":"look_up","arguments":{"term":"</tool_call>"}}</tool_call>',
        [("look_up", '{"term":"</tool_call>"}')],
    ),
    (f"{CALL}⏎{CALL}", [PING, PING]),
    ('[{"name":"ping"}, {"name":"ping"}]', [PING, PING]),
    ('{"final":"Done."}', ["Done."]),
    (f'{CALL}⏎{{"final":"ok"}}', [PING, "ok"]),
    ("{'tool_call': {'name': 'tag', 'arguments': {'items': ['a', None],}}}", [("tag", '{"items":["a",null]}')]),
    (
        '{"tool_call":{"name":"store","arguments":{"body":"a⏎b \\d"}}}',
        [("store", '{"body":"a\\nb \\\\d"}')],
    ),
    (
        "Let me see: {tool_call: (name: look_up, arguments: (term:/a/b.md}}",
        ["Let me see:", ("look_up", '{"term":"/a/b.md"}')],
    ),
    ("tool_call = name=look_up, arguments={term: a, b, limit: 3}", [("look_up", '{"term":"a, b","limit":3}')]),
    ("{tool_call: (name: ping)}", [PING]),
    (
        '{"tool_call":{"name":"store","arguments":{"key":"007","body":"{\\"a\\":1}"}}}',
        [("store", '{"key":"007","body":"{\\"a\\":1}"}')],
    ),
    ('{"tool_call":{"name":"tag","arguments":{"items":"[1,2]"}}}', [("tag", '{"items":[1,2]}')]),
    ('{"tool_call":{"name":"look_up","arguments":{"limit":"3"}}}', [("look_up", '{"limit":3}')]),
    ('{"tool_call":{"name":"look_up","arguments":{"limit":"many"}}}', [("look_up", '{"limit":"many"}')]),
    ('{"tool_call":{"name":"look_up","arguments":"{\\"term\\":\\"x\\"}"}}', [("look_up", '{"term":"x"}')]),
    ('{"tool_calls":[{"name":"rm","arguments":{}},{"name":"ping"}]}', ['{"name":"rm","arguments":{}}', PING]),
    ('{"tool_call":{"name":"ping","arguments":{}', [PING]),
    ('[{"name":"ping","arguments":{}}', [PING]),
    ('{"name":"ping","arguments":{}', [PING]),
    ('{"tool_calls":[{"function":{"name":"ping","arguments":"{}"', [PING]),
    (f'5" disk {{ and {CALL}', ['5" disk { and', PING]),
    (f"}} {CALL}", ["}", PING]),
    # beyond the table
    ('{"type":"function","function":{"name":"ping","arguments":"{}"}}', [PING]),
    ('{"id":"a","name":"ping","arguments":null}', [PING]),
    ('{"name":"ping","arguments":""}', [PING]),
    ('<tool_calls>[{"name":"ping"},{"name":"ping"}]</tool_calls> so', [PING, PING, "so"]),
    ('<tool_call>{"name":"ping"}{"name":"ping"}</tool_call>', [PING, PING]),
    ('<tool_call>{"name":"ping"}', [PING]),
    ('<tool_call>{"name":"ping","why":"so"}</tool_call>', [PING]),
    ('<function_call>⏎{"name":"ping"}⏎</function_call>⏎<function_call>{"name":"ping"}</function_call>', [PING, PING]),
    (f"{CALL},{CALL};{CALL}", [PING, PING, PING]),
    (f"{CALL}, and so on", [PING, ", and so on"]),
    (f"{CALL}⏎```", [PING]),
    (f"{CALL}⏎```py⏎x⏎```", [PING, "```py⏎x⏎```"]),
    (f"a {CALL} b {CALL} c", ["a", PING, "b", PING, "c"]),
    ('[see {"tool_call":{"name":"ping"}}]', ["[see", PING, "]"]),
    ("```⏎" + CALL + "⏎" + CALL + "⏎```⏎Well.", [PING, PING, "Well."]),
    ("```json⏎" + CALL, [PING]),
    ('{"tool_call":{name:"ping",arguments:{}}}', [PING]),
    ('{"tool_call":{"name":"ping"},"thoughts":"none"}', [PING]),
    ('{"tool_calls":[null,{"name":"ping"}]}', ["null", PING]),
    ("tool_call: name: ping⏎Well.", [PING, "Well."]),
    ('tool_call: {name: \'look_up\', arguments: {"term":"a", "limit": 2}}', [("look_up", '{"term":"a", "limit": 2}')]),
    (
        "{tool_call: (name: look_up, arguments: (term: 007, limit: 7)) next",
        [("look_up", '{"term":"007","limit":7}'), "next"],
    ),
    ('{"tool_call":{"name":"look_up","arguments":{"term": 7}}}', [("look_up", '{"term":"7"}')]),
    ('{"tool_call":{"name":"look_up","arguments":{"x": [1,  2.50]}}}', [("look_up", '{"x": [1,  2.50]}')]),
    ('{"tool_call":{"name":"look_up","arguments":{"x": 1.50,}}}', [("look_up", '{"x":1.50}')]),
    ('{"tool_call":{"name":"look_up","arguments":{"term":"\\ud83d"}}}', [("look_up", '{"term":"\\ufffd"}')]),
    ('{"role":"assistant","content":"Hi."}', ["Hi."]),
    ('{"role":"assistant","content":null,"refusal":null,"tool_calls":[{"name":"ping"}]}', [PING]),
    ('{"name":"store","arguments":{"name":"rm","key":"arguments"}}', [("store", '{"name":"rm","key":"arguments"}')]),
]

TEXTS = [
    '{"tool_call":{"name":"look_up","arguments":[1]}}',
    '{"tool_call":{"name":"look_up","arguments":"not json"}}',
    '{"tool_call":{"name":"look_up","arguments":{"n":NaN}}}',
    '{"tool_call":{"name":"rm","arguments":{}}}',
    '{"tool_call":{"name":"Ping"}}',
    '{"tool_call":"ping"}',
    '{"tool_calls":[null]}',
    '{"name":"ping"}',
    '{"name":"ping","arguments":{},"age":3}',
    '{"final":3,"score":2}',
    '{"result":{"name":"ping","arguments":{}}}',
    f"Write `{CALL}` to call.",
    f"```python⏎{CALL}⏎```",
    "<tool_call><name>ping</name></tool_call>",
    "The field tool_call: name ping is used.",
    "{tool_call: (arguments: (term: x))}",
    "tool_call: ping",
    '{"tool_call":{"name":"look_up","arguments":{"term":"te',
    # beyond the table
    '{"rows":[{"name":"ping","arguments":{}}]}',
    '[1, {"name":"ping","arguments":{}}]',
    '[[{"name":"ping","arguments":{}}]]',
    '[{"name":"ping","price":3}]',
    '<tool_call>{"rows":[{"name":"ping","arguments":{}}]}</tool_call>',
    '{"type":"function","function":{"name":"ping","description":"d","parameters":{"type":"object"}}}',
    '{"name":"Bob","arguments":{}}',
    '{"content":"x","tool_calls":[]}',
    '{"content":null}',
    "{}",
    "[]",
    '{"name":"ping" "arguments":{}}',
    '{"name":"ping","arguments":{} // none⏎}',
    f"```json⏎{CALL}⏎more⏎```",
    f"```json⏎more⏎{CALL}⏎```",
    f"~~~⏎{CALL}⏎```⏎{CALL}⏎more⏎~~~",
    f"``a ` {CALL}`` b",
    f"a ` {CALL}",
    "see tool_call: name: ping",
    '{"a',
    "[",
    "<tool_ca",
    "```json⏎{",
    '{"tool_call":{"name":"ping"}',
    '{"tool_call":{"name":"look_up","arguments":{"term":"a"},"x":',
]


@pytest.mark.parametrize("example", CALLS, ids=lambda example: example[0][:60])
def test_every_form_is_read_wherever_it_is_cut(example):
    same("json", TOOLS, example)


@pytest.mark.parametrize("raw", TEXTS)
def test_what_is_no_form_is_text_byte_for_byte(raw):
    same("json", TOOLS, (raw, [raw]))


@pytest.mark.parametrize("raw", [raw for raw, _ in CALLS] + TEXTS)
@pytest.mark.parametrize("finish", ["length", "content_filter"])
def test_a_cut_answer_gives_no_call_that_lacks_anything(raw, finish):
    found = told("json", TOOLS, raw, finish)
    whole = told("json", TOOLS, raw, "stop")

    assert found == whole or all(isinstance(each, str) for each in found[-1:])


@pytest.mark.parametrize("raw", [raw for raw, _ in CALLS] + TEXTS)
def test_without_tools_everything_is_text(raw):
    assert text_of(run("json", Toolset(), raw)) == raw


def test_a_call_that_lacks_closers_is_text_where_the_answer_was_cut():
    raw = '{"tool_call":{"name":"ping","arguments":{}'

    assert told("json", TOOLS, raw, "length") == [raw]


@pytest.mark.parametrize(
    ("raw", "left"),
    [
        ('{"name":"Bob"', '{"name":"Bob"'),
        ('{"name":"B', '{"name":"B'),
        ('{"name":"p', ""),
        ('{"x', '{"x'),
        ('{"id":1', '{"id":1'),
        ('{"id":"x","title', '{"id":"x","title'),
        ('{"type":"t', '{"type":"t'),
        ('{"role":"user', '{"role":"user'),
        ('{"content":"a', '{"content":"a'),
        ('{"rows":[{"name":"ping"', '{"rows":[{"name":"ping"'),
        ("{ x", "{ x"),
        ("[1", "[1"),
        ("a <b", "a <b"),
        ("a tool_call: p", "a tool_call: p"),
        ("a ", "a"),
        ("x`{", "x`{"),
    ],
)
def test_what_is_ruled_out_leaves_at_once(raw, left):
    assert leaves("json", TOOLS, raw) == left


def test_a_whole_call_leaves_with_its_last_character():
    decoder = DIALECTS["json"].decoder(TOOLS, DialectOptions())
    assert not list(decoder.feed([TextDelta(CALL[:-1])]))
    start, arguments = decoder.feed([TextDelta(CALL[-1])])

    assert (start.index, start.name, start.arguments) == (0, "ping", "")
    assert arguments == ToolCallDelta(0, None, None, "{}")


@pytest.mark.parametrize(
    ("theirs", "told_id"),
    [
        ("c-1", "call_c-1"),
        ("legacy 1", "call_legacy1"),
        ("call_7", "call_7"),
        ("", None),
        ("x" * 80, None),
        ("call_1", None),
    ],
)
def test_a_models_own_id_is_kept_where_it_may_be(theirs, told_id):
    """Models write `call_1` in every turn, so one that the history holds is made anew."""
    options = DialectOptions(ids=CallIds({"call_1"}))
    raw = f'{{"tool_calls":[{{"id":"{theirs}","function":{{"name":"ping"}}}},{{"id":"{theirs}","name":"ping"}}]}}'
    first, second = [e.id for e in run("json", TOOLS, [raw], options=options) if getattr(e, "name", None)]

    assert first == told_id or (told_id is None and len(first) == 29)
    assert second != first
    assert len(second) == 29


def test_calls_of_the_upstream_count_among_those_in_the_text():
    decoder = DIALECTS["json"].decoder(TOOLS, DialectOptions())
    events = [
        ToolCallDelta(0, "call_a", "theirs", "{}"),
        TextDelta(CALL),
        ToolCallDelta(0, None, None, " "),
        Finished("stop"),
    ]
    found = [event for each in events for event in decoder.feed([each])]

    assert [event.index for event in found if isinstance(event, ToolCallDelta)] == [0, 1, 1, 0]


@pytest.mark.parametrize(
    ("fences", "raw", "expected"),
    [
        ("whole", f"```json⏎{CALL}⏎```", [PING]),
        ("whole", f"Now:⏎```json⏎{CALL}⏎```", [f"Now:⏎```json⏎{CALL}⏎```"]),
        ("whole", f"```json⏎{CALL}⏎```⏎Well.", [f"```json⏎{CALL}⏎```⏎Well."]),
        ("text", f"```json⏎{CALL}⏎```", [f"```json⏎{CALL}⏎```"]),
    ],
)
def test_fences_mean_what_the_model_entry_says(fences, raw, expected):
    same("json", TOOLS, (raw, expected), options=DialectOptions(fences=fences))


def test_the_form_of_the_answer_is_text_where_the_caller_asked_for_json():
    same("json", TOOLS, ('{"final":"Done."}', ['{"final":"Done."}']), options=DialectOptions(final=False))


def test_a_candidate_that_grows_too_long_is_data():
    """It is released at the limit, and what follows inside it is not looked into."""
    raw = '{"tool_call":{"name":"store","arguments":{"body":"' + "x" * 60 + '","k":[{"name":"ping","arguments":{}}]}}}'

    same("json", TOOLS, (raw, [raw]), options=DialectOptions(max_call_bytes=64))
    same("json", TOOLS, (raw + CALL, [raw, PING]), options=DialectOptions(max_call_bytes=64))


REASONING = DialectOptions(reasoning_tags=True)


def test_reasoning_is_not_looked_into():
    same("json", TOOLS, (f"<think>{CALL}</think>ok", [("reasoning", CALL), "ok"]), options=REASONING)
    same("json", TOOLS, (f"<think>{CALL}</think>ok", ["<think>", PING, "</think>ok"]))
    same("json", TOOLS, (f"{CALL}<think>a", [PING, ("reasoning", "a")]), options=REASONING)
    same("json", TOOLS, ("a <think>b</think>", ["a <think>b</think>"]), options=REASONING)
    opened = DialectOptions(reasoning_tags=True, reasoning_preopened=True)
    same("json", TOOLS, (f"a <b </think> {CALL}", [("reasoning", "a <b "), PING]), options=opened)


# --- words


def test_the_block_shows_one_form_and_every_tool_whole():
    schema = {
        "type": "object",
        "properties": {"a": {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/x"}]}},
        "$defs": {"x": {}},
    }
    block = DIALECTS["json"].block(Toolset((Tool("TOOL", "Says\nmore.", schema),)))

    assert '{"tool_call":{"name":"TOOL_X","arguments":{"PARAMETER":"value"}}}' in block
    assert block.splitlines()[-1] == (
        '{"name":"TOOL","description":"Says\\nmore.","parameters":{"type":"object","properties":{"a":{"anyOf":'
        '[{"type":"string"},{"$ref":"#/$defs/x"}]}},"$defs":{"x":{}}}}'
    )


@pytest.mark.parametrize(
    ("toolset", "words"),
    [
        (Toolset(TOOLS.tools, parallel=False), "exactly one call"),
        (Toolset(TOOLS.tools, must_call=True), "must call at least one tool"),
        (Toolset(TOOLS.tools[:1], must_call=True), "must call the tool look_up"),
    ],
)
def test_the_block_says_how_many_calls_are_wanted(toolset, words):
    assert words in DIALECTS["json"].block(toolset)


def test_the_example_in_the_block_is_no_call():
    for name in ("TOOL", "PARAMETER"):
        toolset = Toolset((tool(name, PARAMETER="string"),))
        block = DIALECTS["json"].block(toolset)
        assert text_of(run("json", toolset, [block])) == block


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ('{ "a" : 1.0,\n "b": "x y" }', '{"tool_call":{"name":"f","arguments":{"a":1.0,"b":"x y"}}}'),
        ("[1]", '{"tool_call":{"name":"f","arguments":"[1]"}}'),
        ("", '{"tool_call":{"name":"f","arguments":""}}'),
    ],
)
def test_a_past_call_is_one_canonical_line(arguments, line):
    assert DIALECTS["json"].call_text(PastCall("f", arguments)) == line


def test_a_result_says_which_call_it_answers():
    say = DIALECTS["json"].result_text

    assert say(PastResult("f", 2, 3, "42")) == "Result of tool f (call 2 of 3):\n42"
    assert say(PastResult("f", 1, 1, " \n")) == "Result of tool f (call 1 of 1):\n(no output)"
    assert say(PastResult(None, 1, 1, "42")) == "Result of a tool:\n42"
