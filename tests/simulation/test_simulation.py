"""Many requests at once through the real driver, with every fault at any place: each ends exactly once, and honestly.

A seed that fails is named by the test, and plays alone with TURNSTILE_SEED=<seed> in the environment.
"""

import gc
import os
from collections import Counter

import pytest
from structlog.testing import capture_logs

from statechart.vocabulary import TERMINAL_STATES, State
from tests.simulation.checks import faults_of
from tests.simulation.plan import REQUESTS
from tests.simulation.world import Simulation

SEEDS = range(10_000 // REQUESTS)
DEEP_SEEDS = range(10_000 // REQUESTS, 1_000_000 // REQUESTS)
CHUNK = 99
GROWTH = 200  # objects that may come to stay, in caches, whatever the number of requests


async def simulate(seed: int) -> Counter[State]:
    """Play a seed, check everything, and count how its requests ended."""
    with capture_logs() as logged:
        simulation = Simulation(seed)
        await simulation.run()
        found = await faults_of(simulation)
    found += [f"a bug of ours: {entry}" for entry in logged if entry["event"] != "a handler failed"]
    assert not found, f"TURNSTILE_SEED={seed}: {len(found)} faults, the first of them: " + "\n".join(found[:5])
    return simulation.endings


def seeds(usual: range) -> list[int]:
    """The seeds to play: *usual*, or the one that the environment names."""
    named = os.environ.get("TURNSTILE_SEED")
    return [int(named)] if named else list(usual)


async def test_every_request_ends_once_and_honestly() -> None:
    """Every ending is met as well, so that none is checked in vain."""
    endings = Counter[State]()
    for seed in seeds(SEEDS):
        endings += await simulate(seed)
    if len(seeds(SEEDS)) > 1:
        assert endings.keys() == TERMINAL_STATES


async def test_nothing_stays_in_memory() -> None:
    """Requests leave nothing behind, whatever became of them."""
    for seed in range(3):
        await simulate(seed)
    before = objects()
    for seed in range(3):
        await simulate(seed)
    assert objects() - before < GROWTH


def objects() -> int:
    """How many objects there are that may hold others."""
    gc.collect()
    return len(gc.get_objects())


@pytest.mark.deep
@pytest.mark.parametrize("first", seeds(DEEP_SEEDS[::CHUNK]))
async def test_a_million_requests_end_once_and_honestly(first: int) -> None:
    for seed in seeds(range(first, min(first + CHUNK, DEEP_SEEDS.stop))):
        await simulate(seed)
