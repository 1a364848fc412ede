"""A pool of fake children, for a kind that does next to nothing."""

import asyncio
import os
import sys
from pathlib import Path
from random import Random

import pytest

from proxy.clock import LoopClock
from proxy.upstreams.child import ChildKind, ChildLimits, Command, Pool, Unsupported

FAKE = Path(__file__).with_name("fake.py")
LIMIT_S = 10.0  # nothing that a test waits for takes so long


class PlainAttendant:
    """Remembers what it is told; *turns* is what the test says."""

    def __init__(self, child):
        self.child = child
        self.turns = 0
        self.told = []
        self.losses = []
        self.reads = 0

    async def greet(self):
        manner = (await self.child.peer.call("hello", {}))["manner"]
        if manner == "unsupported":
            raise Unsupported("too_old")

    def notified(self, method, params):
        self.told.append((method, params))

    def asked(self, rpc_id, method, params):
        self.told.append((rpc_id, method, params))
        self.child.peer.answer(rpc_id, {})

    def unreadable(self, head, error):
        self.told.append((head[:40], type(error).__name__))
        return b"mine" in head

    def rest(self):
        self.reads += 1

    def lost(self, failure):
        self.losses.append(failure())

    def drain(self):
        self.told.append("drain")

    def cut(self):
        self.told.append("cut")
        self.turns = 0


class Nursery:
    """Pools of fake children, whose manners may change from start to start."""

    def __init__(self, folder):
        self.folder = folder
        self.pools = []
        self.attendants = []
        self.starts = []

    def open(self, *manners, clock=None, **limits):
        """A pool whose n-th start has the n-th of the *manners*; the last one repeats.  An exception is raised."""
        manners = manners or ("polite",)

        def command(slot):
            manner = manners[min(len(self.starts), len(manners) - 1)]
            self.starts.append(slot)
            if isinstance(manner, Exception):
                raise manner
            return Command((sys.executable, "-IS", str(FAKE), manner), self.folder, {"PATH": os.environ["PATH"]})

        def attend(child):
            self.attendants.append(PlainAttendant(child))
            return self.attendants[-1]

        bounds = ChildLimits(
            **{
                "processes": 1,
                "min_ready": 1,
                "handshake_s": 10.0,
                "rpc_s": 10.0,
                "max_in_flight": 32,
                "max_line_bytes": 4_000_000,
                "max_rss_bytes": 1 << 40,
                "drain_s": 5.0,
                **limits,
            }
        )
        pool = Pool(ChildKind("fake", command, attend), bounds, clock or LoopClock(), Random(1))
        pool.begin()
        self.pools.append(pool)
        return pool


@pytest.fixture
async def nursery(tmp_path):
    nursery = Nursery(tmp_path)
    yield nursery
    await asyncio.gather(*(pool.close() for pool in nursery.pools))


async def until(condition):
    """Wait until *condition* holds."""
    async with asyncio.timeout(LIMIT_S):
        while not condition():  # noqa: ASYNC110 - nothing tells when
            await asyncio.sleep(0.005)


def alive(pid):
    """Whether a process of that id runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
