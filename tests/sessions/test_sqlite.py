"""What is said of the SQLite store alone: the file, other processes, crashes."""

import asyncio
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from proxy.sessions.sqlite import SQLiteStore
from proxy.sessions.sqlite_file import APPLICATION, VERSION, StoreUnusable
from proxy.sessions.store import StoreFailed
from proxy.testing.clock import ManualClock
from tests.sessions.stores import ABANDONED, ALICE, FREE, LASTS_S, new_lease, put, take

WRITER = """
import asyncio, sys
from itertools import count
from contextlib import closing
from pathlib import Path
from proxy.clock import LoopClock
from proxy.sessions.sqlite import SQLiteStore
from proxy.sessions.store import Lease, Put

async def main():
    store = SQLiteStore(Path(sys.argv[1]), LoopClock(), max_records=1_000)
    async def turns(worker):
        for n in count():
            lease = Lease("a1", f"{worker}", f"{worker:04x}{n:08x}")
            assert (await store.take(lease, (), hold_s=0.001, keep_s=600)).held
            value = b"%d" % n * 500
            puts = [Put(f"{worker}{part}", f"{worker}", value) for part in "abc"]
            assert await store.settle(lease, puts, (), keep_s=600)
            if n == 5:
                print("under load", flush=True)
    await asyncio.gather(*(turns(worker) for worker in range(4)))

asyncio.run(main())
"""
OPENER = """
import asyncio, sys
from contextlib import closing
from pathlib import Path
from proxy.clock import LoopClock
from proxy.sessions.sqlite import SQLiteStore

async def main():
    store = SQLiteStore(Path(sys.argv[1]), LoopClock(), max_records=10)
    await store.write("a1", (), keep_s=0)
    await store.close()

asyncio.run(main())
"""


@pytest.fixture
def path(tmp_path) -> Path:
    """Where the file is going to be; its folder is not there yet."""
    return tmp_path / "state" / "turnstile" / "sessions.db"


@pytest.fixture
async def opened(path):
    """Open stores on the file, and close them after the test."""
    stores = []

    def opened(**options):
        stores.append(SQLiteStore(path, ManualClock(), **{"max_records": 100, **options}))
        return stores[-1]

    yield opened
    for store in stores:
        await store.close()


@pytest.fixture
def locked(path, opened):
    """Another process's transaction, which lasts until it is rolled back; needs a file."""
    opened()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield other
    other.close()


# --- the file


async def test_the_file_is_its_owners_alone(path, opened):
    """Ids of conversations are in it; a umask of the operator's does not decide about that."""
    before = os.umask(0)
    try:
        await opened().write(ALICE, (put("aa"),), keep_s=0)
    finally:
        os.umask(before)

    assert path.parent.stat().st_mode & 0o777 == 0o700
    modes = {each.name: each.stat().st_mode & 0o777 for each in path.parent.iterdir()}
    assert modes == {"sessions.db": 0o600, "sessions.db-wal": 0o600, "sessions.db-shm": 0o600}


async def test_records_and_leases_survive_a_restart(path, opened):
    first = opened()
    lease, _ = await take(first, "aa")
    await first.write(ALICE, (put("aa"),), keep_s=0)
    await first.close()

    second = opened()

    assert not (await take(second, "aa"))[1].held
    assert await second.settle(lease, (), (), keep_s=0)
    assert (await take(second, "aa", "aa"))[1].records == (b"value",)


def test_workers_may_open_a_new_file_at_once(path):
    command = [sys.executable, "-c", OPENER, str(path)]
    workers = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(6)]  # noqa: S603 - a command of ours

    assert [(worker.communicate()[1], worker.returncode) for worker in workers] == [(b"", 0)] * 6


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda path: path.write_bytes(b"not a database, but long enough" * 100), "file is not a database"),
        (lambda path: path.mkdir(), "is a directory"),
        (lambda path: _lay_out(path, application=0, version=0), "is another program's database"),
        (lambda path: _lay_out(path, application=APPLICATION, version=VERSION + 1), "written by a newer version"),
    ],
)
async def test_a_file_that_is_not_ours_is_refused_in_one_line(path, spoil, told):
    path.parent.mkdir(parents=True)
    spoil(path)
    before = path.read_bytes() if path.is_file() else b""

    with pytest.raises(StoreUnusable) as raised:
        SQLiteStore(path, ManualClock(), max_records=10)

    message = raised.value.strerror
    assert message.startswith("session.store: ")
    assert told in message
    assert str(path) in message
    assert "\n" not in message
    assert (path.read_bytes() if path.is_file() else b"") == before


def _lay_out(path, *, application, version):
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE some (thing)")
        database.execute(f"PRAGMA application_id = {application}")
        database.execute(f"PRAGMA user_version = {version}")


