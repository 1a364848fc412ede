"""Dialect `use_tool`: blocks, what breaks them, and how calls are written; each example cut everywhere."""

import pytest

from proxy.dialects import DIALECTS, DialectOptions, PastCall, PastResult, Toolset
from tests.dialects.examples import leaves, same, told
from tests.dialects.worlds import run, text_of, tool

TOOLS = Toolset(
    (
        tool("find_note", query="string", limit="integer", tags="array"),
        tool("save", path="string", body="string"),
        tool("ping"),
    )
)
PING = ("ping", "{}")
BLOCK = '<use_tool name="ping"></use_tool>'

CALLS = [
    (
        '<use_tool name="find_note"><query>tea</query><limit>3</limit></use_tool>',
        [("find_note", '{"query":"tea","limit":3}')],
    ),
    ("<use_tool>⏎  <name>ping</name>⏎</use_tool >", [PING]),
    ("<use_tool name='ping'/>", [PING]),
    (
        '<use_tool name="save">{"path":"a.md","body":"</use_tool>"}</use_tool>',
        [("save", '{"path":"a.md","body":"</use_tool>"}')],
    ),
    ('<use_tool>{"name":"find_note","arguments":{"query":"x"}}</use_tool>', [("find_note", '{"query":"x"}')]),
    ('<use_tool name="find_note"><args>{"query":"q"}</args></use_tool>', [("find_note", '{"query":"q"}')]),
    (
        '<use_tool name="save"><path>a.md</path><body>⏎  x &lt; y⏎</body></use_tool>',
        [("save", '{"path":"a.md","body":"  x < y"}')],
    ),
    (
        '<use_tool name="save"><body><![CDATA[<b>&amp;</use_tool>]]></body></use_tool>',
        [("save", '{"body":"<b>&amp;</use_tool>"}')],
    ),
    (
        '<use_tool name="find_note"><tags>red</tags><tags>blue</tags></use_tool>',
        [("find_note", '{"tags":["red","blue"]}')],
    ),
    ('<use_tool name="find_note"><limit>many</limit></use_tool>', [("find_note", '{"limit":"many"}')]),
    ('Look <use_tool name="ping"/> ok', ["Look", PING, "ok"]),
    ('<use_tool name="ping"> <use_tool name="ping"></use_tool>', ['<use_tool name="ping">', PING]),
    (
        '<use_tool name="rm"><x><use_tool name="ping"/></x></use_tool>',
        ['<use_tool name="rm"><x>', PING, "</x></use_tool>"],
    ),
    # beyond the table
    (f"{BLOCK}⏎{BLOCK}", [PING, PING]),
    (f"ha ha⏎⏎⏎{BLOCK}<", ["ha ha", PING, "<"]),
    ('<use_tool name="save"><name>x</name></use_tool>', [("save", '{"name":"x"}')]),
    ('<use_tool>{"name":"find_note","query":"x","limit":3}</use_tool>', [("find_note", '{"query":"x","limit":3}')]),
    ('<use_tool name="save"><body>&amp;lt; &nbsp; &#65;</body></use_tool>', [("save", '{"body":"&lt; &nbsp; &#65;"}')]),
    ('<use_tool name="save"><body>007</body></use_tool>', [("save", '{"body":"007"}')]),
    (
        '<use_tool name="save"><body>a <b>c</b> <use_tools></body></use_tool>',
        [("save", '{"body":"a <b>c</b> <use_tools>"}')],
    ),
    ('<use_tool name="find_note"><tags>["a", 1]</tags></use_tool>', [("find_note", '{"tags":["a", 1]}')]),
    ("```xml⏎" + BLOCK + "⏎```", [PING]),
]

