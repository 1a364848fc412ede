"""The fake `codex` as a program that an upstream can be configured with."""

import json
import sys
from pathlib import Path
from typing import Any

FAKE = Path(__file__).with_name("fake_codex.py")


def fake_program(folder: Path, scenario: dict[str, Any]) -> Path:
    """A program in *folder* that plays *scenario*, and notes there, in `log.jsonl`, what it is told."""
    log = folder / "log.jsonl"
    log.touch()
    path = folder / "scenario.json"
    path.write_text(json.dumps({"log": str(log), **scenario}))
    program = folder / "codex"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -IS "{FAKE}" "{path}" "$@"\n')
    program.chmod(0o755)
    return program
