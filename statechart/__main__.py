"""`python -m statechart`: look at the chart, check it, compare two of them, follow a recorded walk.

Exit codes: 0 all is well; 1 there are findings or differences; 2 it could not be done, and one line says why.
"""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path

from statechart.checks import check
from statechart.diff import ChartUnreadable, diff, read_chart
from statechart.export import FORMATS
from statechart.export.svg import SvgUnavailable
from statechart.model import MODEL
from statechart.replay import TraceUnreadable, path, read_trace, replay

FINE, FOUND, FAILED = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; *arguments* without the program's name, by default those of the process."""
    options = _parser().parse_args(arguments)
    try:
        code: int = options.run(options)
    except (ChartUnreadable, TraceUnreadable, SvgUnavailable, OSError, UnicodeDecodeError) as error:
        sys.stderr.write(f"statechart {options.command}: {error}\n")
        return FAILED
    return code


def _export(options: Namespace) -> int:
    text = FORMATS[options.format](MODEL)
    if options.out is None:
        sys.stdout.write(text)
    else:
        options.out.write_text(text, encoding="utf-8", newline="\n")
    return FINE


def _check(_options: Namespace) -> int:
    return _tell([str(finding) for finding in check(MODEL)], f"sound: {len(MODEL.edges)} edges, hash {MODEL.hash}")


def _diff(options: Namespace) -> int:
    old, new = _chart(options.old), _chart(options.new)
    return _tell(list(diff(old, new)), "the two charts do the same")


def _replay(options: Namespace) -> int:
    try:
        steps = read_trace(options.trace.read_text(encoding="utf-8"))
    except TraceUnreadable as error:
        raise TraceUnreadable(f"{options.trace}: {error}") from error
    return _tell(list(replay(MODEL, steps)), f"lawful: {path(steps)}")


def _chart(file: Path) -> dict[str, object]:
    try:
        return read_chart(file.read_text(encoding="utf-8"))
    except ChartUnreadable as error:
        raise ChartUnreadable(f"{file}: {error}") from error


def _tell(findings: list[str], otherwise: str) -> int:
    sys.stdout.writelines(f"{line}\n" for line in findings or [otherwise])
    return FOUND if findings else FINE


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="python -m statechart", description="The chart of a request's life.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    export = commands.add_parser("export", help="write the chart in another language")
    export.add_argument("--format", choices=FORMATS, default="mermaid", help="default: mermaid")
    export.add_argument("--out", type=Path, metavar="FILE", help="default: standard output")
    export.set_defaults(run=_export)

    commands.add_parser("check", help="ask the chart everything that must hold of it").set_defaults(run=_check)

    compare = commands.add_parser("diff", help="compare what two JSON exports do")
    compare.add_argument("old", type=Path, metavar="A.json")
    compare.add_argument("new", type=Path, metavar="B.json")
    compare.set_defaults(run=_diff)

    follow = commands.add_parser("replay", help="hold a recorded trace against the chart")
    follow.add_argument("trace", type=Path, metavar="TRACE.json")
    follow.set_defaults(run=_replay)
    return parser


if __name__ == "__main__":
    sys.exit(main())
