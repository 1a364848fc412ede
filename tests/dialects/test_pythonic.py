"""Dialect `pythonic`: lists of function calls at the beginning of a line; each example cut everywhere."""

import pytest

from proxy.dialects import DIALECTS, PastCall, Toolset
from tests.dialects.examples import leaves, same
from tests.dialects.worlds import TOOLSET, calls_of, finish_of, run, text_of, tool

NOW = ("now", "{}")

CALLS = [
    ("[now()]", [NOW]),
    ("Ok:⏎[now(), pick(n=3, all=True)]⏎so", ["Ok:", NOW, ("pick", '{"n":3,"all":true}'), "so"]),
    ("<|python_start|>[now()]<|python_end|>", [NOW]),
    (
        "[pick(ids=[1, -2.5, (None, 'x',), {'a': False}, [],], n=1_000)]",
        [("pick", '{"ids":[1,-2.5,[null,"x"],{"a":false},[]],"n":1000}')],
    ),
    (
        "[note(title='it\\'s', body=\"a\\n\\x41\\u00e9 'b' \\d\")]",
        [("note", '{"title":"it\'s","body":"a\\nAé \'b\' \\\\d"}')],
    ),
    ("[note(title='''a \"b\" 'c'⏎d''', body='')]", [("note", '{"title":"a \\"b\\" \'c\'\\nd","body":""}')]),
    ("[note(title=7, body=')]')]", [("note", '{"title":"7","body":")]"}')]),
    ("[pick(n='3', ids='[1]')]", [("pick", '{"n":3,"ids":[1]}')]),
    ("[note(**{'title': 'x'})]", [("note", '{"title":"x"}')]),
    ("[now(), other()] x", [NOW, ", other()] x"]),
    ("[now(), now(", [NOW, ", now("]),
    ("```python⏎[now()]⏎```", [NOW]),
]

TEXTS = [
    "So [now()] in a line.",
    "now()",
    "[other()]",
    "[now]",
    "[1, 2] and [x](y)",
    "[- ] a list",
    "[pick(n=f())]",
    "[pick(3)]",
    "[pick(n=3, n=4)]",
    "[pick(n=+)]",
    "[pick(n=3",
    "[note(title=f'x')]",
    "[[[[[[",
    "`[now()]`",
    "See:⏎```⏎[now()]⏎```",
]


@pytest.mark.parametrize("example", CALLS, ids=lambda example: example[0][:50])
def test_a_call_is_found(example):
    same("pythonic", TOOLSET, example)


@pytest.mark.parametrize("raw", TEXTS)
def test_text_stays_text(raw):
    same("pythonic", TOOLSET, (raw, [raw]))


@pytest.mark.parametrize("raw", [raw for raw, _ in CALLS])
def test_without_tools_everything_is_text(raw):
    same("pythonic", Toolset(), (raw, [raw]))


def test_a_call_leaves_when_it_is_whole_or_never():
    for finish in ("stop", "length"):
        events = run("pythonic", TOOLSET, ["[now(), pick(n=3"], finish)
        assert (calls_of(events), text_of(events)) == ([NOW], ", pick(n=3")
        assert finish_of(events) == finish


def test_an_ordinary_list_leaves_at_its_first_other_character():
    assert leaves("pythonic", TOOLSET, "[no") == ""
    assert leaves("pythonic", TOOLSET, "[not ") == "[not"


def test_the_example_in_the_block_is_no_call():
    tools = Toolset((tool("TOOL", PARAMETER="string"),))
    block = DIALECTS["pythonic"].block(tools)

    assert text_of(run("pythonic", tools, [block])) == block


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ('{"a":true,"b":"true \\" null","c":[null]}', '[f(a=True, b="true \\" null", c=[None])]'),
        ('{"a b":1}', '[f(**{"a b":1})]'),
        ("{}", "[f()]"),
        ("[1", '[f("[1")]'),
    ],
)
def test_a_past_call_is_written_as_the_model_would(arguments, text):
    assert DIALECTS["pythonic"].call_text(PastCall("f", arguments)) == text
