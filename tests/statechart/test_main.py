"""`python -m statechart`: what it prints, and how it exits."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from statechart import __main__ as command
from statechart.chart import CHART, INITIAL, WAITS
from statechart.export import FORMATS, svg
from statechart.model import MODEL, Model

WALK = [
    {"t_ns": 1, "from": "validate", "event": "validated", "to": "auth"},
    {"t_ns": 2, "from": "auth", "event": "denied", "to": "unauthorized"},
]


@pytest.mark.parametrize("name", sorted(set(FORMATS) - {"svg"}))
def test_export_writes_to_standard_output(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["export", "--format", name]) == 0
    assert capsys.readouterr() == (FORMATS[name](MODEL), "")


def test_export_writes_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "chart.mmd"

    assert command.main(["export", "--out", str(file)]) == 0
    assert file.read_bytes() == FORMATS["mermaid"](MODEL).encode()
    assert capsys.readouterr() == ("", "")


def test_export_without_the_extra_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(svg, "PROGRAM", "no-such-program")

    assert command.main(["export", "--format", "svg"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "statechart export: no drawing without 'no-such-program': pip install 'turnstile-gateway[svg]'\n"


def test_export_to_nowhere_is_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert command.main(["export", "--out", str(tmp_path / "no" / "such" / "folder")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_check_of_the_chart(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["check"]) == 0
    assert capsys.readouterr().out == f"sound: {len(MODEL.edges)} edges, hash {MODEL.hash}\n"


def test_check_of_a_broken_chart(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(command, "MODEL", Model(CHART, WAITS[1:], INITIAL))

    assert command.main(["check"]) == 1
    assert "clocks_tick: validate has no clock\n" in capsys.readouterr().out


def test_diff_of_a_chart_with_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "chart.json"
    file.write_text(FORMATS["json"](MODEL))

    assert command.main(["diff", str(file), str(file)]) == 0
    assert capsys.readouterr().out == "the two charts do the same\n"


def test_diff_of_two_charts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    old.write_text(FORMATS["json"](MODEL))
    new.write_text(FORMATS["json"](Model(CHART[1:], WAITS, INITIAL)))

    assert command.main(["diff", str(old), str(new)]) == 1
    assert capsys.readouterr().out == "- validate on validated if always -> auth\n"


def test_replay_of_a_lawful_walk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "trace.json"
    file.write_text(json.dumps(WALK))

    assert command.main(["replay", str(file)]) == 0
    assert capsys.readouterr().out == "lawful: validate>auth>unauthorized\n"


def test_replay_of_an_unlawful_walk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "trace.json"
    file.write_text(json.dumps(WALK[:1]))

    assert command.main(["replay", str(file)]) == 1
    assert capsys.readouterr().out == "the walk stops in auth, which is no ending\n"


@pytest.mark.parametrize("arguments", [["replay", "{}"], ["diff", "{}", "{}"]])
@pytest.mark.parametrize("content", [b"nonsense", b"\xff\xfe", None])
def test_a_file_that_can_not_be_read_is_one_line(
    arguments: list[str], content: bytes | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "file.json"
    if content is not None:
        file.write_bytes(content)

    assert command.main([argument.format(file) for argument in arguments]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith(f"statechart {arguments[0]}: ")


def test_it_runs_as_a_module() -> None:
    ran = subprocess.run([sys.executable, "-m", "statechart", "check"], check=False, capture_output=True, text=True)

    assert (ran.returncode, ran.stdout[:6], ran.stderr) == (0, "sound:", "")
