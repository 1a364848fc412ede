"""The project stands alone: it names no machine, no home, and nothing outside of itself."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.architecture.checkout import ROOT

ELSEWHERE = {
    "a folder of the machine that it was written on": r"(?<![\w.])/([w]ork|[r]oot|[h]ome|[U]sers)/",
    "a document that is not here": r"\b([s]hared|[s]pecs)/|\b([h]ouse-rules|[d]esign)\.md",
}
"""What no file may name, written so that this one does not."""


@pytest.fixture(scope="module")
def files() -> list[Path]:
    """What git keeps, or would keep."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603 - a command of ours
    return [file for name in listed.stdout.splitlines() if (file := ROOT / name).is_file()]


@pytest.mark.parametrize("what", ELSEWHERE)
def test_no_file_names(what: str, files: list[Path]) -> None:
    found = [
        f"{file.relative_to(ROOT)}:{number}: {match[0]}"
        for file in files
        for number, line in enumerate(file.read_text(encoding="utf-8", errors="replace").splitlines(), start=1)
        if (match := re.search(ELSEWHERE[what], line))
    ]

    assert found == []
