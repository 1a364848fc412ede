"""Dialect `xml_tags`: where values end, how they are typed, what leaves when; each example cut everywhere."""

import json

import pytest

from proxy.dialects import DIALECTS, DialectOptions, PastCall, PastResult, Tool, Toolset
from proxy.wire.events import TextDelta, ToolCallDelta
from tests.dialects.examples import leaves, same
from tests.dialects.worlds import TOOLSET, calls_of, finish_of, merged, run, text_of, tool

NOW = ("now", "{}")

CALLS = [
    ("Sure.⏎<note><title>a</title><body>b</body></note>", ["Sure.", ("note", '{"title":"a","body":"b"}')]),
    ("<note><title>007</title></note>", [("note", '{"title":"007"}')]),
    ("<pick><n>3</n><all>True</all><ids>[1,2]</ids></pick>", [("pick", '{"n":3,"all":true,"ids":[1,2]}')]),
    ("<pick><n>010</n></pick>", [("pick", '{"n":"010"}')]),
    (
        "<note><body>see </body> here</body><title>t</title></note>",
        [("note", '{"body":"see </body> here","title":"t"}')],
    ),
    (
        "<note><title>t</title><body>use <note><body>x</body></note> so</body></note>",
        [("note", '{"title":"t","body":"use <note><body>x</body></note> so"}')],
    ),
    (
        "<note><title>t</title><body>the <note> tag</body></note>",
        [("note", '{"title":"t","body":"the <note> tag"}')],
    ),
    (
        "<note><title>t</title><lines>1</lines><body>b</body></note>⏎<now></now>",
        [("note", '{"title":"t","lines":"1","body":"b"}'), NOW],
    ),
    ("<note><title>⏎  x⏎</title></note>", [("note", '{"title":"  x"}')]),
    ("<note><body>a &amp;&amp; b</body></note>", [("note", '{"body":"a &amp;&amp; b"}')]),
    ("```xml⏎<now></now>⏎```", [NOW]),
    ("<now></now>⏎<now></now>", [NOW, NOW]),
    ("<note><title>a</note>", [("note", '{"title":"a"}')]),
    # beyond the table
    ("<now/>", [NOW]),
    ("So:⏎  <now/>  ⏎ok", ["So:", NOW, "ok"]),
    ("<note>⏎  <title>a</title>⏎  <body>b</body>⏎</note>", [("note", '{"title":"a","body":"b"}')]),
    ("<note>⏎<kind>x</kind>⏎</note>", [("note", '{"kind":"x"}')]),
    ("<pick><ids>1</ids><ids>[2]</ids><n>5.0</n></pick>", [("pick", '{"ids":[1,[2]],"n":5}')]),
    ("<pick><n>NaN</n><all>maybe</all><ids>1,2</ids></pick>", [("pick", '{"n":"NaN","all":"maybe","ids":"1,2"}')]),
    ("<note><title></title><body>⏎</body></note>", [("note", '{"title":"","body":""}')]),
    ("<note><body>a⏎⏎  </body></note>", [("note", '{"body":"a\\n"}')]),
    ("<note><body>\r⏎a\r⏎b\r⏎</body></note>", [("note", '{"body":"a\\r\\nb"}')]),
    ("<note><body>a\rb\r</body></note>", [("note", '{"body":"a\\rb\\r"}')]),
    ("<note><body>```⏎<now></now>⏎```⏎`<now></now>`</body></note>x", None),
    ("<note><body><think>a</think></body></note>", [("note", '{"body":"<think>a</think>"}')]),
    (
        "<note><body><![CDATA[a</body></note>⏎]]]]><![CDATA[>]]></body><title>t</title></note>",
        [("note", '{"body":"a</body></note>\\n]]>","title":"t"}')],
    ),
    ("<note><body><![CDATA[a]]></body> b]]>⏎</body></note>", [("note", '{"body":"a]]></body> b"}')]),
    ("<note><body><![CDATA[a]]></body><kind>k</kind></note>", [("note", '{"body":"a","kind":"k"}')]),
    ("<pick><ids><![CDATA[[1]]]></ids></pick>", [("pick", '{"ids":[1]}')]),
    ("<note><title>a</title><body>b</body></note></note> c", [("note", '{"title":"a","body":"b"}'), "</note> c"]),
    ("<note><title>a <note> b</title></note>⏎and <now></now>", [("note", '{"title":"a <note> b"}'), "and", NOW]),
    (
        "<note><title>a</title><b>c</b> d</title></note>",
        [("note", '{"title":"a</title><b>c</b> d"}')],
    ),
    ("<now></now> and <now></now> so", [NOW, "and", NOW, "so"]),
]

