"""A copy of the checkout to be changed at will, and what its own tools say of it then."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
COPIED = ("proxy", "statechart", "tests", "docs", "pyproject.toml")
RUN_LIMIT_S = 60.0


class Checkout:
    """A copy in *folder*; compiled files are copied along, so that it starts as fast as the original."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, folder / name)
            else:
                shutil.copy2(source, folder / name)

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

    def pytest(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run tests of the copy, as one process without caches."""
        return self.python("-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments)

    def _run(self, *command: str, text: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 - commands of ours
            command,
            cwd=self.folder,
            env={**os.environ, "GIT_CEILING_DIRECTORIES": str(self.folder.parent)},  # the copy is no repository's part
            input=text,
            capture_output=True,
            text=True,
            timeout=RUN_LIMIT_S,
            check=False,
        )
