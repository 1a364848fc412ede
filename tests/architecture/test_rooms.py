"""A file is one room, a function is read at one glance, and some things are done in one place only."""

import ast
import re
from collections.abc import Iterator
from typing import get_args

import pytest

import proxy.wire.events
from proxy.wire.events import Extras, StreamEvent
from tests.architecture.source import CODE, FILES, HARNESS, TESTS, comments, functions, nodes, place, text

LONGEST_FILE_LINES = 300
LONGEST_FUNCTION_LINES = 40
LONGEST_TEST_FILE_LINES = 350  # cases are told one by one, and a conversation is as long as it is

LONGER = {
    "proxy/testing/malformed/bodies.py::rich_body": "one literal: a request that has every field",
    "statechart/export/json.py::data": "one literal: the document as it is written",
}
"""What may be longer, as `path` or `path::function`, and why."""

MARK = re.compile(r"noqa|type: ignore|pragma: no ")
WITH_REASON = re.compile(
    r"# (ruff: )?noqa: [A-Z]+\d+(, [A-Z]+\d+)*( - |  )\S|# type: ignore\[[a-z-]+(, [a-z-]+)*\]  # \S"
)
AFTER_REASON = re.compile(r"# \S.*  # noqa: [A-Z]+\d+(, [A-Z]+\d+)*$")


def too_long() -> Iterator[tuple[str, int]]:
    """Files and functions above their limits, with their lines."""
    for file in FILES:
        lines = len(text(file).splitlines())
        if lines > (LONGEST_TEST_FILE_LINES if file in TESTS else LONGEST_FILE_LINES):
            yield place(file), lines
    for file in CODE:
        for function in functions(file):
            lines = (function.end_lineno or function.lineno) - function.lineno + 1
            if lines > LONGEST_FUNCTION_LINES:
                yield f"{place(file)}::{function.name}", lines


def test_files_and_functions_are_short() -> None:
    """What passes the limit is two rooms in one, or is listed above with its reason."""
    found = dict(too_long())

    assert {name: lines for name, lines in found.items() if name not in LONGER} == {}
    assert LONGER.keys() <= found.keys(), "an exception that nothing needs any more"


def test_exceptions_to_the_style_say_why() -> None:
    """On their line: `# noqa: X123 - why`, `# type: ignore[what]  # why`; or the reason stands before the mark."""
    silent = [
        f"{place(file)}: {comment}"
        for file in FILES
        for comment in comments(file)
        if MARK.search(comment) and not (WITH_REASON.search(comment) or AFTER_REASON.search(comment))
    ]

    assert silent == []


@pytest.mark.parametrize("name", ["create_task", "ensure_future"])
def test_tasks_are_made_in_one_place(name: str) -> None:
    """It names them, keeps them, and reports their failure.  The harness for tests may make its own."""
    found = {
        place(file)
        for file in CODE
        for node in nodes(file)
        if name in (getattr(node, "attr", None), getattr(node, "name", None)) and HARNESS not in file.parents
    }

    assert found <= {"proxy/tasks.py"}


def test_the_driver_alone_fires() -> None:
    """A handler returns an event; whoever else moved a request would not be seen in the chart."""
    importers = {
        place(file)
        for file in CODE
        for node in nodes(file)
        if isinstance(node, ast.ImportFrom) and any(alias.name == "fire" for alias in node.names)
    }

    assert importers == {"proxy/driver.py"}


def test_nobody_writes_the_state_of_a_request() -> None:
    """But for its beginning, the machine does."""
    writers = {
        place(file)
        for file in CODE
        for node in nodes(file)
        if isinstance(node, ast.Attribute) and node.attr == "state" and isinstance(node.ctx, ast.Store)
    }

    assert writers == {"proxy/exchange.py", "statechart/machine.py"}


def test_events_are_tuples() -> None:
    """One is made for every chunk of every stream."""
    classes = {
        each
        for each in vars(proxy.wire.events).values()
        if isinstance(each, type) and each.__module__ == proxy.wire.events.__name__
    }

    assert classes == {*get_args(StreamEvent), Extras}
    assert all(issubclass(each, tuple) and hasattr(each, "_fields") for each in classes)
