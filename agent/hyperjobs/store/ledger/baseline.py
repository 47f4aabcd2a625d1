"""The first count of a store that was there before its ledger, taken beside its writers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from hyperjobs.errors import StoreInterruptedError
from hyperjobs.store.instant import parse
from hyperjobs.store.ledger.replay import Row
from hyperjobs.store.ledger.rollup import added, log_span, read_meta, read_providers, touch_past, write_meta
from hyperjobs.store.ledger.select import fetch, stream
from hyperjobs.store.ledger.tally import LARGEST_SUM, Tally

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    import apsw

    from hyperjobs.clock import Clock
    from hyperjobs.store.connection import Connection
    from hyperjobs.store.ledger.label import Providers
    from hyperjobs.store.ledger.options import LedgerOptions

_COLUMNS = ("provider", "status", "created_at", "started_at", "completed_at", "total_size", "files_count")
_ROWS_BETWEEN_LOOKS = 1_000  # at the stop; some milliseconds of work
_BATCH_ROWS = 500
"""Hours brought over or log rows trimmed a transaction: some milliseconds of the write lock."""
_CELLS_IN_MEMORY = 5_000  # some hundred bytes each

_EMPTY_HOURS = (
    "DELETE FROM hyperjobs_hour WHERE (hour,provider,status) IN "  # noqa: S608 - numbers of ours
    f"(SELECT hour,provider,status FROM hyperjobs_hour LIMIT {_BATCH_ROWS})"
)
_TRIM_LOG = (
    "DELETE FROM hyperjobs_log WHERE seq IN "  # noqa: S608 - numbers of ours
    f"(SELECT seq FROM hyperjobs_log WHERE seq<{{}} ORDER BY seq LIMIT {_BATCH_ROWS})"
)
_FIRST_CELLS = f"WHERE rowid<=(SELECT min(rowid) FROM temp.hyperjobs_cell)+{_BATCH_ROWS - 1}"  # noqa: S608 - as above
_BRING_HOURS = (
    f"INSERT INTO hyperjobs_hour SELECT hour,provider,status,jobs,micros,bytes,files FROM temp.hyperjobs_cell {_FIRST_CELLS}"  # noqa: S608
    " ON CONFLICT DO UPDATE SET jobs=max(jobs,excluded.jobs),micros=max(micros,excluded.micros),"
    "bytes=max(bytes,excluded.bytes),files=max(files,excluded.files)"
)
_FORGET_BROUGHT = f"DELETE FROM temp.hyperjobs_cell {_FIRST_CELLS}"  # noqa: S608 - as above


class Pace(Protocol):
    """How a long work goes on beside others."""

    def is_stopping(self) -> bool:
        """Whether to give up; asked every few milliseconds."""
        ...

    def rest(self, seconds: float) -> None:
        """Leave the store to its writers for so long, or until the stop."""
        ...


def take_baseline(connection: Connection, options: LedgerOptions, *, clock: Clock, pace: Pace) -> int:
    """Count every job in one read snapshot, then put the sums in place of the rollups' and trim the log to it.

    Writers go on and are logged meanwhile; each write transaction here takes milliseconds, for the hours of a store,
    of which there can be a hundred thousand, wait in a temporary table and are brought over in batches. Until the
    last one nobody reads or folds, so a baseline that is interrupted is simply taken again.

    Where rollups are there already (the triggers were lost for a while), gauges are replaced and each counter becomes
    the greater of the old one and the rows': it never falls, and what happened unseen counts as far as rows still
    show it.

    Returns:
        The jobs counted.

    Raises:
        StoreInterruptedError: the pace said so.
    """
    now = clock.now()
    counted = connection.read(lambda db: _count(db, options, now, pace))
    try:
        if not connection.read(read_meta).get("is_counted"):
            _in_batches(connection, _EMPTY_HOURS, clock, pace)  # what an interrupted one left
        _in_batches(connection, _TRIM_LOG.format(counted.through), clock, pace)
        _in_batches(connection, _BRING_HOURS, clock, pace, then=_FORGET_BROUGHT)
        connection.write(counted.finish)
    finally:
        connection.rows("DROP TABLE IF EXISTS temp.hyperjobs_cell")
    return counted.jobs


@dataclass(frozen=True, slots=True)
class _Counted:
    """The sums of one snapshot; its hours are in ``temp.hyperjobs_cell``."""

    through: int
    tally: Tally
    providers: Providers
    jobs: int

    def finish(self, db: apsw.Connection) -> None:
        """Put everything but the hours in place and open the ledger.

        The last row that was counted goes only now: numbers of the log begin anew when it is empty, and what is logged
        after that would have the numbers of rows that were counted.
        """
        db.execute("DELETE FROM hyperjobs_log WHERE seq<=?", (self.through,))
        db.execute("DELETE FROM hyperjobs_gauge")
        db.executemany("INSERT INTO hyperjobs_gauge VALUES(?,?,?)", [(*key, n) for key, n in self.tally.gauges.items()])
        db.executemany(
            "INSERT INTO hyperjobs_total VALUES(?,?,?,?,?) ON CONFLICT DO UPDATE SET value=max(value,excluded.value)",
            [(*key, min(count, LARGEST_SUM)) for key, count in self.tally.totals.items()],
        )
        db.executemany(
            "INSERT INTO hyperjobs_latest VALUES(?,?)"
            " ON CONFLICT DO UPDATE SET completed_at=max(completed_at,excluded.completed_at)",
            self.tally.latest.items(),
        )
        db.executemany("INSERT OR IGNORE INTO hyperjobs_provider VALUES(?,?)", self.providers.admitted.items())
        touch_past(db)
        write_meta(db, state="ready", is_counted=1, generation=read_meta(db)["generation"] + 1)


def _in_batches(connection: Connection, sql: str, clock: Clock, pace: Pace, *, then: str | None = None) -> None:
    """Run a statement that does a batch a time until it does nothing, leaving writers as much of the lock as it took."""

    def work(db: apsw.Connection) -> int:
        db.execute(sql)
        done = db.changes()
        if then is not None:
            db.execute(then)
        return done

    while True:
        _look(pace)
        started_s = clock.monotonic()
        if not connection.write(work):
            return
        pace.rest(clock.monotonic() - started_s)


def _count(db: apsw.Connection, options: LedgerOptions, now: datetime, pace: Pace) -> _Counted:
    meta = read_meta(db)
    _, through = log_span(db)
    bounds = tuple(json.loads(meta["bounds"]))
    admitted = read_providers(db)
    selected = f"SELECT {','.join(_COLUMNS)} FROM jobs"  # noqa: S608 - our own columns
    for found in (lambda: db.execute(selected), lambda: stream(db, _COLUMNS, "FROM jobs")):
        providers = options.admission(admitted)
        largest = "FROM jobs GROUP BY provider ORDER BY count(*) DESC, provider LIMIT ?"
        for (provider,) in fetch(db, ("provider",), largest, (options.max_providers,)):
            providers.label(provider)
        tally = Tally(providers, bounds=bounds, now=now)
        _make_cells(db)
        try:
            jobs = _add_all(db, tally, found(), now, pace)
        except UnicodeDecodeError:  # once more, by the way that takes any text
            continue
        return _Counted(through, tally, providers, jobs)
    raise AssertionError("a stream of any text has no undecodable one")


def _make_cells(db: apsw.Connection) -> None:
    db.execute("DROP TABLE IF EXISTS temp.hyperjobs_cell")
    db.execute(
        "CREATE TEMP TABLE hyperjobs_cell(hour INTEGER,provider TEXT,status TEXT,jobs INTEGER,micros INTEGER,"
        "bytes INTEGER,files INTEGER,UNIQUE(hour,provider,status))"
    )


def _add_all(db: apsw.Connection, tally: Tally, found: Iterable[Any], now: datetime, pace: Pace) -> int:
    now_s = int(now.timestamp())
    count = 0
    for row in map(Row._make, found):
        tally.count_row(row, finish_seconds(row, now_s))
        count += 1
        if count % _ROWS_BETWEEN_LOOKS == 0:
            _look(pace)
            if len(tally.hours) > _CELLS_IN_MEMORY:
                _put_cells(db, tally)
    _put_cells(db, tally)
    return count


def _put_cells(db: apsw.Connection, tally: Tally) -> None:
    db.executemany(
        "INSERT INTO temp.hyperjobs_cell VALUES(?,?,?,?,?,?,?) ON CONFLICT DO UPDATE SET "
        + added("jobs", "micros", "bytes", "files"),
        [(*key, *(min(count, LARGEST_SUM) for count in cell)) for key, cell in tally.hours.items()],
    )
    tally.hours.clear()


def _look(pace: Pace) -> None:
    if pace.is_stopping():
        raise StoreInterruptedError("the first count of the store was stopped; the next start takes it again")


def finish_seconds(row: Row, now_s: int) -> int:
    """When a job with no ``completed_at`` finished, as far as its row tells: the rule that prune goes by, too."""
    if row.completed_at is not None:
        return now_s
    for value in (row.started_at, row.created_at):
        found = parse(value)
        if found is not None:
            return min(int(found.timestamp()), now_s)
    return now_s
