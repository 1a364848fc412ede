"""The result as a Markdown table, and its place in the docs."""

import platform
from collections.abc import Callable, Iterator

from tests.bench.bench import Result, Sample, Workload

BEGIN = "<!-- bench: begin; written by `make bench` -->"
END = "<!-- bench: end -->"


def table(result: Result) -> str:
    """A row per workload and measure, a column per target, and the first target's figures in terms of the second's."""
    heads = [f"{name} {version}" for name, version in result.versions.items()]
    if len(heads) == 2:
        heads.append("ratio")
    return "\n".join(
        [
            line("workload", "measure", *heads),
            line("---", "---", *["--:"] * len(heads)),
            *(row for workload in result.workloads for row in rows(result, workload)),
            line("memory", "at the start, MB", *map(shown, result.rss_at_start_mb.values())),
            line("", "at the end, MB", *map(shown, result.rss_at_end_mb.values())),
        ]
    )


def rows(result: Result, workload: Workload) -> Iterator[str]:
    """The lines of one workload."""
    title = f"**{workload.key}**: {workload.title}"
    for measure, value in measures(workload).items():
        figures = [shown(result.median(workload.key, target, value)) for target in result.versions]
        ratio = result.ratio(workload.key, value)
        yield line(title, measure, *figures, *([] if ratio is None else [f"{ratio:.2f}"]))
        title = ""


def measures(workload: Workload) -> dict[str, Callable[[Sample], float]]:
    """What is told of a workload, by its name and unit."""
    if workload.plan is None:
        cpu: dict[str, Callable[[Sample], float]] = {"CPU, ms per request": lambda s: s.cpu_us_per_unit / 1000}
        timed = "latency"
    else:
        cpu = {"CPU, µs per chunk": lambda s: s.cpu_us_per_unit}
        timed = "jitter" if workload.plan.every_ms else "whole stream"
    return cpu | {
        f"{timed} p50, ms": lambda s: s.p50_ms,
        f"{timed} p99, ms": lambda s: s.p99_ms,
        f"{workload.unit}s per s": lambda s: s.units_per_s,
    }


def line(*cells: str) -> str:
    """One line of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def shown(value: float) -> str:
    """Three digits, or as many as the whole number has."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def section(result: Result, rounds: int) -> str:
    """The table with the words that it needs to be understood on its own."""
    return (
        f"{table(result)}\n\n"
        f"Medians over {rounds} rounds, which alternate between the servers, on Python {platform.python_version()}. "
        "A ratio is taken within a round. One core for the server measured, another for the load and the upstream. "
        "CPU is user plus system time of the server's process tree; jitter is how far the time between two chunks was "
        "from the upstream's.\n"
    )


def between_marks(document: str, text: str) -> str:
    """Return *document* with *text* between the two marks; ValueError when it has no such marks."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"there must be a line {BEGIN!r} and after it a line {END!r}")
    return f"{before}{BEGIN}\n\n{text}\n{END}{after}"
