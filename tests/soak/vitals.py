"""What a process uses: memory, descriptors, CPU; as /proc tells it."""

import asyncio
import time
from pathlib import Path
from typing import NamedTuple

from tests.bench.process import PAGE_BYTES, TICKS_PER_S, read_stat

SETTLING_S = 5.0
POLL_S = 0.05


class Vitals(NamedTuple):
    """One look at a process."""

    rss_bytes: int
    descriptors: int
    cpu_s: float
    taken_s: float


def vitals(pid: int) -> Vitals:
    """Look at a process, which runs."""
    stat = read_stat(pid)
    assert stat, f"no process {pid}"
    # proc_pid_stat(5): fields 14 and 15 are utime and stime, field 24 is the resident set in pages
    cpu_s = (int(stat[11]) + int(stat[12])) / TICKS_PER_S
    return Vitals(int(stat[21]) * PAGE_BYTES, len(list(Path(f"/proc/{pid}/fd").iterdir())), cpu_s, time.monotonic())


async def settled(pid: int, descriptors: int) -> Vitals:
    """Look at a process once it has no more than so many *descriptors*, or has had time enough to close the rest."""
    end_s = time.monotonic() + SETTLING_S
    while True:
        look = vitals(pid)
        if look.descriptors <= descriptors or look.taken_s > end_s:
            return look
        await asyncio.sleep(POLL_S)
