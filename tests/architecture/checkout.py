"""A copy of the checkout to be changed at will, and what its own tools say of it then."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
PARTS = ("proxy", "statechart", "tests", "docs", "pyproject.toml")
SURROUNDINGS = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""}
RUN_LIMIT_S = 60.0


class Checkout:
    """A copy of *parts* in *folder*; compiled files are copied along, so that it starts as fast as the original."""

    def __init__(self, folder: Path, parts: Sequence[str] = PARTS) -> None:
        self.folder = folder
        for part in parts:
            source, copy = ROOT / part, folder / part
            if source.is_dir():
                shutil.copytree(source, copy)
            else:
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, copy)

    def write(self, path: str, text: str) -> None:
        """Write a file, whether or not there is one."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def replace(self, path: str, old: str, new: str) -> None:
        """Change a passage, which must be there exactly once."""
        text = (self.folder / path).read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{path} has {text.count(old)} times: {old}"
        self.write(path, text.replace(old, new))

    def apply(self, diff: str) -> None:
        """Apply a unified diff; its line numbers may be off, its context may not."""
        done = self._run("git", "apply", "--whitespace=nowarn", "-", text=diff)
        assert done.returncode == 0, done.stderr

    def python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the interpreter on the copy."""
        return self._run(sys.executable, *arguments)

    def pytest(self, *arguments: str, plugins: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
        """Run tests of the copy, without caches, and with no more plugins than are named: loading all takes long."""
        chosen = [part for plugin in ("pytest_asyncio.plugin", "pytest_timeout", *plugins) for part in ("-p", plugin)]
        return self.python("-m", "pytest", "-q", "-p", "no:cacheprovider", *chosen, *arguments)

    def _run(self, *command: str, text: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 - commands of ours
            command,
            cwd=self.folder,
            env={**os.environ, **SURROUNDINGS, "GIT_CEILING_DIRECTORIES": str(self.folder.parent)},
            input=text,
            capture_output=True,
            text=True,
            timeout=RUN_LIMIT_S,
            check=False,
        )
