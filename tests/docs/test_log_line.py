"""The fields of the log line that docs/operations.md lists are those that requests have, and each when it says."""

import re
from typing import Any

import pytest

from proxy.errors import UnknownUrl
from proxy.observe import request_line
from proxy.testing.play import Play
from proxy.testing.script import Upstream
from tests.docs.pages import DOCS, text

DOCUMENTED = dict(
    re.findall(
        r"^\| `(\w+)` \| ([\w ]+) \| .* \|$", text(DOCS / "operations.md").partition("## The log")[2], re.MULTILINE
    )
)
HELLO = Upstream.answers("Hello.")
WALKS: dict[str, tuple[tuple[Upstream, ...], dict[str, Any]]] = {
    "whole": ((HELLO,), {}),
    "body not valid": ((HELLO,), {"raw": b"{"}),
    "key not valid": ((HELLO,), {"auth": {"mode": "keys", "keys": [{"name": "one", "key": "sk-one"}]}}),
    "no candidate": ((HELLO,), {"model": {"max_input_tokens": 1}}),
    "no answer": ((Upstream.fails(400),), {}),
    "cut": ((Upstream.answers("Hel").then_breaks(),), {}),
    "ended": ((Upstream.calls("f").then_calls("g"),), {"model": {"stop_after_tools": "first"}}),
    "bug": ((Upstream.fails(RuntimeError()),), {}),
    "fallback": ((Upstream.fails(500),), {"fallbacks": [HELLO]}),
    "resumed": (
        (Upstream.answers("Hel").then_breaks(),),
        {"fallbacks": [Upstream.answers("Hello.")], "model": {"resume": True}},
    ),
}
WHEN = {
    "always": {*WALKS, "no walk"},
    "a walk": {*WALKS},
    "a failure": {"body not valid", "key not valid", "no candidate", "no answer", "cut", "bug"},
    "the body was valid": {*WALKS} - {"body not valid"},
    "the key was valid": {*WALKS} - {"body not valid", "key not valid"},
    "candidates were chosen": {*WALKS} - {"body not valid", "key not valid"},
    "the conversation was found": {*WALKS} - {"body not valid", "key not valid"},
    "a call was made": {*WALKS} - {"body not valid", "key not valid", "no candidate"},
    "several calls were made": {"fallback", "resumed"},
    "an answer went on after a cut": {"resumed"},
    "we ended the answer": {"ended"},
    "something was answered": {"whole", "ended", "cut", "fallback", "resumed"},
    "the answer was whole": {"whole", "ended", "fallback", "resumed"},
}
"""The words of the table, and the requests of which they are true."""


@pytest.fixture
async def lines(play: Play, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
    """The line of each request, and of one that was refused before its walk."""
    told: list[dict[str, Any]] = []

    class Log:
        def info(self, event: str, **fields: Any) -> None:
            assert event == "request.completed"
            told.append(fields)

    monkeypatch.setattr(request_line, "log", Log())
    for scripts, options in WALKS.values():
        request_line.log_request((await play(*scripts, **options)).exchange)
    request_line.log_refusal("curl/8", "req_1", UnknownUrl())
    return dict(zip([*WALKS, "no walk"], told, strict=True))


async def test_the_documented_fields_are_those_of_the_line(lines: dict[str, dict[str, Any]]) -> None:
    assert set(DOCUMENTED) == {field for line in lines.values() for field in line}


async def test_each_field_is_there_when_the_page_says_so(lines: dict[str, dict[str, Any]]) -> None:
    """Whoever filters by a field must know of which requests that leaves out the rest."""
    for field, when in DOCUMENTED.items():
        found = {name for name, line in lines.items() if field in line}
        match when:
            case "some failures":
                assert set() < found < WHEN["a failure"], field
            case "a failure":
                assert found - {"no walk"} == WHEN[when], field
            case _:
                assert found == WHEN[when], field