TEXTS = [
    "Use <note> when needed, <b>not</b> <br>.",
    "<memo><title>a</title></memo>",
    "<Note><title>a</title></Note>",
    "Look:⏎```xml⏎<now></now>⏎```⏎so",
    "```xml⏎<now></now>⏎```⏎so",
    "```xml⏎<now></now>⏎and so on⏎```",
    "```python⏎x = 1⏎```",
    "~~~⏎<now></now> a⏎~~~",
    "````⏎```⏎<now></now>⏎```⏎````⏎",
    "Write `<now></now>` for the time.",
    "Write ``<now></now> ` <now></now>`` for it.",
    "A tag: <now/>, in a line.",
    "<note> <kind>in a line that begins with text</kind></note>"[1:],
    "a <note> <kind>x</kind></note>",
    "<b>bold</b> <T>x</T> </note> < <n <note",
    "1 < 2 > 0 && <!-- x --> <![CDATA[y]]>",
]


@pytest.mark.parametrize("example", CALLS, ids=lambda example: example[0][:30])
def test_a_call_is_found(example):
    raw, expected = example
    if expected is None:
        body = raw[len("<note><body>") : raw.index("</body>")].replace("⏎", "\n")
        expected = [("note", json.dumps({"body": body}, separators=(",", ":"))), "x"]
    same("xml_tags", TOOLSET, (raw, expected))


@pytest.mark.parametrize("raw", TEXTS)
def test_text_stays_text(raw):
    same("xml_tags", TOOLSET, (raw, [raw]))


@pytest.mark.parametrize("raw", [raw for raw, _ in CALLS] + TEXTS)
def test_without_tools_everything_is_text(raw):
    """Agents that bring their own tags read the answer themselves."""
    same("xml_tags", Toolset(), (raw, [raw]))


def test_names_are_compared_exactly():
    tools = Toolset((tool("get-a.b:c_1", **{"x-y z": "string"}),))

    same("xml_tags", tools, ("<get-a.b:c_1><x-y z>v</x-y z></get-a.b:c_1>", [("get-a.b:c_1", '{"x-y z":"v"}')]))
    same("xml_tags", tools, ("<get-a.b><x-y z>v</x-y z></get-a.b>", ["<get-a.b><x-y z>v</x-y z></get-a.b>"]))


def test_a_parameter_may_bear_the_name_of_its_tool():
    tools = Toolset((tool("search", search="string", limit="integer"),))

    same("xml_tags", tools, ("<search><search>x</search></search>", [("search", '{"search":"x"}')]))
    raw = "<search><search>x</search><limit>3</limit></search>"
    same("xml_tags", tools, (raw, [("search", '{"search":"x","limit":3}')]))


# --- typing


