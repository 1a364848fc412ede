"""Dialect `xml_tags`: where values end, how they are typed, what leaves when; each example cut everywhere."""

import json

import pytest

from proxy.dialects import DialectOptions, Toolset
from tests.dialects.examples import same
from tests.dialects.worlds import TOOLSET, calls_of, run, tool

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
