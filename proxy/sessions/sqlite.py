"""Records and leases in a file that the workers of one host share; they survive the end of any of them.

Times are those of the host's wall clock, since that is what its processes share.
"""

import asyncio
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from proxy.deadline import Clock
from proxy.sessions.sqlite_file import T, Thread, Work, opened
from proxy.sessions.store import Lease, Listed, Put, Taken

BUSY_S = 2.0  # other workers' transactions take well under a millisecond; a file that is locked for longer is stuck
FOR_EVER_MS = 2**62
SWEEP_WRITES = 256  # writes of a process between two looks at what has expired, and at how much there is
SWEEP_RECORDS = 1_000  # so many of the least recently used are looked at; a multiple of what has come meanwhile

LIST = """
    SELECT groups.partition, groups.session, value, records FROM (
        SELECT partition, session, count(*) AS records, max(written_ms) AS written_ms
        FROM records WHERE expires_ms > ? {} GROUP BY partition, session ORDER BY 4 DESC LIMIT ?
    ) AS groups
    LEFT JOIN records AS head
        ON head.partition = groups.partition AND head.key = groups.session AND head.expires_ms > ?
    ORDER BY groups.written_ms DESC
"""
LIST_ALL = LIST.format("")
LIST_PARTITION = LIST.format("AND partition = ?")


