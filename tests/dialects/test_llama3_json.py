"""Dialect `llama3_json`: bare JSON at the beginning of a line; each example cut everywhere."""

import pytest

from proxy.dialects import DIALECTS, PastCall, Toolset
from tests.dialects.examples import leaves, same
from tests.dialects.worlds import TOOLSET, calls_of, finish_of, run, text_of, tool

NOW = ("now", "{}")

CALLS = [
    ('{"name": "now", "parameters": {}}', [NOW]),
    ('<|python_tag|>{"name": "pick", "parameters": {"n": 3}}', [("pick", '{"n": 3}')]),
    (
        '{"name":"now","parameters":{}}; {"name":"now","parameters":{}};⏎{"name":"now","parameters":null} ; so',
        [NOW, NOW, NOW, "; so"],
    ),
    ('{"type": "function", "function": "pick", "parameters": {"n": "3"}}', [("pick", '{"n": "3"}')]),
    ('{"type": "function", "name": "now", "parameters": {}}', [NOW]),
    ('So:⏎  { "name": "now", "arguments": {} }⏎ok', ["So:", NOW, "ok"]),
    ('{"name":"now","arguments":{}}⏎{"name":"now","arguments":{}}', [NOW, NOW]),
    ('{"name":"now","arguments":{}}; {"name":"now"}', [NOW, '; {"name":"now"}']),
    ('```json⏎{"name":"now","parameters":{}}⏎```', [NOW]),
    (
        '<|python_tag|>{"name":"now","parameters":{}} <|python_tag|>{"parameters":{},"name":"now"}',
        [NOW, '<|python_tag|>{"parameters":{},"name":"now"}'],
    ),
]

TEXTS = [
    'Write {"name": "now", "parameters": {}} for it.',
    '{"name": "Bob", "age": 3}',
    '{"rows": [{"name": "now"}]}',
    '{"parameters": {}, "name": "now"}',
    '{"name": "now"}',
    '{"name": "note", "title": "a"}',
    '{"name": "other", "parameters": {}}',
    "<|python_tag|>print(1)",
    "{⏎{{⏎ {}",
    'See:⏎```json⏎{"name":"now","parameters":{}}⏎```',
    '`{"name": "now"}`',
]


@pytest.mark.parametrize("example", CALLS, ids=lambda example: example[0][:50])
def test_a_call_is_found(example):
    same("llama3_json", TOOLSET, example)


@pytest.mark.parametrize("raw", TEXTS)
def test_text_stays_text(raw):
    same("llama3_json", TOOLSET, (raw, [raw]))


@pytest.mark.parametrize("raw", [raw for raw, _ in CALLS])
def test_without_tools_everything_is_text(raw):
    same("llama3_json", Toolset(), (raw, [raw]))


def test_an_ordinary_object_leaves_at_its_first_other_character():
    assert leaves("llama3_json", TOOLSET, '{"na') == ""
    assert leaves("llama3_json", TOOLSET, '{"nu') == '{"nu'


def test_a_call_that_is_cut_has_no_end():
    events = run("llama3_json", TOOLSET, ['{"name":"pick","parameters":{"n":3}'], "stop")

    assert calls_of(events) == [("pick", '{"n":3')]
    assert finish_of(events) == "length"


def test_the_example_in_the_block_is_no_call():
    tools = Toolset((tool("TOOL", PARAMETER="string"),))
    block = DIALECTS["llama3_json"].block(tools)

    assert text_of(run("llama3_json", tools, [block])) == block


def test_a_past_call_is_written_as_the_model_would():
    assert DIALECTS["llama3_json"].call_text(PastCall("f", '{"n":1}')) == '{"name":"f","parameters":{"n":1}}'
