"""Dialects `deepseek`, `kimi` and `glm`, whose calls stand between markers; each example cut everywhere."""

import pytest

from proxy.dialects import DIALECTS, PastCall, PastResult, Toolset
from proxy.dialects.deepseek import CALL, CALL_END, CALLS, CALLS_END, SEPARATOR
from tests.dialects.examples import same
from tests.dialects.worlds import TOOLSET, calls_of, finish_of, run, text_of, tool

NOW = ("now", "{}")
PICK = ("pick", '{"n":1}')

SECTION, SECTION_END = "<|tool_calls_section_begin|>", "<|tool_calls_section_end|>"
KIMI_NOW = "<|tool_call_begin|>functions.now:0<|tool_call_argument_begin|>{}<|tool_call_end|>"
KIMI_PICK = '<|tool_call_begin|> functions.pick:1 <|tool_call_argument_begin|> {"n":1} <|tool_call_end|>'
DEEPSEEK_NOW = f"{CALL}now{SEPARATOR}{{}}{CALL_END}"
R1_PICK = f'{CALL}function{SEPARATOR}pick⏎```json⏎{{"n":1}}⏎```{CALL_END}'

EXAMPLES = [
    ("deepseek", f"Ok.{CALLS}{DEEPSEEK_NOW}{DEEPSEEK_NOW}{CALLS_END} so", ["Ok.", NOW, NOW, "so"]),
    ("deepseek", f"{CALLS}{R1_PICK}⏎{R1_PICK}{CALLS_END}", [PICK, PICK]),
    ("deepseek", f"{DEEPSEEK_NOW}", [NOW]),
    ("deepseek", f"{CALLS}{CALL}other{SEPARATOR}{{}}{CALL_END}{CALLS_END}", None),
    ("deepseek", f"{CALLS}{CALL}function{SEPARATOR}now{{}}", None),
    ("deepseek", f"{CALLS} and `{DEEPSEEK_NOW}`", None),
    ("kimi", f"Ok. {SECTION}{KIMI_NOW}{KIMI_PICK}{SECTION_END} so", ["Ok.", NOW, PICK, "so"]),
    ("kimi", f"{SECTION}<|tool_call_begin|>now:12<|tool_call_argument_begin|>{{}}", [NOW]),
    ("kimi", f"{SECTION}{KIMI_NOW.replace('now', 'other')}{SECTION_END}", None),
    ("kimi", f"{SECTION}<|tool_call_begin|>functions.now<|tool_call_argument_begin|>{{}}", None),
    (
        "glm",
        (
            "Ok.⏎<tool_call>note⏎<arg_key>title</arg_key>⏎<arg_value>007</arg_value>⏎<arg_key>body</arg_key>⏎"
            "<arg_value>⏎a⏎</arg_value>⏎</tool_call>⏎so"
        ),
        ["Ok.", ("note", '{"title":"007","body":"a"}'), "so"],
    ),
    (
        "glm",
        (
            "<tool_call>pick<arg_key>n</arg_key><arg_value>3</arg_value><arg_key>ids</arg_key><arg_value>[1]</arg_value>"
            "</tool_call><tool_call>now</tool_call>"
        ),
        [("pick", '{"n":3,"ids":[1]}'), NOW],
    ),
    (
        "glm",
        "<tool_call>note<arg_key>body</arg_key><arg_value>a</arg_value> b <arg_key>c</arg_key></arg_value></tool_call>",
        [("note", '{"body":"a</arg_value> b <arg_key>c</arg_key>"}')],
    ),
    (
        "glm",
        (
            "<tool_call>note⏎<arg_key>title</arg_key><arg_value>a</arg_value><arg_key>kind</arg_key>"
            "<arg_value>k</arg_value><arg_key>body</arg_key><arg_value>b</arg_value></tool_call>"
        ),
        [("note", '{"title":"a","kind":"k","body":"b"}')],
    ),
    ("glm", "<tool_call>other⏎</tool_call>", None),
    ("glm", "<tool_call>nowhere</tool_call> <tool_call>now and then", None),
    ("glm", "<tool_call>note⏎<arg_key>title</arg_value>", None),
    ("glm", '<tool_call>{"name":"now"}</tool_call>', None),
]