async def test_a_place_that_cannot_be_written(tmp_path):
    """By nobody, not even root."""
    (tmp_path / "file").touch()
    for path in (Path("/proc/turnstile/sessions.db"), tmp_path / "file" / "sessions.db"):
        with pytest.raises(StoreUnusable) as raised:
            SQLiteStore(path, ManualClock(), max_records=10)

        assert raised.value.strerror.startswith(f"session.store: cannot write {path}: ")


# --- failures while it runs


async def test_a_file_that_stays_locked_is_a_failure(opened, locked):
    store = opened(busy_s=0.02)

    with pytest.raises(StoreFailed, match="locked"):
        await take(store, "aa")

    locked.rollback()
    assert (await take(store, "aa"))[1] == FREE


async def test_waiting_for_a_lock_leaves_the_loop_alone(opened, locked):
    """The lock is given back by the loop: if that waited, too, the store would wait in vain."""
    store = opened(busy_s=20.0)
    asked = [asyncio.ensure_future(take(store, f"{n}")) for n in range(5)]  # noqa: TID251 - a test's own
    await asyncio.sleep(0.05)
    assert not any(each.done() for each in asked)

    locked.rollback()

    assert [(await each)[1] for each in asked] == [FREE] * 5


async def test_a_full_disk_is_a_failure_of_which_nothing_remains(opened):
    store = opened()
    await store.write(ALICE, (put("aa"),), keep_s=0)
    lease, _ = await take(store, "aa")
    await store._thread.run(lambda database: database.execute("PRAGMA max_page_count = 1").fetchall())

    with pytest.raises(StoreFailed, match="full"):
        await store.settle(lease, (put("bb"), put("aa", b"x" * 100_000)), (), keep_s=0)

    await store._thread.run(lambda database: database.execute("PRAGMA max_page_count = 100000").fetchall())
    assert (await take(store, "aa", "aa", "bb"))[1].records == (b"value", None)
    assert await store.settle(lease, (), (), keep_s=0)


async def test_a_bug_is_not_taken_for_a_failure_of_the_store(opened):
    store = opened()

    with pytest.raises(ZeroDivisionError):
        await store._thread.run(lambda _database: 1 / 0)

    assert (await take(store, "aa"))[1] == FREE


async def test_a_turn_that_is_cut_while_it_asks_leaves_no_lease(opened, locked):
    store = opened(busy_s=20.0)
    asked = asyncio.ensure_future(take(store, "aa"))  # noqa: TID251 - a test's own
    await asyncio.sleep(0)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked

    locked.rollback()

    assert (await take(store, "aa"))[1] == FREE


async def test_a_turn_that_is_cut_while_it_writes_has_written(opened, locked):
    store = opened(busy_s=20.0)
    await asyncio.sleep(0)
    write = asyncio.ensure_future(store.write(ALICE, (put("aa"),), keep_s=0))  # noqa: TID251 - a test's own
    await asyncio.sleep(0)
    write.cancel()
    locked.rollback()

    assert (await take(store, "aa", "aa"))[1].records == (b"value",)


async def test_a_closed_store_says_so(opened):
    store = opened()
    await store.close()
    await store.close()

    with pytest.raises(StoreFailed):
        await take(store, "aa")


async def test_what_was_asked_for_before_the_end_is_done(opened):
    store = opened()
    writes = [asyncio.ensure_future(store.write(ALICE, (put(f"{n}"),), keep_s=0)) for n in range(20)]  # noqa: TID251 - a test's own
    await asyncio.sleep(0)
    await store.close()

    await asyncio.gather(*writes)

    assert (await opened().sessions(ALICE, limit=1))[0].records == 20


# --- kill -9


def kill_under_load(path):
    """Have a process write turns as fast as it can, and kill it."""
    command = [sys.executable, "-c", WRITER, str(path)]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE)  # noqa: S603 - a command of ours
    assert writer.stdout is not None
    assert [writer.stdout.readline() for _ in range(4)] == [b"under load\n"] * 4
    writer.kill()
    writer.communicate()


async def test_a_killed_worker_leaves_whole_turns(path, opened):
    """Each turn writes one value three times: there is never one that is written twice."""
    kill_under_load(path)
    store = opened()

    assert await store._thread.run(lambda database: database.execute("PRAGMA integrity_check").fetchall()) == [("ok",)]
    for worker in range(4):
        lease = new_lease("ff", partition="a1")
        taken = await store.take(lease, [f"{worker}{part}" for part in "abc"], hold_s=LASTS_S, keep_s=600)
        assert len(set(taken.records)) == 1
        assert taken.records[0] is not None
        await store.settle(lease, (), (), keep_s=600)


async def test_a_killed_workers_lease_is_told_to_the_next(path, opened):
    clock = ManualClock()
    dies, lives = (SQLiteStore(path, clock, max_records=10) for _ in range(2))
    await take(dies, "aa", hold_s=30.0)
    await dies.close()

    await clock.advance(30.0)

    assert (await take(lives, "aa"))[1] == ABANDONED
    await lives.close()
