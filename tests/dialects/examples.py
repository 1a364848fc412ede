"""How a table of examples is told: ⏎ stands for a line end; what is found is told as texts and calls, in order."""

from typing import Any

from proxy.dialects import DIALECTS, DialectOptions, Toolset
from tests.dialects.worlds import merged, run

Example = tuple[str, list[Any]]
"""A model's text, and what it is: a text, or a call as its name and its arguments as they are written."""

NL = "⏎"


def text(raw: str) -> str:
    return raw.replace(NL, "\n")


def told(
    dialect: str, toolset: Toolset, raw: str, finish: str = "stop", options: DialectOptions | None = None
) -> list[Any]:
    """What *raw* is, the same for every way to cut it in two, for single characters, and for bytes of the text."""
    whole = text(raw)
    found = merged(run(dialect, toolset, [whole], finish, options))
    for at in range(len(whole) + 1):
        assert merged(run(dialect, toolset, [whole[:at], whole[at:]], finish, options)) == found, whole[:at]
    assert merged(run(dialect, toolset, whole, finish, options)) == found
    return [shown(each) for each in found if each[0] != "finish"]


def shown(found: tuple[Any, ...]) -> Any:
    match found:
        case ("text", told_text):
            return told_text
        case ("call", _index, name, arguments):
            return (name, arguments)
        case _:
            return found


def same(dialect: str, toolset: Toolset, example: Example, **options: Any) -> None:
    raw, expected = example
    assert told(dialect, toolset, raw, **options) == [
        text(each) if isinstance(each, str) else each for each in expected
    ]


def leaves(dialect: str, toolset: Toolset, raw: str) -> str:
    """What has left by the time *raw* has come."""
    from proxy.wire.events import TextDelta

    decoder = DIALECTS[dialect].decoder(toolset, DialectOptions())
    return "".join(e.text for e in decoder.feed([TextDelta(text(raw))]) if isinstance(e, TextDelta))