@pytest.mark.parametrize(
    ("schema", "raw", "value"),
    [
        ({"type": "string"}, "007", "007"),
        ({"type": "string"}, "null", "null"),
        ({"type": ["string", "null"]}, "null", None),
        ({"type": ["string", "null"]}, "nul", "nul"),
        ({"type": ["string", "null"]}, "nullable", "nullable"),
        ({"type": ["string", "null"]}, "<![CDATA[null]]>", "null"),
        ({"type": ["string", "integer"]}, "3", "3"),
        ({"enum": ["a", 3, None]}, " 3 ", 3),
        ({"type": "string", "enum": ["a b", "c"]}, "⏎a b⏎", "a b"),
        ({"type": "string", "enum": ["a"]}, "d ", "d "),
        ({"type": "integer"}, "5.0", 5),
        ({"type": "integer"}, "1,5", "1,5"),
        ({"type": "number"}, "1e3", 1000.0),
        ({"type": "boolean"}, " FALSE", False),
        ({"type": "object"}, '{"a": [1]}', {"a": [1]}),
        ({"type": "object"}, "<file><path>a</path></file>", {"file": {"path": "a"}}),
        ({"type": "array", "items": {"type": "integer"}}, "<i>1</i><i>2</i>", [1, 2]),
        ({"type": "object"}, "{a: 1}", "{a: 1}"),
        ({"properties": {"n": {"type": "integer"}}}, "<n>1</n>", {"n": 1}),
        ({"items": {}}, "[1]", [1]),
        ({}, "true", True),
        ({}, "12", 12),
        ({}, "<![CDATA[12]]>", "12"),
        ({}, "twelve", "twelve"),
    ],
)
def test_a_value_is_typed_by_its_schema(schema, raw, value):
    tools = Toolset((tool("f", p=schema),))
    arguments = json.dumps({"p": value}, separators=(",", ":"))
    for event in calls_of(run("xml_tags", tools, [f"<f><p>{raw}</p></f>".replace("⏎", "\n")])):
        assert json.loads(event[1]) == json.loads(arguments)
        assert type(json.loads(event[1])["p"]) is type(value) or isinstance(value, float)


def test_digits_are_copied():
    tools = Toolset((tool("f", p="number", q="integer"),))
    raw = "<f><p>0.1000000000000000055511151231257827</p><q>123456789012345678901234567890</q></f>"

    assert calls_of(run("xml_tags", tools, [raw])) == [
        ("f", '{"p":0.1000000000000000055511151231257827,"q":123456789012345678901234567890}')
    ]


@pytest.mark.parametrize(
    ("entities", "value"), [("raw", "&lt;b&gt; &amp;lt; &#65;&#x42; &nope; &"), ("xml", "<b> &lt; AB &nope; &")]
)
def test_entities_are_decoded_once_where_configured(entities, value):
    raw = "<note><body>&lt;b&gt; &amp;lt; &#65;&#x42; &nope; &</body><title><![CDATA[&lt;]]></title></note>"
    expected = [("note", json.dumps({"body": value, "title": "&lt;"}, separators=(",", ":")))]

    same("xml_tags", TOOLSET, (raw, expected), options=DialectOptions(entities=entities))


# --- how an answer ends

CUT = "<note><title>a</title><body>long te"


@pytest.mark.parametrize("finish", ["length", "stop", "content_filter", "tool_calls"])
def test_a_call_that_is_cut_has_no_end(finish):
    events = run("xml_tags", TOOLSET, [CUT], finish)

    assert calls_of(events) == [("note", '{"title":"a","body":"long te')]
    assert finish_of(events) == ("content_filter" if finish == "content_filter" else "length")


@pytest.mark.parametrize(
    "raw",
    [
        "<note><title>a</note> and more",
        "<pick><ids>[1",
        "<note><title>a</title>",
        "<note><body>x</body> y",
        "<pick><ids>1</ids><ids>2",
        "<note><body><![CDATA[x]]>",
        "<note><body><![CDATA[x</body></note>",
        "<note><title>a</title><lines>1",
    ],
)
@pytest.mark.parametrize("finish", ["length", "stop"])
def test_half_a_call_is_never_told_as_finished(raw, finish):
    for pieces in ([raw], list(raw)):
        events = run("xml_tags", TOOLSET, pieces, finish)
        [(_, arguments)] = calls_of(events)
        with pytest.raises(ValueError, match=r".*"):
            json.loads(arguments)
        assert finish_of(events) == "length"


