"""Who may import whom: the contracts of pyproject.toml, also where somebody runs the tests alone."""

import subprocess
import sys
from pathlib import Path

from tests.architecture.checkout import ROOT


def test_every_import_contract_is_kept(tmp_path: Path) -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--cache-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - a tool of ours

    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout
