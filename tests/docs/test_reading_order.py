"""docs/reading-order.md sends nobody to a file or a name that is not there."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from statechart.vocabulary import WORKING_STATES
from tests.architecture.checkout import ROOT
from tests.docs.pages import DOCS, SPAN, links, text

PAGE = DOCS / "reading-order.md"
STEPS = re.split(r"^## ", text(PAGE), flags=re.MULTILINE)[1:]
ITEMS = [(step.splitlines()[0], item) for step in STEPS for item in re.split(r"\n\n|\n- |\n\d\. ", step)[1:]]
"""Every paragraph and list item, with the heading of its step."""


@cache
def names(file: Path) -> frozenset[str]:
    """The names that a Python file defines: classes, functions, variables and attributes, dotted under their class."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{name}" for each in node.body for name in defined(each)}
        found |= set(defined(node))
    return frozenset(found)


def defined(node: ast.AST) -> list[str]:
    """The names that one node defines."""
    match node:
        case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            return [name]
        case ast.AnnAssign(target=target):
            return defined(target)
        case ast.Assign(targets=targets):
            return [name for target in targets for name in defined(target)]
        case ast.Name(id=name, ctx=ast.Store()):
            return [name]
    return []


def python_files(markdown: str) -> list[Path]:
    """The Python files that it leads to."""
    return [(PAGE.parent / link).resolve() for link in links(markdown) if link.endswith(".py")]


@pytest.mark.parametrize(("heading", "item"), ITEMS, ids=lambda value: value[:30])
def test_what_a_step_names_is_in_the_file_of_the_item_or_of_its_heading(heading: str, item: str) -> None:
    files = python_files(item) + python_files(heading)
    missing = [span for span in SPAN.findall(item) if not any(span in names(file) for file in files)]

    assert missing == []


def test_the_page_names_things() -> None:
    """Or the test above would look at nothing."""
    assert sum(len(SPAN.findall(item)) for _, item in ITEMS) > 40


def test_a_link_shows_the_path_that_it_leads_to() -> None:
    shown = re.findall(r"\[([^\]]+\.py)\]\(\.\./([^)]+)\)", text(PAGE))

    assert len(shown) == len(python_files(text(PAGE)))
    assert [path for label, path in shown if label != path] == []


def test_the_states_come_in_order_of_life() -> None:
    """Each once, in its own file."""
    (states,) = [step for step in STEPS if "The states" in step]
    files = [
        file.relative_to(ROOT / "proxy" / "states").stem
        for file in python_files(states)
        if file.parent.name == "states"
    ]

    assert [name for name in files if name in set(WORKING_STATES)] == list(WORKING_STATES)
