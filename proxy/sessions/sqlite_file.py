"""The SQLite file of a host: how it is opened, and the one thread in which a process talks to it.

All of a transaction runs in one job of the thread, so it costs the event loop one hand-over, however many statements
it has.
"""

import asyncio
import errno
import os
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

from proxy.sessions.store import StoreFailed

APPLICATION = 0x5455524E  # "TURN": what the file says of whose it is
VERSION = 1
SCHEMA = """
CREATE TABLE records (
    partition TEXT NOT NULL, key TEXT NOT NULL, session TEXT NOT NULL, value BLOB NOT NULL,
    written_ms INTEGER NOT NULL, used_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL,
    PRIMARY KEY (partition, key)
);
CREATE INDEX records_by_session ON records (partition, session, written_ms);
CREATE INDEX records_by_use ON records (used_ms);
CREATE TABLE leases (
    partition TEXT NOT NULL, key TEXT NOT NULL, token TEXT NOT NULL,
    until_ms INTEGER NOT NULL, forgotten_ms INTEGER NOT NULL,
    PRIMARY KEY (partition, key)
) WITHOUT ROWID;
"""
OPENING_S = 10.0
"""How long opening waits for other workers, one of which is the first and lays out the file."""

ANSWERS_TOGETHER = 8
"""How many answers wait for each other at most when jobs have gathered: waking the loop costs it more than a job."""

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]
Job = tuple["asyncio.Future[Any] | None", Work[Any]]
Answer = tuple["asyncio.Future[Any]", object, Exception | None]


class StoreUnusable(OSError):
    """A store can't be opened; the message, which is its `strerror`, is one line for an operator."""

    def __init__(self, message: str, number: int = errno.EIO) -> None:
        super().__init__(number, message)


def opened(path: Path, *, busy_s: float) -> sqlite3.Connection:
    """The file at *path*, made if there is none, for its owner alone; raises `StoreUnusable`.

    Statements wait *busy_s* seconds for other workers.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise StoreUnusable(f"session.store: cannot write {path}: {_reason(error)}", error.errno or 0) from error
    try:
        return _laid_out(path, busy_s)
    except sqlite3.Error as error:
        raise StoreUnusable(f"session.store: {path} cannot be used: {error}") from error


def _laid_out(path: Path, busy_s: float) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=OPENING_S, isolation_level=None, check_same_thread=False)
    try:
        database.execute("PRAGMA synchronous = NORMAL")  # a crash of the host may cost the last turns, not the file
        if not _check(database, path):
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("BEGIN IMMEDIATE")
            if not _check(database, path):  # another worker may have been first
                for statement in filter(str.strip, SCHEMA.split(";")):
                    database.execute(statement)
                database.execute(f"PRAGMA application_id = {APPLICATION}")
                database.execute(f"PRAGMA user_version = {VERSION}")
            database.execute("COMMIT")
        database.execute(f"PRAGMA busy_timeout = {int(busy_s * 1000)}")
    except BaseException:
        database.close()
        raise
    return database


def _check(database: sqlite3.Connection, path: Path) -> bool:
    """Whether the file is laid out already; raises `StoreUnusable` if it is not ours."""
    (application,) = database.execute("PRAGMA application_id").fetchone()
    (version,) = database.execute("PRAGMA user_version").fetchone()
    (tables,) = database.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if tables and application != APPLICATION:
        raise StoreUnusable(f"session.store: {path} is another program's database")
    if version > VERSION:
        raise StoreUnusable(f"session.store: {path} was written by a newer version (layout {version}, not {VERSION})")
    return bool(tables)


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


class Thread:
    """Runs jobs on a database, one after another, each as one transaction; closes it in the end."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._ended: Future[None] = Future()
        self._closing = False
        # A thread that nobody has closed must not keep the process; SQLite survives being left in the middle.
        threading.Thread(target=self._work, name="session store", daemon=True).start()

    async def run(self, work: Work[T]) -> T:
        """What *work* returns; it is done even if the caller is cancelled.  Raises `StoreFailed`."""
        if self._closing:
            raise StoreFailed("the store is closed")
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._jobs.put((done, work))
        return await done

    def later(self, work: Work[Any]) -> None:
        """Have *work* done after what was asked for so far; nobody waits for it, nobody hears of its failure."""
        self._jobs.put((None, work))

    async def close(self) -> None:
        """Finish what was asked for, and close the database."""
        if not self._closing:
            self._closing = True
            self._jobs.put(None)
        await asyncio.shield(asyncio.wrap_future(self._ended))

    # --- in the thread

    def _work(self) -> None:
        try:
            while self._work_on(self._jobs.get()):
                pass
        finally:
            self._database.close()
            self._ended.set_result(None)

    def _work_on(self, job: Job | None) -> bool:
        """Do *job* and what has gathered behind it, and tell all of it at once; false when the end was among it."""
        answers: list[Answer] = []
        while job is not None:
            done, work = job
            result, failed = self._transact(work)
            if done is not None:
                answers.append((done, result, failed))
            if len(answers) == ANSWERS_TOGETHER or self._jobs.empty():
                break
            job = self._jobs.get()
        if answers:
            with suppress(RuntimeError):  # their loop has ended
                answers[0][0].get_loop().call_soon_threadsafe(_tell, answers)
        return job is not None

    def _transact(self, work: Work[T]) -> tuple[T | None, Exception | None]:
        """What *work* returned, and what kept it from that; then nothing of it is done."""
        database = self._database
        try:
            database.execute("BEGIN IMMEDIATE")
            try:
                result = work(database)
                database.execute("COMMIT")
            finally:
                if database.in_transaction:
                    database.execute("ROLLBACK")
        except sqlite3.Error as error:
            failed = StoreFailed(f"SQLite: {error}")
            failed.__cause__ = error
            return None, failed
        except Exception as error:  # noqa: BLE001 - whatever it is, whoever waits for it hears of it
            return None, error
        return result, None


def _tell(answers: list[Answer]) -> None:
    for done, result, failed in answers:
        if done.done():  # its caller is gone
            continue
        if failed is not None:
            done.set_exception(failed)
        else:
            done.set_result(result)
