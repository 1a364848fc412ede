"""Texts that hold no call, though they hold what calls are made of: code, data, logs, markup, talk about tools.

Many use words that are names of declared tools.  `texts` tells each of them in several settings.
"""

from collections.abc import Iterator

from proxy.dialects import Toolset
from tests.dialects.worlds import tool

TOOLS = Toolset(
    (
        tool("search", query="string", limit="integer"),
        tool("note", title="string", body="string"),
        tool("run", command="string"),
        tool("table", rows="array"),
        tool("now"),
    )
)

PROSE = (
    "It was five o'clock when the rain stopped; nobody had expected that.",
    "I would note that the search has to run now, before the table is set.",
    "Call me when you arrive (the name on the bell is 'Ping & Sons').",
    "1. First, note the title.\n2. Then run.\n3. Now rest.\n\n- a\n- b\n  - c",
    'She said: "I don\'t know {yet}." [1] And then: "now or never" [2, 3].',
    'The 5" disk costs < 20 € & weighs > 3 kg; see §4 [note].',
    "Voilà. 今天天气很好。 Привет, мир! مرحبا 😀",
    "The field tool_call: name is used for that, and tool_calls for several.",
    "Use arguments = none, and name: note where you can.",
    "a <- b; c -> d; e <= f; g << 2; h <> i; <3",
    "Dear all,\n\n\tplease find enclosed {two} files.\n\nRegards,\n--\nN. N.",
    "If x < y then y > x. If not (x < y), then x >= y.",
)

CODE = {
    "python": 'def note(title):\n    """Make a note."""\n    return {"name": "note", "arguments": {"title": title}}',
    "json": '{"rows": [{"name": "note", "arguments": {"title": "a"}}], "next": null}',
    "js": 'const now = () => ({ name: "now", at: Date.now() });\nrun(`echo ${now().at}`);',
    "c": "#include <stdio.h>\nint run(void) { if (a < b && c > d) { return table[1][2]; } }",
    "cpp": "std::vector<note> notes{{1, 2}}; template <class search> struct run { int now[3]; };",
    "rust": "fn run<'a>(note: &'a str) -> Option<&'a str> { Some(note) } // <note>",
    "go": 'type Note struct { Name string `json:"name"`; Args map[string]any `json:"arguments"` }',
    "java": 'List<Map<String, Note>> notes = new ArrayList<>(); @Run(name = "now") class Search {}',
    "sh": 'run() { for f in "${files[@]}"; do [[ -f $f ]] && echo "{$f}"; done; }; now=$(date)',
    "sql": "SELECT note.title, now() FROM note JOIN search ON note.id = search.note_id WHERE a <> b;",
    "html": "<table><tr><td>note</td></tr></table><search>find</search><b>now</b><br/>",
    "xml": '<?xml version="1.0"?><notes><entry n="1"><heading>a</heading></entry><!-- <x> --></notes>',
    "css": "table { color: red; } a[href^='run'] { content: \"{\"; }",
    "yaml": "name: note\narguments:\n  title: a\n  body: |\n    tool: run\n",
    "toml": '[note]\nname = "note"\narguments = { title = "a" }\n',
    "lisp": "(defun run (note) (cond ((< note 1) '(now)) (t `(search ,@note))))",
    "haskell": "run :: Note -> [Int]\nrun n = [x | x <- [1..10], x < 5] ++ map (\\y -> y) [now n]",
    "tex": "\\begin{table}[h] $a < b$ \\note{now} {\\bf run} \\end{table}",
    "regex": r"^(?<note>[{\[]\w+[}\]])(?:<run>|`+)$",
    "diff": '--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n-{"name":"x"}\n+{"name":"y"}\n',
}

DATA = (
    '{"name": "Bob", "arguments": {"x": 1}}',
    '{"name":"note"}',
    '{"name":"note","title":"a","body":"b"}',
    '{"id":"7","type":"note","title":"a"}',
    '{"type":"function","function":{"name":"note","description":"Notes.","parameters":{"type":"object"}}}',
    '[{"name":"note","price":3},{"name":"run","price":4}]',
    '[["note","run"],[1,2],{"a":{"b":[]}}]',
    '{"tools":[{"name":"note","arguments":{}}],"tool_choice":"auto"}',
    '{"error":{"message":"no such tool: run","type":"x","param":null,"code":null}}',
    '{"messages":[{"role":"assistant","tool_calls":[{"id":"a","function":{"name":"run","arguments":"{}"}}]}]}',
    '{"a":"{\\"tool_call\\":{\\"name\\":\\"now\\"}}"}',
    "{'name': 'Alice', 'tags': ['now', None]}",
    "name,title\nnote,a\nrun,b\n",
    '{"result": {"tool_call": {"name": "now", "arguments": {}}}}',
    '{"log":"tool_call: name: now"}\n{"log":"<now></now>"}',
    "[note](https://example.org/run?name=now&x=<y>) ![search](a.png)",
)

LOGS = (
    "2026-01-02T03:04:05Z INFO run name=note arguments={} took=3ms",
    'time=1 level=warn msg="tool_call failed" tool=note err="<nil>"',
    "[12:00:01] <note> hello everyone\n[12:00:05] <run> hi, now?",
    "Traceback (most recent call last):\n  File \"<stdin>\", line 1, in <module>\nKeyError: 'now'",
    '127.0.0.1 - - [01/Jan/2026:00:00:00 +0000] "GET /search?q={now} HTTP/1.1" 200 3',
    "warning: unused variable: `note`\n --> src/run.rs:3:9\n  |\n3 |     let note = 1;",
)

QUOTED = (
    '{"tool_call":{"name":"now","arguments":{}}}',
    '{"name":"run","arguments":{"command":"ls"}}',
    '<tool_call>{"name":"now","arguments":{}}</tool_call>',
    '<use_tool name="now"></use_tool>',
    "<use_tool name='run'><command>ls</command></use_tool>",
    "<now></now>",
    "<note><title>a</title></note>",
    "<function=now></function>",
    "<tool_call><function=run><parameter=command>ls</parameter></function></tool_call>",
    "tool_call: (name: now)",
    '[TOOL_CALLS][{"name":"now","arguments":{}}]',
)
"""Calls as they are shown to a reader: in inline code, or in a fence with a language."""


def texts() -> Iterator[str]:
    """Every text, at least three hundred."""
    for text in (*PROSE, *LOGS):
        yield from (text, f"> {text}", f"So:\n\n{text}\n\nThat is all.", text.upper())
    for language, code in CODE.items():
        if language not in ("json", "html", "xml"):
            yield f"Like this:\n```\n{code}\n```\nand so on."
        yield from (f"```{language}x\n{code}\n```", f"~~~ {language} title\n{code}\n~~~\nDone.", f"Code: {code}")
        yield from (
            f"1. a\n   ```{language}-session\n   {code}\n   ```\n2. b",
            f"`{code.splitlines()[0].replace('`', ' ')}`",
        )
    for data in DATA:
        yield from (data, f"Here it is:\n{data}\nDone.", f"```python\nx = {data}\n```", f"The value {data} was found.")
    for call in QUOTED:
        yield from (f"Write `{call}` for that.", f"``{call}`` or ` {call} `", f"```text-example\n{call}\n```\nis how.")
        yield from (f"Then:\n\n~~~python\nsay('''{call}''')\n~~~\n", f"- `{call}`: now\n- `{call}`: later")
