"""Dialect `qwen_coder`: functions and parameters, also where models leave tags out; each example cut everywhere."""

import json

import pytest

from proxy.dialects import DIALECTS, DialectOptions, PastCall, PastResult, Toolset
from tests.dialects.examples import leaves, same
from tests.dialects.worlds import TOOLSET, calls_of, finish_of, run, text_of, tool

NOW = ("now", "{}")
CALL = "<tool_call>⏎<function=now>⏎</function>⏎</tool_call>"

CALLS = [
    ("<function=pick>⏎<parameter=n>⏎3⏎</parameter>⏎</function>", [("pick", '{"n":3}')]),
    (
        "<tool_call><function=note>⏎<parameter=title>⏎a⏎<parameter=body>⏎b⏎</function></tool_call>",
        [("note", '{"title":"a","body":"b"}')],
    ),
    (
        "<tool_call><function=note><parameter=body>⏎x⏎</parameter>⏎y⏎</parameter></function></tool_call>",
        [("note", '{"body":"x\\n</parameter>\\ny"}')],
    ),
    (
        (
            "<tool_call><function=note><parameter=body>a⏎<tool_call>⏎<function=other>⏎<parameter=title>⏎q⏎</parameter>⏎"
            "</function>⏎</tool_call>⏎b</parameter></function></tool_call>"
        ),
        [
            (
                "note",
                (
                    '{"body":"a\\n<tool_call>\\n<function=other>\\n<parameter=title>\\nq\\n</parameter>\\n</function>\\n'
                    '</tool_call>\\nb"}'
                ),
            )
        ],
    ),
    # beyond the table
    (CALL, [NOW]),
    (f"{CALL}⏎{CALL}", [NOW, NOW]),
    (f"Well.⏎{CALL} so", ["Well.", NOW, "so"]),
    ("<tool_call><function=now></function> so", [NOW, "so"]),
    ("Well: <tool_call><function=now></function></tool_call></tool_call>", ["Well:", NOW, "</tool_call>"]),
    (
        (
            "<tool_call><function=note><parameter=title>t</parameter><parameter=lines>1</parameter>"
            "<parameter=body>b</parameter></function></tool_call>"
        ),
        [("note", '{"title":"t","lines":"1","body":"b"}')],
    ),
    ("<tool_call><function=note>⏎<parameter=kind>k</parameter></function>", [("note", '{"kind":"k"}')]),
    (
        "<tool_call><function=pick><parameter=ids>1</parameter><parameter=ids>2</parameter></function></tool_call>",
        [("pick", '{"ids":[1,2]}')],
    ),
    (
        "<tool_call><function=note><parameter=title>⏎<parameter=body>⏎b⏎</parameter></function></tool_call>",
        [("note", '{"title":"","body":"b"}')],
    ),
    (
        "<tool_call><function=note><parameter=title>a <parameter=body> b</parameter></function></tool_call>",
        [("note", '{"title":"a <parameter=body> b"}')],
    ),
    (
        "<tool_call><function=note><parameter=body><![CDATA[a</parameter></function>]]></parameter></function>",
        [("note", '{"body":"a</parameter></function>"}')],
    ),
    (f"```xml⏎{CALL}⏎```", [NOW]),
    ("<tool_call><function=note><parameter=title>a</function>⏎</tool_call>", [("note", '{"title":"a"}')]),
    (
        "<tool_call><function=note><parameter=title>the <function=x> tag</parameter></function></tool_call>⏎x",
        [("note", '{"title":"the <function=x> tag"}'), "x"],
    ),
]

TEXTS = [
    "<tool_call><function=other></function></tool_call>",
    "Write <function=now></function> in a line.",
    f"See:⏎```⏎{CALL}⏎```⏎so",
    "`<tool_call><function=now></function></tool_call>`",
    "<tool_call>⏎<function=now>⏎and more",
    "<tool_call>{}</tool_call> <function=Now></function> <parameter=title>x</parameter> </function>",
    "<tool_call><function=note><parameter=></parameter></function>",
    "<tool_call",
]


@pytest.mark.parametrize("example", CALLS, ids=lambda example: example[0][:40])
def test_a_call_is_found(example):
    same("qwen_coder", TOOLSET, example)


@pytest.mark.parametrize("raw", TEXTS)
def test_text_stays_text(raw):
    same("qwen_coder", TOOLSET, (raw, [raw]))


@pytest.mark.parametrize("raw", [raw for raw, _ in CALLS])
def test_without_tools_everything_is_text(raw):
    same("qwen_coder", Toolset(), (raw, [raw]))


@pytest.mark.parametrize(
    "raw",
    [
        "<tool_call><function=note><parameter=title>a",
        "<tool_call><function=note><parameter=title>a</parameter>",
        "<tool_call><function=note><parameter=title>a</parameter> b",
        "<tool_call><function=note><parameter=title>a</function> b",
        "<tool_call><function=pick><parameter=ids>[1",
    ],
)
def test_half_a_call_is_never_told_as_finished(raw):
    for pieces in ([raw], list(raw)):
        events = run("qwen_coder", TOOLSET, pieces, "stop")
        [(_, arguments)] = calls_of(events)
        with pytest.raises(ValueError, match=r".*"):
            json.loads(arguments)
        assert finish_of(events) == "length"


@pytest.mark.parametrize(
    ("raw", "left"), [("Now <b", "Now <b"), ("Now <tool_", "Now"), ("a <function=", "a <function="), ("⏎<functi", "")]
)
def test_no_more_is_held_than_may_become_a_call(raw, left):
    assert leaves("qwen_coder", TOOLSET, raw) == left


def test_reasoning_is_told_apart_where_configured():
    options = DialectOptions(reasoning_tags=True)
    same(
        "qwen_coder",
        TOOLSET,
        (f"<think>{CALL}</think>{CALL}", [("reasoning", CALL.replace("⏎", "\n")), NOW]),
        options=options,
    )


def test_the_block_holds_the_whole_signatures():
    block = DIALECTS["qwen_coder"].block(TOOLSET)

    assert (
        '{"type":"function","function":{"name":"note","description":"Does note.","parameters":{"type":"object",'
        '"properties":{"title":{"type":"string"},"body":{"type":"string"}}}}}'
    ) in block.splitlines()
    assert "<function=TOOL>\n<parameter=PARAMETER>\nvalue\n</parameter>\n</function>" in block


def test_the_example_in_the_block_is_no_call():
    tools = Toolset((tool("TOOL", PARAMETER="string"),))
    block = DIALECTS["qwen_coder"].block(tools)

    assert text_of(run("qwen_coder", tools, [block])) == block


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            '{"title":"a","body":"b\\nc"}',
            (
                "<tool_call>\n<function=note>\n<parameter=title>a</parameter>\n<parameter=body>\nb\nc\n</parameter>\n"
                "</function>\n</tool_call>"
            ),
        ),
        ("{}", "<tool_call>\n<function=note>\n</function>\n</tool_call>"),
        ("[1", "<tool_call>\n<function=note>\n[1\n</function>\n</tool_call>"),
    ],
)
def test_a_past_call_is_written_as_the_model_would(arguments, text):
    assert DIALECTS["qwen_coder"].call_text(PastCall("note", arguments)) == text


def test_a_result_stands_in_its_tag():
    say = DIALECTS["qwen_coder"].result_text

    assert say(PastResult("f", 1, 2, "42")) == "<tool_response>\n42\n</tool_response>"
    assert say(PastResult(None, 1, 1, "")) == "<tool_response>\n(no output)\n</tool_response>"
