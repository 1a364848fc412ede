"""The daemon under load for long, while its upstream fails at random: nobody is misled, and nothing stays behind.

TURNSTILE_SOAK_S=3600 make deep ARGS="tests/soak -s"        # the report goes to standard output
"""

import asyncio
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from typing import Any

import pytest

from proxy.testing.process import Line
from tests.e2e.configs import well_behaved
from tests.e2e.wire import until_live
from tests.soak.callers import WHOLE, Load
from tests.soak.upstream import FAULTS, FaultyUpstream
from tests.soak.vitals import Vitals, settled, vitals

SOAK_S = float(os.environ.get("TURNSTILE_SOAK_S", "300"))
SHORT_S = 6.0
SEED = 1
WARM_UP_SHARE = 0.2
RSS_GROWTH_BYTES = 8 * 2**20  # after the warm-up of 300 s: some 400 bytes per request
SILENCE_S = 0.5

ENDINGS = {"done", "client_abort", "upstream_error", "timeout"}
RARE_ENDINGS = {"rate_limited"}  # only when every attempt failed, the last one with 429


@dataclass
class Soaked:
    """What came of a soak.  *idle* is before any request, *warm* after the warm-up, *loaded* and *after* at the end."""

    load: Load
    upstream: FaultyUpstream
    lines: list[Line]
    stopped: Line
    idle: Vitals
    warm: Vitals
    loaded: Vitals
    after: Vitals


def config(base_url: str) -> dict[str, Any]:
    """One upstream that is retried by the defaults, with little patience for its silence."""
    return {
        "auth": {"mode": "none"},
        "clocks": {"first_event": SILENCE_S, "idle": SILENCE_S},
        "upstreams": [{"name": "faulty", "kind": "openai", "base_url": base_url}],
        "models": [{"id": "soaked", "upstream": "faulty"}],
    }


async def soak(seconds: float, folder: Path) -> Soaked:
    """Let the daemon work for so long, then end it."""
    async with FaultyUpstream(SEED) as upstream:
        with well_behaved(config(upstream.base_url), folder) as daemon:
            idle = vitals(daemon.pid)
            load = Load(daemon.url, SEED)
            async with asyncio.TaskGroup() as group:
                group.create_task(load.run(seconds))
                await asyncio.sleep(WARM_UP_SHARE * seconds)
                warm = vitals(daemon.pid)
            loaded = vitals(daemon.pid)
            await until_live(daemon.url, 0)
            upstream.drop_idle()
            after = await settled(daemon.pid, idle.descriptors)
    lines = daemon.lines(event="request.completed")
    [stopped] = daemon.lines(event="server.stopped")
    return Soaked(load, upstream, lines, stopped, idle, warm, loaded, after)


def check(soaked: Soaked) -> None:
    """Everything that must hold; `well_behaved` has seen to the log's levels, the exit code and that all has ended."""
    load, lines = soaked.load, soaked.lines
    assert load.wrong == []
    assert soaked.stopped["accepted"] == soaked.stopped["ended"] == len(lines)
    assert load.asked == len(load.told) + load.left
    assert len(load.told) <= len(lines) <= load.asked, "one who leaves at once may never have been heard"
    by_id = {line["request_id"]: line for line in lines}
    assert len(by_id) == len(lines), "a request was logged twice"
    for told in load.told:
        line = by_id[told.request_id]
        assert line.get("code", line["end_reason"]) == told.outcome
    assert ENDINGS <= (met := {line["end_reason"] for line in lines}) <= ENDINGS | RARE_ENDINGS, met
    assert soaked.upstream.dealt.keys() == set(FAULTS)
    assert soaked.loaded.rss_bytes - soaked.warm.rss_bytes < RSS_GROWTH_BYTES
    assert soaked.after.descriptors == soaked.idle.descriptors


def report(soaked: Soaked) -> str:
    """The soak in numbers."""
    load, idle, warm, loaded, after = soaked.load, soaked.idle, soaked.warm, soaked.loaded, soaked.after
    first_try = {line["request_id"] for line in soaked.lines if line.get("attempts") == 1}
    took_s = [told.took_s for told in load.told if told.outcome == WHOLE and told.request_id in first_try]
    p50_ms, p99_ms = (1000 * quantiles(took_s, n=100)[percent - 1] for percent in (50, 99))
    endings = Counter(line["end_reason"] for line in soaked.lines)
    outcomes = Counter(told.outcome for told in load.told)
    seconds = loaded.taken_s - idle.taken_s
    return "\n".join(
        [
            f"requests: {load.asked} in {seconds:.0f} s, {load.left} left by their callers",
            f"calls upstream: {soaked.upstream.calls}",
            f"endings: {dict(endings.most_common())}",
            f"told to those who stayed: {dict(outcomes.most_common())}",
            f"faults dealt: {dict(soaked.upstream.dealt.most_common())}",
            "RSS in MiB, idle, warm, at the load's end, after: "
            + ", ".join(f"{look.rss_bytes / 2**20:.1f}" for look in (idle, warm, loaded, after)),
            f"descriptors: {idle.descriptors} before, then {loaded.descriptors}, {after.descriptors} after",
            f"CPU: {(loaded.cpu_s - idle.cpu_s) / seconds:.0%} of one core",
            f"whole answers at the first try: p50 {p50_ms:.1f} ms, p99 {p99_ms:.1f} ms",
        ]
    )


async def test_a_short_soak_misleads_nobody_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """The long one's code, in every run."""
    check(await soak(SHORT_S, tmp_path))


@pytest.mark.deep
@pytest.mark.timeout(SOAK_S + 120)
async def test_a_long_soak_misleads_nobody_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """What grows by a little per request shows only after many."""
    soaked = await soak(SOAK_S, tmp_path)
    print(f"\n{report(soaked)}")  # noqa: T201 - for whoever runs it with -s
    check(soaked)
