"""docs/dependencies.md has a line for each dependency, and for nothing else; what is imported is declared."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

from tests.architecture.checkout import ROOT
from tests.architecture.source import CODE, HARNESS, nodes, place
from tests.docs.pages import DOCS, text

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in row.split("|")[1:-1]]
    for row in re.findall(r"^\| [a-z].*$", text(DOCS / "dependencies.md"), re.MULTILINE)
]
COME_ALONG = {"multidict": "aiohttp", "yarl": "aiohttp", "pydantic-core": "pydantic"}
"""What is imported though another dependency brings it: it is a part of that one's interface."""


def name_of(requirement: str) -> str:
    """`aiohttp>=3.14,<3.15` is aiohttp."""
    return re.split(r"[^\w-]", requirement, maxsplit=1)[0]


RUNTIME = {name_of(requirement) for requirement in PROJECT["project"]["dependencies"]}
EXTRAS = {
    extra: {name_of(requirement) for requirement in requirements}
    for extra, requirements in PROJECT["project"]["optional-dependencies"].items()
}
BUILD = {name_of(requirement) for requirement in PROJECT["build-system"]["requires"]}
WEIGHTS = {name_of(requirement) for requirement in re.findall(r"^WEIGHTS := (\S+)$", MAKEFILE, re.MULTILINE)}


def imported(file: Path) -> set[str]:
    """The packages that a file imports, but for the standard library and our own."""
    modules = [alias.name for node in nodes(file) if isinstance(node, ast.Import) for alias in node.names]
    modules += [node.module or "" for node in nodes(file) if isinstance(node, ast.ImportFrom)]
    return {module.partition(".")[0] for module in modules} - sys.stdlib_module_names - {"proxy", "statechart"}


def test_every_dependency_has_one_line_and_a_reason() -> None:
    declared = set().union(RUNTIME, COME_ALONG, *EXTRAS.values(), BUILD, WEIGHTS) - {"turnstile-gateway"}

    assert sorted(row[0] for row in ROWS) == sorted(declared)
    assert all(len(row[-1]) > 20 for row in ROWS)


def test_every_extra_is_named_where_it_is_declared() -> None:
    """The weights are installed along with the extra `real`."""
    told = {
        (name, extra)
        for name, where, _ in (row for row in ROWS if len(row) == 3)
        for extra in where.split(", ")
        if extra in EXTRAS
    }
    declared = {(name, extra) for extra, names in EXTRAS.items() for name in names} | {
        (name, "real") for name in WEIGHTS
    }

    assert told - declared <= {("pytest", "dev"), ("pytest-aiohttp", "dev")}, "which the extra `testing` brings there"
    assert {name for name, _ in declared} - {name for name, _ in told} == {"turnstile-gateway"}


def test_what_the_daemon_imports_is_declared() -> None:
    """A package that only happens to be there is missing at the next operator's.  The harness may need an extra."""
    distributions = packages_distributions()
    daemon = RUNTIME | COME_ALONG.keys() | EXTRAS["o200k"]
    harness = daemon.union(*EXTRAS.values())
    undeclared = [
        f"{place(file)}: {module}"
        for file in CODE
        for module in imported(file)
        if not {name.lower().replace("_", "-") for name in distributions.get(module, ())}
        & (harness if HARNESS in file.parents else daemon)
    ]

    assert undeclared == []
