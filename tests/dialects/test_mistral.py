"""Dialect `mistral`: calls behind a marker, in the forms of all tokenizers; each example cut everywhere."""

import pytest

from proxy.dialects import DIALECTS, PastCall, Toolset
from tests.dialects.examples import leaves, same
from tests.dialects.worlds import TOOLSET, calls_of, finish_of, run, text_of, tool

NOW = ("now", "{}")

CALLS = [
    ("[TOOL_CALLS]now{}", [NOW]),
    ("[TOOL_CALLS]now[ARGS]{}", [NOW]),
    (
        'Ok.[TOOL_CALLS]pick[CALL_ID]abc123DEF[ARGS]{"n": 3}[TOOL_CALLS]now{} so',
        ["Ok.", ("pick", '{"n": 3}'), NOW, "so"],
    ),
    ("[TOOL_CALLS] now {}", [NOW]),
    ('[TOOL_CALLS] [{"name": "now", "arguments": {}, "id": "abc123DEF"}]', [NOW]),
    (
        '[TOOL_CALLS][{"name":"now","arguments":{}},⏎{"name":"pick","arguments":{"n":1}}]⏎x',
        [NOW, ("pick", '{"n":1}'), "x"],
    ),
    ('[TOOL_CALLS][{"name":"now"},{"name":"rm"}]', [NOW, ',{"name":"rm"}]']),
    ("```⏎[TOOL_CALLS]now{}⏎```", [NOW]),
]

TEXTS = [
    "[TOOL_CALLS]other{}",
    "[TOOL_CALLS]nowhere{}",
    "[TOOL_CALLS]now()",
    "[TOOL_CALLS][]",
    "[TOOL_CALLS",
    "[1] and [TOOL] and [TOOL_CALLS] it is",
    "`[TOOL_CALLS]now{}`",
    "See:⏎```⏎[TOOL_CALLS]now{}⏎```",
]


@pytest.mark.parametrize("example", CALLS, ids=lambda example: example[0][:50])
def test_a_call_is_found(example):
    same("mistral", TOOLSET, example)


@pytest.mark.parametrize("raw", TEXTS)
def test_text_stays_text(raw):
    same("mistral", TOOLSET, (raw, [raw]))


@pytest.mark.parametrize("raw", [raw for raw, _ in CALLS])
def test_without_tools_everything_is_text(raw):
    same("mistral", Toolset(), (raw, [raw]))


def test_the_longest_name_is_meant():
    tools = Toolset((tool("look"), tool("look up"), tool("look-up")))

    same("mistral", tools, ("[TOOL_CALLS]look-up{}[TOOL_CALLS]look{}", [("look-up", "{}"), ("look", "{}")]))


def test_a_call_that_is_cut_has_no_end():
    events = run("mistral", TOOLSET, ['[TOOL_CALLS]pick{"n":3'], "stop")

    assert calls_of(events) == [("pick", '{"n":3')]
    assert finish_of(events) == "length"


def test_no_more_is_held_than_may_become_a_call():
    assert leaves("mistral", TOOLSET, "a [TOOL") == "a"
    assert leaves("mistral", TOOLSET, "a [tool") == "a [tool"


def test_the_example_in_the_block_is_no_call():
    tools = Toolset((tool("TOOL", PARAMETER="string"),))
    block = DIALECTS["mistral"].block(tools)

    assert text_of(run("mistral", tools, [block])) == block


def test_a_past_call_is_written_as_the_model_would():
    assert DIALECTS["mistral"].call_text(PastCall("f", '{"n":1}')) == '[TOOL_CALLS]f[ARGS]{"n":1}'