TEXTS = [
    '<use_toolbox name="ping"/>',
    '<USE_TOOL name="ping"/>',
    "The <use_tool tag",
    '<use_tool name="rm"><x><![CDATA[<use_tool name="ping"/>]]></x></use_tool>',
    "<use_tool><query>tea</query></use_tool>",
    '<use_tool name="ping">hello</use_tool>',
    '<use_tool name="find_note"><query>tea</use_tool>',
    '<use_tool id="7" name="ping"/>',
    '<use_tool name="find_note"><query>a</query><query>b</query></use_tool>',
    '<use_tool name="save"><body>a</body> b</body></use_tool>',
    "a < b <",
    '<use_tool name="save"><path>a',
    # beyond the table
    "<use_tool/>",
    '<use_tool name="save">{"path":}</use_tool>',
    '<use_tool name="save">[1]</use_tool>',
    f"`{BLOCK}`",
    f"Look:⏎```⏎{BLOCK}⏎```",
    f"```xml⏎{BLOCK}⏎```⏎That is how.",
    '<use_tool name="' + "x" * 1100 + '"/>',
    '<use_tool name="save"><body><![CDATA[a</body></use_tool>',
]


@pytest.mark.parametrize("example", CALLS, ids=lambda example: example[0][:60])
def test_every_block_is_read_wherever_it_is_cut(example):
    same("use_tool", TOOLS, example)


@pytest.mark.parametrize("raw", TEXTS, ids=lambda raw: raw[:60])
def test_what_breaks_a_rule_is_text_byte_for_byte(raw):
    same("use_tool", TOOLS, (raw, [raw]))


@pytest.mark.parametrize("raw", [raw for raw, _ in CALLS] + TEXTS, ids=lambda raw: raw[:60])
def test_without_tools_everything_is_text(raw):
    assert text_of(run("use_tool", Toolset(), raw)) == raw


@pytest.mark.parametrize("finish", ["length", "content_filter", "stop"])
def test_a_block_that_does_not_end_is_text(finish):
    raw = '<use_tool name="save"><path>a</path>'

    assert told("use_tool", TOOLS, raw, finish) == [raw]


@pytest.mark.parametrize(
    ("raw", "left"),
    [
        ("The <use_tool t", "The <use_tool t"),
        ("The <use_tool n", "The"),
        ("a <use_toolb", "a <use_toolb"),
        ("a <", "a"),
        ("a <b", "a <b"),
        ('<use_tool name="p', ""),
    ],
)
def test_what_can_be_no_block_leaves_at_once(raw, left):
    assert leaves("use_tool", TOOLS, raw) == left


def test_a_block_that_grows_too_long_gives_back_that_much():
    long = '<use_tool name="save"><body>' + "x" * 100
    same("use_tool", TOOLS, (long + BLOCK, [long, PING]), options=DialectOptions(max_call_bytes=64))


def test_entities_may_be_left_alone():
    raw = '<use_tool name="save"><body>&lt;</body></use_tool>'
    same("use_tool", TOOLS, (raw, [("save", '{"body":"&lt;"}')]), options=DialectOptions(entities="raw"))


@pytest.mark.parametrize(
    ("arguments", "body"),
    [
        ('{"path":"a.md","body":"x < y"}', "<path>a.md</path>\n<body>x &lt; y</body>\n"),
        ('{"body":"one\\ntwo"}', "<body>\none\ntwo\n</body>\n"),
        ('{"body":"one\\n"}', "<body>\none\n\n</body>\n"),
        ("{}", ""),
        ('{"a b":1}', '{"a b":1}\n'),
        ('{"body":7}', '{"body":7}\n'),
        ("[1]", "[1]\n"),
        ("half", "half\n"),
    ],
)
def test_a_past_call_is_elements_where_that_is_read_back_as_the_same(arguments, body):
    """Numbers where text is declared, and keys that are no tags, go as JSON."""
    call = PastCall("save", arguments, TOOLS.tools[1])

    assert DIALECTS["use_tool"].call_text(call) == f'<use_tool name="save">\n{body}</use_tool>'


def test_a_result_is_an_element_of_its_own():
    say = DIALECTS["use_tool"].result_text

    assert say(PastResult("ping", 1, 1, "a < b")) == '<tool_result name="ping">\na &lt; b\n</tool_result>'
    assert say(PastResult(None, 1, 1, "")) == "<tool_result>\n(no output)\n</tool_result>"


def test_the_block_shows_every_tool_whole_and_calls_none():
    block = DIALECTS["use_tool"].block(TOOLS)

    assert '{"name":"ping","description":"Does ping.","parameters":{"type":"object","properties":{}}}' in block
    assert text_of(run("use_tool", TOOLS, [block])) == block
