"""docs/dependencies.md has a line for each dependency, and for nothing else; what is imported is declared."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions

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


def test_every_dependency_has_one_line_and_a_reason() -> None:
    declared = {name_of(requirement) for requirement in PROJECT["project"]["dependencies"]}
    extras = PROJECT["project"]["optional-dependencies"]
    declared |= {name_of(requirement) for extra in extras.values() for requirement in extra}
    declared |= {name_of(requirement) for requirement in PROJECT["build-system"]["requires"]}
    declared |= {name_of(requirement) for requirement in re.findall(r"^WEIGHTS := (\S+)$", MAKEFILE, re.MULTILINE)}
    told = [row[0] for row in ROWS]

    assert sorted(told) == sorted((declared | COME_ALONG.keys()) - {"turnstile-gateway"})
    assert all(len(row[-1]) > 20 for row in ROWS)


def test_every_extra_is_named_where_it_is_declared() -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    for name, *_, extra, _reason in (row for row in ROWS if len(row) == 3 and set(row[1].split(", ")) <= extras.keys()):
        assert (
            any(name == name_of(requirement) for each in extra.split(", ") for requirement in extras[each])
            or name in MAKEFILE
        )


def test_what_the_daemon_imports_is_declared() -> None:
    """A package that only happens to be there is missing at the next operator's."""
    runtime = {name_of(requirement) for requirement in PROJECT["project"]["dependencies"]} | COME_ALONG.keys()
    testing = {name_of(requirement) for requirement in PROJECT["project"]["optional-dependencies"]["testing"]}
    distributions = packages_distributions()
    undeclared = []
    for file in CODE:
        allowed = runtime | testing if HARNESS in file.parents else runtime
        for node in nodes(file):
            match node:
                case ast.Import(names=names):
                    modules = [alias.name for alias in names]
                case ast.ImportFrom(module=str(module), level=0):
                    modules = [module]
                case _:
                    continue
            for module in (
                {each.partition(".")[0] for each in modules} - sys.stdlib_module_names - {"proxy", "statechart"}
            ):
                if not {each.lower().replace("_", "-") for each in distributions.get(module, [])} & allowed:
                    undeclared.append(f"{place(file)}: {module}")

    assert undeclared == []
