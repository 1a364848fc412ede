"""The measuring: workloads in alternating rounds over the targets, CPU from /proc, medians over the rounds."""

import os
import statistics
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import uvloop

from tests.bench import load
from tests.bench.process import Server, free_port, running
from tests.bench.targets import Target
from tests.bench.upstream import StreamPlan


@dataclass(frozen=True)
class Workload:
    """One kind of load.  Without a *plan* answers are not streamed, and a unit of work is a request, else a chunk."""

    key: str
    title: str
    plan: StreamPlan | None
    concurrency: int
    count: int
    ramp_s: float = 0.0

    @property
    def unit(self) -> str:
        """What CPU time is told per."""
        return "chunk" if self.plan else "request"

    @property
    def units(self) -> int:
        """How many of them a run has."""
        return self.count * (self.plan.chunks if self.plan else 1)


FULL = (
    Workload("A", "requests, not streamed, 32 at a time", None, 32, 16_000),
    Workload("P", "64 streams, a chunk per 20 ms each", StreamPlan(100, 20), 64, 192),
    Workload("B", "64 streams, chunks as fast as they can", StreamPlan(200, 0), 64, 512),
    Workload("C", "1,000 streams, a chunk per 100 ms each", StreamPlan(100, 100), 1000, 1000, ramp_s=2.0),
)
QUICK = (
    Workload("A", "requests, not streamed, 8 at a time", None, 8, 200),
    Workload("P", "16 streams, a chunk per 5 ms each", StreamPlan(20, 5), 16, 32),
    Workload("B", "16 streams, chunks as fast as they can", StreamPlan(50, 0), 16, 64),
    Workload("C", "50 streams, a chunk per 10 ms each", StreamPlan(20, 10), 50, 50, ramp_s=0.1),
)


@dataclass(frozen=True)
class Sample:
    """One run of a workload against one target.

    *p50_ms* and *p99_ms*: of whole answers when chunks come as fast as they can or not at all, else of the jitter of a
    chunk.  *core_use*: the part of its core that it used; below 0.9 the load side, not the target, sets the pace.
    """

    workload: str
    target: str
    round: int
    good: int
    faults: dict[str, int]
    units: int
    cpu_us_per_unit: float
    units_per_s: float
    p50_ms: float
    p99_ms: float
    core_use: float
    rss_mb: float


def measure(workload: Workload, server: Server, round_: int) -> Sample:
    """Run *workload* once against *server*."""
    before_s = server.cpu_s()
    tally = uvloop.run(
        load.run(
            server.port,
            workload.plan,
            count=workload.count,
            concurrency=workload.concurrency,
            ramp_s=workload.ramp_s,
        )
    )
    cpu_s = server.cpu_s() - before_s
    is_paced = workload.plan is not None and workload.plan.every_ms > 0
    p50_ms, p99_ms = percentiles_ms(tally.jitters_s if is_paced else tally.latencies_s)
    return Sample(
        workload=workload.key,
        target=server.name,
        round=round_,
        good=tally.good,
        faults=dict(tally.faults),
        units=workload.units,
        cpu_us_per_unit=cpu_s * 1e6 / workload.units,
        units_per_s=workload.units / tally.wall_s,
        p50_ms=p50_ms,
        p99_ms=p99_ms,
        core_use=cpu_s / tally.wall_s,
        rss_mb=server.rss_bytes() / 1e6,
    )


def percentiles_ms(values_s: Sequence[float]) -> tuple[float, float]:
    """Return the 50th and the 99th percentile; zeros for less than two values, as of a run that failed."""
    if len(values_s) < 2:
        return 0.0, 0.0
    cuts = statistics.quantiles(values_s, n=100, method="inclusive")
    return cuts[49] * 1000, cuts[98] * 1000


@dataclass(frozen=True)
class Result:
    """All samples, and each target's resident memory before the first of them."""

    workloads: Sequence[Workload]
    versions: dict[str, str]
    rss_at_start_mb: dict[str, float]
    samples: Sequence[Sample]

    @property
    def faults(self) -> list[str]:
        """What went wrong, in any sample."""
        return [
            f"{sample.workload} on {sample.target}: {count} times: {fault}"
            for sample in self.samples
            for fault, count in sample.faults.items()
        ]

    @property
    def rss_at_end_mb(self) -> dict[str, float]:
        """Each target's resident memory after its last sample."""
        return {sample.target: sample.rss_mb for sample in self.samples}

    def median(self, workload: str, target: str, value: Callable[[Sample], float]) -> float:
        """The median of *value* over the rounds."""
        return statistics.median(self._values(workload, target, value))

    def ratio(self, workload: str, value: Callable[[Sample], float]) -> float | None:
        """The median over the rounds of the first target's *value* in terms of the second's in the same round.

        None without a second target, and when all its values are 0, as in a run too short for the CPU clock.
        """
        if len(self.versions) != 2:
            return None
        first, second = (self._values(workload, target, value) for target in self.versions)
        ratios = [one / other for one, other in zip(first, second, strict=True) if other]
        return statistics.median(ratios) if ratios else None

    def _values(self, workload: str, target: str, value: Callable[[Sample], float]) -> list[float]:
        return [value(sample) for sample in self.samples if (sample.workload, sample.target) == (workload, target)]

    def as_json(self) -> dict[str, Any]:
        """Everything, as plain values."""
        return asdict(self) | {"faults": self.faults}


def run(targets: Sequence[Target], workloads: Sequence[Workload], *, rounds: int, folder: Path) -> Result:
    """Start the fake upstream and the *targets*, measure, end them all."""
    cores = sorted(os.sched_getaffinity(0))
    target_core, load_core = cores[0], cores[-1]
    os.sched_setaffinity(0, {load_core})
    with ExitStack() as stack:

        def start(name: str, command: list[str], port: int, core: int) -> Server:
            return stack.enter_context(running(name, command, port=port, core=core, folder=folder))

        upstream_port = free_port()
        start("upstream", [sys.executable, "-m", "tests.bench.upstream", str(upstream_port)], upstream_port, load_core)
        servers = []
        for target in targets:
            port = free_port()
            servers.append(start(target.name, target.prepare(folder, port, upstream_port), port, target_core))
        rss_at_start_mb = {server.name: server.rss_bytes() / 1e6 for server in servers}
        for server in servers:
            measure(QUICK[0], server, 0)  # a warm-up, not kept
        samples = [
            measure(workload, server, round_)
            for round_ in range(1, rounds + 1)
            for workload in workloads
            for server in servers
        ]
    return Result(workloads, {target.name: target.version for target in targets}, rss_at_start_mb, samples)