def test_whole_calls_before_a_cut_one_stay():
    events = run("xml_tags", TOOLSET, [f"<now></now>{CUT}"], "length")

    assert [name for name, _ in calls_of(events)] == ["now", "note"]
    assert calls_of(events)[0] == NOW


def test_what_is_not_yet_a_call_ends_as_text():
    for raw in ("<note>", "<note> <ti", "<now></no", "so <now"):
        events = run("xml_tags", TOOLSET, [raw], "length")
        assert (text_of(events), calls_of(events), finish_of(events)) == (raw, [], "length")


@pytest.mark.parametrize("finish", ["length", "content_filter"])
def test_a_quiet_call_is_ended_only_by_a_model_that_has_said_all(finish):
    events = run("xml_tags", TOOLSET, ["<note><title>the <note> tag</title></note>"], finish)

    assert calls_of(events) == [("note", '{"title":"the <note> tag</title></note>')]
    assert finish_of(events) == finish


def test_a_quiet_call_ends_where_the_calls_inside_it_have_their_ends():
    raw = "<note><body><note> <note></body></note></body></note> x⏎y"

    same("xml_tags", TOOLSET, (raw, [("note", '{"body":"<note> <note></body></note>"}'), "x⏎y"]))


def test_settling_ends_again_and_again_takes_linear_time():
    """Each end that is settled has the rest read again; of hostile text the last part is then no longer looked at."""
    text = "<note><body><note></body></note>" * 4000
    events = run("xml_tags", TOOLSET, [text], "stop", DialectOptions(max_call_bytes=200_000))

    assert calls_of(events)[0] == ("note", '{"body":"<note>"}')
    assert 2 < len(calls_of(events)) < 100


# --- what leaves when


def test_a_string_leaves_as_it_comes():
    decoder = DIALECTS["xml_tags"].decoder(TOOLSET, DialectOptions())

    def step(piece):
        return [(e.name, e.arguments) for e in decoder.feed([TextDelta(piece)]) if isinstance(e, ToolCallDelta)]

    assert step("<note>") == []
    assert step("<body>") == [("note", ""), (None, "{")]
    assert step("\none") == [(None, '"body":"one')]
    assert step(' "two"\n') == [(None, ' \\"two\\"')]
    assert step("  three <b>") == [(None, "\\n  three <b>")]
    assert step("\n</bo") == []
    assert step("dy>") == []
    assert step("<title>t") == [(None, '","title":"t')]
    assert step("</title></note>") == [(None, '"}')]


def test_the_end_leaves_only_when_it_is_certain():
    decoder = DIALECTS["xml_tags"].decoder(TOOLSET, DialectOptions())
    told = ""
    for char in "<note><title>a</title></note":
        told += "".join(e.arguments for e in decoder.feed([TextDelta(char)]) if isinstance(e, ToolCallDelta))
    assert told == '{"title":"a'
    told += "".join(e.arguments for e in decoder.feed([TextDelta(">")]) if isinstance(e, ToolCallDelta))
    assert told == '{"title":"a"}'


@pytest.mark.parametrize(
    ("raw", "left"),
    [
        ("Now <b", "Now <b"),
        ("Now <not", "Now"),
        ("Now <nota", "Now <nota"),
        ("Now <note> x", "Now <note> x"),
        ("Now <note> ", "Now"),
        ("A `<now", "A `<now"),
        ("```py⏎x", "```py⏎x"),
        ("```xml⏎<now></now>", ""),
    ],
)
def test_no_more_is_held_than_may_become_a_call(raw, left):
    assert leaves("xml_tags", TOOLSET, raw) == left.replace("⏎", "\n")


