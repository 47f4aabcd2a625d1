"""The first count of a store that was there before its ledger, taken beside its writers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hyperjobs.errors import StoreInterruptedError
from hyperjobs.store.instant import parse
from hyperjobs.store.ledger.replay import Row
from hyperjobs.store.ledger.rollup import apply, log_span, read_meta, read_rollup, write_meta
from hyperjobs.store.ledger.select import fetch, rows, stream
from hyperjobs.store.ledger.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    import apsw

    from hyperjobs.store.connection import Connection
    from hyperjobs.store.ledger.label import Providers
    from hyperjobs.store.ledger.options import LedgerOptions

_COLUMNS = ("provider", "status", "created_at", "started_at", "completed_at", "total_size", "files_count")
_ROWS_BETWEEN_LOOKS = 1_000  # at the stop; some milliseconds of work


def take_baseline(
    connection: Connection, options: LedgerOptions, *, now: datetime, is_stopping: Callable[[], bool]
) -> int:
    """Count every job in one read snapshot, then put the sums in place of the rollups' and trim the log to it.

    Writers go on and are logged meanwhile. A baseline that is interrupted is taken again from the start.

    Where rollups are there already (the triggers were lost for a while), gauges are replaced and each counter becomes
    the greater of the old one and the rows': it never falls, and what happened unseen counts as far as rows still
    show it.

    Returns:
        The jobs counted.

    Raises:
        StoreInterruptedError: ``is_stopping`` said so.
    """
    through, tally, providers, jobs = connection.read(lambda db: _count(db, options, now, is_stopping))

    def write(db: apsw.Connection) -> None:
        old = read_rollup(db)
        for key in tally.totals:
            tally.totals[key] = max(0, tally.totals[key] - old.totals.get(key, 0))
        for (hour, provider, status), cell in tally.hours.items():
            sql = "SELECT jobs,micros,bytes,files FROM hyperjobs_hour WHERE hour=? AND provider=? AND status=?"
            for found in rows(db, sql, (hour, provider, status)) if old.totals else ():
                cell[:] = [max(0, new - was) for new, was in zip(cell, found, strict=True)]
        db.execute("DELETE FROM hyperjobs_gauge")
        apply(db, tally, providers)
        db.execute("DELETE FROM hyperjobs_log WHERE seq<=?", (through,))
        write_meta(db, state="ready", generation=read_meta(db)["generation"] + 1)

    connection.write(write)
    return jobs


def _count(
    db: apsw.Connection, options: LedgerOptions, now: datetime, is_stopping: Callable[[], bool]
) -> tuple[int, Tally, Providers, int]:
    meta = read_meta(db)
    _, through = log_span(db)
    providers = options.admission(read_rollup(db).providers)
    largest = "FROM jobs GROUP BY provider ORDER BY count(*) DESC, provider LIMIT ?"
    for (provider,) in fetch(db, ("provider",), largest, (options.max_providers,)):
        providers.label(provider)
    bounds = tuple(json.loads(meta["bounds"]))
    tally = Tally(providers, bounds=bounds, now=now)
    try:
        jobs = _add_all(tally, db.execute(f"SELECT {','.join(_COLUMNS)} FROM jobs"), now, is_stopping)  # noqa: S608
    except UnicodeDecodeError:
        tally = Tally(providers, bounds=bounds, now=now)
        jobs = _add_all(tally, stream(db, _COLUMNS, "FROM jobs"), now, is_stopping)
    return through, tally, providers, jobs


def _add_all(tally: Tally, rows: Iterable[tuple[Any, ...]], now: datetime, is_stopping: Callable[[], bool]) -> int:
    now_s = int(now.timestamp())
    count = 0
    for row in _mapped(rows):
        tally.count_row(row, finish_seconds(row, now_s))
        count += 1
        if count % _ROWS_BETWEEN_LOOKS == 0 and is_stopping():
            raise StoreInterruptedError("the first count of the store was stopped; the next start takes it again")
    return count


def _mapped(rows: Iterable[tuple[Any, ...]]) -> Iterator[Row]:
    return map(Row._make, rows)


def finish_seconds(row: Row, now_s: int) -> int:
    """When a job with no ``completed_at`` finished, as far as its row tells: the rule that prune goes by, too."""
    if row.completed_at is not None:
        return now_s
    for value in (row.started_at, row.created_at):
        found = parse(value)
        if found is not None:
            return min(int(found.timestamp()), now_s)
    return now_s
