"""What is said of the memory store alone."""

from proxy.sessions.memory import FIRST_TIDY_LEASES, MemoryStore
from proxy.testing.clock import ManualClock
from tests.sessions.stores import LASTS_S, take


async def test_leases_of_crashed_turns_do_not_pile_up():
    """They are forgotten when the records are gone that they would be told about."""
    clock = ManualClock()
    store = MemoryStore(clock, max_records=10)
    for key in range(5 * FIRST_TIDY_LEASES):
        await take(store, f"{key:x}", hold_s=1.0, keep_s=10.0)
        await clock.advance(0.1)

    assert len(store._holds) <= FIRST_TIDY_LEASES


async def test_live_leases_are_never_tidied_away():
    clock = ManualClock()
    store = MemoryStore(clock, max_records=10)
    leases = [(await take(store, f"{key:x}"))[0] for key in range(2 * FIRST_TIDY_LEASES)]

    assert all(await store.renew(leases, hold_s=LASTS_S))