def test_a_call_that_is_too_large_ends_the_answer():
    """What has left can't be taken back, so the call has no end, and the upstream is to be cancelled."""
    options = DialectOptions(max_call_bytes=100)
    text = f"<note><body>{'x' * 200}</body></note>⏎<now></now>"
    whole = merged(run("xml_tags", TOOLSET, [text], "stop", options))
    for size in (1, 7, 64, 101):
        pieces = [text[start : start + size] for start in range(0, len(text), size)]
        assert merged(run("xml_tags", TOOLSET, pieces, "stop", options)) == whole
    decoder = DIALECTS["xml_tags"].decoder(TOOLSET, options)
    decoder.feed([TextDelta(text)])

    assert decoder.cut
    assert decoder.oversize
    assert whole == [("call", 0, "note", '{"body":"' + "x" * 88), ("finish", "length")]


def test_calls_of_any_number_may_come_one_after_another():
    options = DialectOptions(max_call_bytes=100)
    text = "<note><body>" + "x" * 60 + "</body></note>"
    events = run("xml_tags", TOOLSET, [text * 5], "stop", options)

    assert len(calls_of(events)) == 5


# --- reasoning, fences

REASONING = DialectOptions(reasoning_tags=True)


def test_reasoning_is_told_apart_where_configured():
    same("xml_tags", TOOLSET, ("<think><now></now></think>ok", [("reasoning", "<now></now>"), "ok"]), options=REASONING)
    same("xml_tags", TOOLSET, ("<think><now></now></think>ok", ["<think>", NOW, "</think>ok"]))
    same("xml_tags", TOOLSET, ("<now></now><think>a", [NOW, ("reasoning", "a")]), options=REASONING)


@pytest.mark.parametrize(("fences", "expected"), [("whole", [NOW]), ("text", ["```⏎<now></now>⏎```"]), ("", [NOW])])
def test_a_fence_around_the_whole_answer_may_hold_calls(fences, expected):
    same("xml_tags", TOOLSET, ("```⏎<now></now>⏎```", expected), options=DialectOptions(fences=fences))


def test_half_a_call_in_a_fence_is_text():
    raw = "```⏎<note><title>a"

    same("xml_tags", TOOLSET, (raw, [raw]))
    same("xml_tags", TOOLSET, (raw, [raw]), finish="length")


def test_a_fence_that_proves_to_be_text_ends_at_its_own_end():
    """Inside a value there are no fences; but if there is no value, there are."""
    raw = "```⏎<note><body>⏎```⏎so</body></note> so <now></now>"

    same("xml_tags", TOOLSET, (raw, ["```⏎<note><body>⏎```⏎so</body></note> so", NOW]))


# --- words

ALARM = Tool(
    "set_alarm",
    "Sets\nan alarm.",
    {
        "type": "object",
        "required": ["time"],
        "properties": {
            "time": {"type": "string", "description": "clock time,\n24 h", "pattern": "^..:..$"},
            "days": {"type": "array", "items": {"$ref": "#/$defs/day"}, "description": "when"},
            "loud": {"type": "boolean", "default": False},
            "tone": {"type": "string", "enum": ["a", "b"]},
            "level": {"type": "integer", "minimum": 1, "const": 3},
            "tree": {"$ref": "#/$defs/node"},
            "free": {},
            "either": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        },
        "$defs": {
            "day": {"enum": ["mon", "tue"]},
            "node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}},
        },
    },
)


