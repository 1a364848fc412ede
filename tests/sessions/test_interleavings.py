"""Turns, crashes and lost leases in any order, over each store: nobody is in another's way, nothing is half done."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from proxy.sessions.degraded import LONGEST_PROBE_S, DegradingStore
from proxy.sessions.store import Lease
from proxy.testing.clock import ManualClock
from tests.sessions import stores
from tests.sessions.conftest import REMOTE
from tests.sessions.remote import DEADLINE_S, FakeRemote
from tests.sessions.stores import ALICE, LASTS_S, PASSES_S, Subject, new_lease, put

KEYS = ("aa", "bb")
STEPS = 40

keys = st.sampled_from(KEYS)
picks = st.integers(0, 1_000)
briefly = st.booleans()


@dataclass
class Held:
    """What the model knows of a lease that was granted last on its key."""

    lease: Lease
    expired: bool = False
    unsure: bool = False
    """It had run out when the store was lost, which may have forgotten it then."""


class Turns(RuleBasedStateMachine):
    """Workers who take turns; each step is one of theirs, and the model is what a single thought would have done."""

    def __init__(self, make: Callable[[], Subject]) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.subject = self.loop.run_until_complete(self._made(make))
        self.records: dict[str, bytes] = {}
        self.holders: dict[str, Held] = {}
        self.leases: list[Lease] = []
        self.written = 0

    async def _made(self, make: Callable[[], Subject]) -> Subject:
        return make()

    def run(self, work):
        """What a worker is told."""
        return self.loop.run_until_complete(work)

    def worker(self, pick):
        """One of the two ways in."""
        return (self.subject.store, self.subject.other)[pick % 2]

    def right(self, read, key) -> bool:
        """Whether *read* is what stands under *key*."""
        return read == self.records.get(key)

    @rule(key=keys, pick=picks, briefly=briefly)
    def take(self, key, pick, briefly):
        """A turn begins; or begins, and its holder is not heard of for too long."""
        lease, before = new_lease(key), self.holders.get(key)
        hold_s = PASSES_S if briefly else LASTS_S

        taken = self.run(self.worker(pick).take(lease, KEYS, hold_s=hold_s, keep_s=LASTS_S))

        assert taken.held is (before is None or before.expired)
        if before is None or not before.unsure:
            assert taken.abandoned is (before is not None and before.expired)
        assert all(self.right(read, each) for read, each in zip(taken.records, KEYS, strict=True)), taken
        self.leases.append(lease)
        if taken.held:
            self.holders[key] = Held(lease, expired=briefly)
        if briefly:
            self.run(self.subject.elapse(PASSES_S))

    @precondition(lambda self: self.leases)
    @rule(pick=picks, drop=st.booleans())
    def settle(self, pick, drop):
        """A turn ends: any that ever began, however long ago, and however often it has ended already."""
        lease = self.leases[pick % len(self.leases)]
        holder = self.holders.get(lease.key)
        value, other = b"%d" % self.written, next(key for key in KEYS if key != lease.key)
        self.written += 1

        done = self.run(
            self.worker(pick).settle(lease, (put(lease.key, value),), (other,) if drop else (), keep_s=LASTS_S)
        )

        rightful = holder is not None and holder.lease == lease
        if not (rightful and holder.unsure):
            assert done is rightful
        if rightful:
            del self.holders[lease.key]
        if done:
            self.records[lease.key] = value
            if drop:
                self.records.pop(other, None)

    @precondition(lambda self: self.leases)
    @rule(pick=picks)
    def renew(self, pick):
        """Some turns are still under way; or their worker believes so."""
        some = [self.leases[(pick + n) % len(self.leases)] for n in range(3)]

        still = self.run(self.worker(pick).renew(some, hold_s=LASTS_S))

        for lease, kept in zip(some, still, strict=True):
            holder = self.holders.get(lease.key)
            rightful = holder is not None and holder.lease == lease
            if rightful and holder.unsure and not kept:
                del self.holders[lease.key]
                continue
            assert kept is rightful
            if rightful:
                holder.expired = holder.unsure = False

    @rule(key=keys, pick=picks)
    def write(self, key, pick):
        """A turn that nobody could be in the way of."""
        self.records[key] = b"%d" % self.written
        self.written += 1
        self.run(self.worker(pick).write(ALICE, (put(key, self.records[key]),), keep_s=LASTS_S))

    def teardown(self):
        """Both workers end."""
        for each in {id(each): each for each in (self.subject.store, self.subject.other)}.values():
            self.run(each.close())
        self.loop.close()


def played(machine, *, examples) -> None:
    """Play many stories, and shrink the one that goes wrong."""
    checks = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
    how = settings(max_examples=examples, stateful_step_count=STEPS, deadline=None, suppress_health_check=checks)
    run_state_machine_as_test(machine, settings=how)


@pytest.mark.parametrize("name", ["memory", "sqlite", *REMOTE])
def test_no_turn_is_ever_in_anothers_way(name, tmp_path_factory, request):
    def make() -> Subject:
        match name:
            case "memory":
                return stores.memory()
            case "sqlite":
                return stores.sqlite(tmp_path_factory.mktemp("interleaved"))
            case _:
                return stores.redis(request.getfixturevalue("shared_server")(name).url)

    played(lambda: Turns(make), examples=100 if name == "memory" else 25)


class LosingTurns(Turns):
    """The same, where the store is lost and found at any moment, in any way."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.remote = FakeRemote(self.clock)
        store = DegradingStore(self.remote, self.clock, max_records=1_000)
        super().__init__(lambda: Subject(store, store, self.clock.advance))

    def run(self, work):
        """Deadlines pass, if somebody waits for one."""
        return self.loop.run_until_complete(self._run(work))

    async def _run(self, work):
        task = asyncio.ensure_future(work)  # noqa: TID251 - a test's own
        await asyncio.sleep(0)
        while not task.done():
            await self.clock.advance(DEADLINE_S)
        return await task

    def right(self, read, key) -> bool:
        """What is not here is a miss while the store is lost; never anything else."""
        return super().right(read, key) or (read is None and self.subject.store.degraded)

    @rule(how=st.sampled_from(["down", "frozen", "late"]))
    def lose(self, how):
        """Nobody has noticed yet."""
        setattr(self.remote, how, True)
        for holder in self.holders.values():
            holder.unsure = holder.expired

    @rule()
    def find(self):
        """It is there again, and that is noticed."""
        self.remote.down = self.remote.frozen = self.remote.late = False
        for holder in self.holders.values():
            holder.unsure = holder.expired
        self.run(self.clock.advance(2 * LONGEST_PROBE_S))
        assert not self.subject.store.degraded
        assert {key: late.put.value for key in KEYS if (late := self.remote.inner.late(ALICE, key))} == self.records

    def teardown(self):
        """It ends while it is there."""
        self.find()
        super().teardown()


def test_no_turn_is_in_anothers_way_whenever_the_store_is_lost():
    played(LosingTurns, examples=200)
