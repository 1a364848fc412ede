"""The checkout's Python files, each read and parsed once for all tests of this folder."""

import ast
import io
import tokenize
from functools import cache
from pathlib import Path

from tests.architecture.checkout import ROOT

FILES = tuple(sorted(file for part in ("proxy", "statechart", "tests") for file in (ROOT / part).rglob("*.py")))
TESTS = tuple(file for file in FILES if file.is_relative_to(ROOT / "tests"))
CODE = tuple(file for file in FILES if file not in TESTS)
HARNESS = ROOT / "proxy" / "testing"


def place(file: Path) -> str:
    """A file as the checkout calls it."""
    return file.relative_to(ROOT).as_posix()


@cache
def text(file: Path) -> str:
    """What is written in it."""
    return file.read_text(encoding="utf-8")


@cache
def nodes(file: Path) -> tuple[ast.AST, ...]:
    """Every node of its syntax tree."""
    return tuple(ast.walk(ast.parse(text(file))))


def functions(file: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function and method, those within others too."""
    return [node for node in nodes(file) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def comments(file: Path) -> list[str]:
    """Every comment."""
    with io.StringIO(text(file)) as lines:
        return [token.string for token in tokenize.generate_tokens(lines.readline) if token.type == tokenize.COMMENT]
