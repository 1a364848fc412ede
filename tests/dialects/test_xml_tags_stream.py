"""Dialect `xml_tags`: how an answer ends, what leaves when, and what its tools and calls are told as."""

import json

import pytest

from proxy.dialects import DIALECTS, DialectOptions, PastCall, PastResult, Tool, Toolset
from proxy.wire.events import TextDelta, ToolCallDelta
from tests.dialects.examples import leaves, same
from tests.dialects.worlds import TOOLSET, calls_of, finish_of, merged, run, text_of, tool

NOW = ("now", "{}")

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
            '- tree (any, optional): JSON schema {"type":"object","properties":{"next":{"$ref":"#/$defs/node"}},'
            '"$defs":{"day":{"enum":["mon","tue"]},"node":{"type":"object","properties":{"next":{"$ref":"#/$defs/node"}}}}}'
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