@pytest.mark.parametrize(("dialect", "raw", "expected"), EXAMPLES)
def test_a_call_is_found_or_is_text(dialect, raw, expected):
    same(dialect, TOOLSET, (raw, [raw] if expected is None else expected))


@pytest.mark.parametrize(("dialect", "raw"), [(dialect, raw) for dialect, raw, _ in EXAMPLES])
def test_without_tools_everything_is_text(dialect, raw):
    same(dialect, Toolset(), (raw, [raw]))


@pytest.mark.parametrize(
    ("dialect", "raw", "told"),
    [
        ("deepseek", f'{CALLS}{CALL}pick{SEPARATOR}{{"n":1', '{"n":1'),
        ("kimi", f'{SECTION}<|tool_call_begin|>functions.pick:0<|tool_call_argument_begin|>{{"n":1,', '{"n":1,'),
        ("glm", "<tool_call>note⏎<arg_key>title</arg_key>⏎<arg_value>a</arg_value>", '{"title":"a</arg_value>'),
    ],
)
def test_a_call_that_is_cut_has_no_end(dialect, raw, told):
    events = run(dialect, TOOLSET, [raw.replace("⏎", "\n")], "stop")

    assert [arguments for _, arguments in calls_of(events)] == [told]
    assert finish_of(events) == "length"


def test_a_tool_may_be_called_function():
    """Which in the form of V3 stands before every name."""
    tools = Toolset((tool("function"), tool("now")))
    raw = f"{CALL}function{SEPARATOR}{{}}{CALL_END}{CALL}function{SEPARATOR}now⏎```json⏎{{}}⏎```{CALL_END}"

    same("deepseek", tools, (raw, [("function", "{}"), NOW]))


def test_the_longest_name_is_meant():
    tools = Toolset((tool("a"), tool("a:b"), tool("functions.a")))
    raw = "".join(f"<|tool_call_begin|>functions.{name}:0<|tool_call_argument_begin|>{{}}" for name in ("a", "a:b"))

    same("kimi", tools, (raw, [("a", "{}"), ("a:b", "{}")]))


@pytest.mark.parametrize("dialect", ["deepseek", "kimi", "glm"])
def test_the_example_in_the_block_is_no_call(dialect):
    tools = Toolset((tool("TOOL", PARAMETER="string"),))
    block = DIALECTS[dialect].block(tools)

    assert text_of(run(dialect, tools, [block])) == block


def test_a_past_call_is_written_as_the_model_would():
    call = PastCall("f", '{"n":1}')

    assert DIALECTS["deepseek"].call_text(call) == f'{CALLS}{CALL}f{SEPARATOR}{{"n":1}}{CALL_END}{CALLS_END}'
    assert DIALECTS["kimi"].call_text(call) == (
        f'{SECTION}<|tool_call_begin|>functions.f:0<|tool_call_argument_begin|>{{"n":1}}<|tool_call_end|>{SECTION_END}'
    )
    assert DIALECTS["glm"].call_text(call) == (
        "<tool_call>f\n<arg_key>n</arg_key>\n<arg_value>1</arg_value>\n</tool_call>"
    )
    assert DIALECTS["glm"].call_text(PastCall("f", "[1")) == "<tool_call>f\n[1\n</tool_call>"


def test_a_result_is_told():
    result = PastResult("f", 1, 2, "42")

    assert DIALECTS["deepseek"].result_text(result).count("42") == 1
    assert DIALECTS["kimi"].result_text(result) == "Result of tool f (call 1 of 2):\n42"
    assert DIALECTS["glm"].result_text(result) == "<tool_response>\n42\n</tool_response>"