class SQLiteStore:
    """A `RecordStore` of some *max_records*; the least recently used go first.

    What is above that is only taken away from time to time.  Opening raises `StoreUnusable`.
    """

    degraded = False

    def __init__(self, path: Path, clock: Clock, *, max_records: int, busy_s: float = BUSY_S) -> None:
        self._thread = Thread(opened(path, busy_s=busy_s))
        self._clock = clock
        self._max_records = max_records
        self._sweep_writes = min(SWEEP_WRITES, max(1, max_records // 50))
        self._writes = 0

    # --- the port

    async def take(self, lease: Lease, reads: Sequence[str], *, hold_s: float, keep_s: float) -> Taken:
        """See `RecordStore`."""
        try:
            return await self._thread.run(lambda database: self._take(database, lease, reads, hold_s, keep_s))
        except asyncio.CancelledError:
            self._thread.later(lambda database: _give_back(database, lease))  # nobody else would
            raise

    async def renew(self, leases: Sequence[Lease], *, hold_s: float) -> Sequence[bool]:
        """See `RecordStore`."""

        def renewed(database: sqlite3.Connection) -> list[bool]:
            until_ms = self._now_ms() + _ms(hold_s)
            return [
                database.execute(
                    "UPDATE leases SET forgotten_ms = forgotten_ms + ? - until_ms, until_ms = ?"
                    " WHERE partition = ? AND key = ? AND token = ?",
                    (until_ms, until_ms, lease.partition, lease.key, lease.token),
                ).rowcount
                == 1
                for lease in leases
            ]

        return await self._thread.run(renewed) if leases else []

    async def settle(self, lease: Lease, puts: Sequence[Put], drops: Sequence[str], *, keep_s: float) -> bool:
        """See `RecordStore`."""

        def settled(database: sqlite3.Connection) -> bool:
            if not _give_back(database, lease):
                return False
            self._put(database, lease.partition, puts, keep_s)
            for key in drops:
                database.execute("DELETE FROM records WHERE partition = ? AND key = ?", (lease.partition, key))
            return True

        return await self._written(len(puts), settled)

    async def write(self, partition: str, puts: Sequence[Put], *, keep_s: float) -> None:
        """See `RecordStore`."""
        await self._written(len(puts), lambda database: self._put(database, partition, puts, keep_s))

    async def sessions(self, partition: str | None, *, limit: int) -> Sequence[Listed]:
        """See `RecordStore`."""
        statement, place = (LIST_ALL, ()) if partition is None else (LIST_PARTITION, (partition,))

        def listed(database: sqlite3.Connection) -> list[Listed]:
            now_ms = self._now_ms()
            return [Listed(*row) for row in database.execute(statement, (now_ms, *place, limit, now_ms))]

        return await self._thread.run(listed)

    async def delete(self, partition: str, session: str | None) -> int:
        """See `RecordStore`."""
        return await self._thread.run(lambda database: self._delete(database, partition, session))

    async def close(self) -> None:
        """See `RecordStore`."""
        await self._thread.close()

    # --- in the thread

    def _now_ms(self) -> int:
        return int(self._clock.wall() * 1000)

    def _take(
        self, database: sqlite3.Connection, lease: Lease, reads: Sequence[str], hold_s: float, keep_s: float
    ) -> Taken:
        now_ms = self._now_ms()  # only now: the transaction may have waited for others
        place = (lease.partition, lease.key)
        row = database.execute(
            "SELECT token, until_ms, forgotten_ms FROM leases WHERE partition = ? AND key = ?", place
        ).fetchone()
        token, until_ms, forgotten_ms = row or (lease.token, 0, 0)
        others = token != lease.token
        held = not others or until_ms <= now_ms
        if held:
            until = now_ms + _ms(hold_s)
            database.execute(
                "INSERT OR REPLACE INTO leases VALUES (?, ?, ?, ?, ?)",
                (*place, lease.token, until, until + _kept_ms(keep_s)),
            )
        expires_ms = now_ms + _kept_ms(keep_s)
        records = [
            database.execute(
                "UPDATE records SET used_ms = ?, expires_ms = ? WHERE partition = ? AND key = ? AND expires_ms > ?"
                " RETURNING value",
                (now_ms, expires_ms, lease.partition, key, now_ms),
            ).fetchall()
            for key in reads
        ]
        abandoned = others and until_ms <= now_ms < forgotten_ms
        return Taken(held, abandoned, tuple(found[0][0] if found else None for found in records))

    def _put(self, database: sqlite3.Connection, partition: str, puts: Sequence[Put], keep_s: float) -> None:
        now_ms = self._now_ms()
        expires_ms = now_ms + _kept_ms(keep_s)
        for put in puts:
            database.execute(
                "INSERT OR REPLACE INTO records VALUES (?, ?, ?, ?, ?, ?, ?)",
                (partition, put.key, put.session, put.value, now_ms, now_ms, expires_ms),
            )

    def _delete(self, database: sqlite3.Connection, partition: str, session: str | None) -> int:
        which = "partition = ?"
        place: tuple[str, ...] = (partition,)
        if session is None:
            database.execute("DELETE FROM leases WHERE partition = ?", place)
        else:
            which, place = f"{which} AND session = ?", (partition, session)
            database.execute(
                "DELETE FROM leases WHERE partition = ? AND (key = ? OR key IN"
                " (SELECT key FROM records WHERE partition = ? AND session = ?))",
                (partition, session, *place),
            )
        live = f"SELECT count(DISTINCT session) FROM records WHERE {which} AND expires_ms > ?"  # noqa: S608 - a literal
        (groups,) = database.execute(live, (*place, self._now_ms())).fetchone()
        database.execute(f"DELETE FROM records WHERE {which}", place)  # noqa: S608 - a literal
        return int(groups)

    async def _written(self, records: int, work: Work[T]) -> T:
        result = await self._thread.run(work)
        self._writes += records
        if self._writes >= self._sweep_writes:
            self._writes = 0
            self._thread.later(self._sweep)
        return result

    def _sweep(self, database: sqlite3.Connection) -> None:
        """Take away what has expired, and what is too much; the least recently used are likeliest to be either."""
        now_ms = self._now_ms()
        oldest = "SELECT rowid FROM records ORDER BY used_ms, rowid LIMIT ?"
        database.execute(
            f"DELETE FROM records WHERE rowid IN ({oldest}) AND expires_ms <= ?",  # noqa: S608 - a literal
            (SWEEP_RECORDS, now_ms),
        )
        (records,) = database.execute("SELECT count(*) FROM records").fetchone()
        if records > self._max_records:
            database.execute(f"DELETE FROM records WHERE rowid IN ({oldest})", (records - self._max_records,))  # noqa: S608 - a literal
        database.execute("DELETE FROM leases WHERE forgotten_ms <= ?", (now_ms,))


def _give_back(database: sqlite3.Connection, lease: Lease) -> bool:
    """Whether there was anything to give back."""
    given = database.execute(
        "DELETE FROM leases WHERE partition = ? AND key = ? AND token = ?", (lease.partition, lease.key, lease.token)
    )
    return given.rowcount == 1


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _kept_ms(keep_s: float) -> int:
    return _ms(keep_s) or FOR_EVER_MS
