"""The tests lie as the code lies, and every file of tests tests something."""

import ast
from pathlib import Path

from tests.architecture.checkout import ROOT
from tests.architecture.source import TESTS, functions, nodes, place

ACROSS = {
    "architecture": "what holds of the code as text",
    "bench": "the benchmark, which is run and not collected",
    "contract": "the failure contract, row by row",
    "cut_anywhere": "one request, interrupted at every point where it waits",
    "docs": "what the documentation says is so",
    "e2e": "the daemon as a process",
    "real": "servers and clients of other projects",
    "simulation": "many requests with faults at random, and what holds of all of them",
    "soak": "the daemon under load for a long time, and what must not grow",
}
"""Folders of tests that belong to no single room of the code."""


def is_room(path: Path) -> bool:
    """Whether there is a package or a module of that name."""
    return (ROOT / path / "__init__.py").exists() or (ROOT / path).with_suffix(".py").exists()


def test_a_folder_of_tests_is_called_as_what_it_tests() -> None:
    """tests/wire/answer tests proxy/wire/answer, and tests/driver tests proxy/driver.py."""
    folders = {file.parent.relative_to(ROOT / "tests") for file in TESTS} - {Path()}
    strangers = [
        str(folder)
        for folder in folders
        if folder.parts[0] not in ACROSS and not (is_room(Path("proxy", folder)) or is_room(folder))
    ]

    assert strangers == []


def test_every_file_of_tests_has_a_test() -> None:
    """One that has none is never missed when it breaks.  Hypothesis' machines are tests by assignment."""
    idle = []
    for file in TESTS:
        assigned = [
            target.id
            for node in nodes(file)
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name) and target.id.startswith("Test")
        ]
        if file.name.startswith("test_") and not (assigned or any(f.name.startswith("test_") for f in functions(file))):
            idle.append(place(file))

    assert idle == []


def test_no_test_lies_where_it_is_not_collected() -> None:
    lost = [
        f"{place(file)}::{function.name}"
        for file in TESTS
        if not file.name.startswith("test_")
        for function in functions(file)
        if function.name.startswith("test_")
    ]

    assert lost == []