def test_the_block_says_everything_of_a_tool():
    block = DIALECTS["xml_tags"].block(Toolset((ALARM, Tool("now", "", {}))))
    lines = block.splitlines()

    assert lines[lines.index("## set_alarm") :] == [
        "## set_alarm",
        "Sets an alarm.",
        '- time (string, required, pattern "^..:..$"): clock time, 24 h',
        '- days (array, optional): when JSON schema {"type":"array","items":{"enum":["mon","tue"]}}',
        "- loud (boolean, optional, default false)",
        '- tone (string, optional, one of "a", "b")',
        "- level (integer, optional, minimum 1, const 3)",
        (
            '- tree (any, optional): JSON schema {"type":"object","properties":{"next":{"$ref":"#/$defs/node"}},"$defs":'
            '{"day":{"enum":["mon","tue"]},"node":{"type":"object","properties":{"next":{"$ref":"#/$defs/node"}}}}}'
        ),
        "- free (any, optional)",
        '- either (any, optional): JSON schema {"anyOf":[{"type":"string"},{"type":"null"}]}',
        "",
        "## now",
        "No parameters. A call is <now></now>",
    ]


def test_references_that_multiply_do_not_fill_the_memory():
    steps = {f"s{n}": {"type": "array", "items": {"anyOf": [{"$ref": f"#/$defs/s{n + 1}"}] * 2}} for n in range(40)}
    schema = {"properties": {"p": {"$ref": "#/$defs/s0"}}, "$defs": {**steps, "s40": {"type": "string"}}}

    assert len(DIALECTS["xml_tags"].block(Toolset((Tool("f", "", schema),)))) < 2_000_000


def test_references_that_go_deep_can_be_written():
    steps = {f"s{n}": {"type": "array", "items": {"$ref": f"#/$defs/s{n + 1}"}} for n in range(500)}
    schema = {"properties": {"p": {"$ref": "#/$defs/s0"}}, "$defs": {**steps, "s500": {"type": "string"}}}

    assert '"s500":{"type":"string"}' in DIALECTS["xml_tags"].block(Toolset((Tool("f", "", schema),)))


def test_the_example_in_the_block_is_no_call():
    for name in ("TOOL", "PARAMETER"):
        tools = Toolset((tool(name, PARAMETER="string"),))
        block = DIALECTS["xml_tags"].block(tools)
        assert text_of(run("xml_tags", tools, [block])) == block


@pytest.mark.parametrize(
    ("toolset", "words"),
    [
        (TOOLSET, "Several calls may follow one another"),
        (Toolset(TOOLSET.tools, parallel=False), "one call only"),
        (Toolset(TOOLSET.tools, must_call=True), "must call at least one tool"),
        (Toolset(TOOLSET.tools[:1], must_call=True), "must call the tool note"),
    ],
)
def test_the_block_says_how_many_calls_are_wanted(toolset, words):
    assert words in DIALECTS["xml_tags"].block(toolset)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ('{"title":"a","n":[1, 2]}', "<note>\n<title>a</title>\n<n>[1, 2]</n>\n</note>"),
        ('{"body":"a\\nb"}', "<note>\n<body>\na\nb\n</body>\n</note>"),
        ('{"body":"a</body>b"}', "<note>\n<body><![CDATA[a</body>b]]></body>\n</note>"),
        ("{}", "<note></note>"),
        ("[1", "<note>[1</note>"),
    ],
)
def test_a_past_call_is_written_as_the_model_would(arguments, text):
    assert DIALECTS["xml_tags"].call_text(PastCall("note", arguments)) == text


def test_a_string_that_looks_like_something_else_is_marked_where_the_schema_leaves_it_open():
    free = tool("f", p={})
    text = DIALECTS["xml_tags"].call_text(PastCall("f", '{"p":"12"}', free))

    assert calls_of(run("xml_tags", Toolset((free,)), [text])) == [("f", '{"p":"12"}')]


def test_a_result_says_which_call_it_answers():
    say = DIALECTS["xml_tags"].result_text

    assert say(PastResult("f", 2, 3, "42")) == "Result of tool f (call 2 of 3):\n42"
    assert say(PastResult("f", 1, 1, " \n")) == "Result of tool f (call 1 of 1):\n(no output)"
    assert say(PastResult(None, 1, 1, "42")) == "Result of a tool:\n42"
