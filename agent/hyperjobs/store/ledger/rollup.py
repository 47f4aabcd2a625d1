"""The rollups as they are stored: read whole, added to, and asked about a period."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from hyperjobs.errors import InvalidJobError
from hyperjobs.store.ledger.label import Providers
from hyperjobs.store.ledger.replay import LOG_COLUMNS, replay, whole_operations
from hyperjobs.store.ledger.select import fetch, rows
from hyperjobs.store.ledger.tally import LARGEST_SUM, Tally
from hyperjobs.store.ledger.window import LIVE_HOURS
from hyperjobs.store.models import JobStats, JobStatus

if TYPE_CHECKING:
    import apsw

    from hyperjobs.store.ledger.tally import GaugeKey, TotalKey

_HOUR_S = 3600
_DAY_HOURS = 24

SCHEMA_VERSION = 2
"""Of our own tables; a store with a newer one is refused, never migrated back."""


@dataclass(slots=True)
class Rollup:
    """The sums of a ledger at one moment.

    Attributes:
        gauges: (provider, status) → jobs.
        totals: (metric, provider, status, bucket) → count.
        latest: provider → epoch seconds of its newest completion.
        providers: labels admitted, in order.
    """

    gauges: dict[GaugeKey, int] = field(default_factory=dict)
    totals: dict[TotalKey, int] = field(default_factory=dict)
    latest: dict[str, int] = field(default_factory=dict)
    providers: list[str] = field(default_factory=list)

    def overlay(self, tally: Tally) -> None:
        """Add what is in the log and not yet folded."""
        for gauge, jobs in tally.gauges.items():
            self.gauges[gauge] = self.gauges.get(gauge, 0) + jobs
        for total, count in tally.totals.items():
            self.totals[total] = self.totals.get(total, 0) + count
        for provider, completed_s in tally.latest.items():
            self.latest[provider] = max(self.latest.get(provider, completed_s), completed_s)


def read_meta(db: apsw.Connection) -> dict[str, Any]:
    """Every key of ``hyperjobs_meta``."""
    return dict(rows(db, "SELECT key,value FROM hyperjobs_meta"))


def write_meta(db: apsw.Connection, **values: Any) -> None:
    """Set these keys."""
    db.executemany("INSERT OR REPLACE INTO hyperjobs_meta(key,value) VALUES(?,?)", values.items())


def read_rollup(db: apsw.Connection) -> Rollup:
    """The stored sums; ask inside a read transaction to have them agree with the log."""
    gauges = {(p, s): n for p, s, n in rows(db, "SELECT provider,status,jobs FROM hyperjobs_gauge")}
    totals = {
        (m, p, s, b): v for m, p, s, b, v in rows(db, "SELECT metric,provider,status,bucket,value FROM hyperjobs_total")
    }
    latest: dict[str, int] = dict(rows(db, "SELECT provider,completed_at FROM hyperjobs_latest"))
    return Rollup(gauges, totals, latest, read_providers(db))


def read_providers(db: apsw.Connection) -> list[str]:
    """The labels admitted, in order."""
    return [label for (label,) in rows(db, "SELECT label FROM hyperjobs_provider ORDER BY rank")]


def read_log(db: apsw.Connection, *, limit: int) -> list[tuple[Any, ...]]:
    """The oldest rows of the log, in order."""
    return fetch(db, LOG_COLUMNS, "FROM hyperjobs_log ORDER BY seq LIMIT ?", (limit,))


def log_span(db: apsw.Connection) -> tuple[int, int]:
    """The first and last seq of the log; ``(0, -1)`` when it is empty, so that last - first + 1 counts its rows."""
    first, last = rows(db, "SELECT (SELECT min(seq) FROM hyperjobs_log),(SELECT max(seq) FROM hyperjobs_log)")[0]
    return (0, -1) if first is None else (first, last)


def touch_past(db: apsw.Connection) -> None:
    """Say that hours which readers take for settled have changed."""
    write_meta(db, past=uuid.uuid4().hex)


def added(*columns: str) -> str:
    """The SET clause of an upsert that adds to these columns, up to the largest sum."""
    return ",".join(f"{column}=min({column}+excluded.{column},{LARGEST_SUM})" for column in columns)


def apply(db: apsw.Connection, tally: Tally, providers: Providers, *, hour: int) -> None:
    """Add the tally to the rollups and append its history; inside the caller's write transaction, in this hour."""
    if any(finished <= hour - LIVE_HOURS for finished, _, _ in tally.hours):
        touch_past(db)
    db.executemany(
        "INSERT INTO hyperjobs_gauge VALUES(?,?,?) ON CONFLICT DO UPDATE SET jobs=jobs+excluded.jobs",
        [(*key, jobs) for key, jobs in tally.gauges.items() if jobs],
    )
    db.executemany(
        f"INSERT INTO hyperjobs_total VALUES(?,?,?,?,?) ON CONFLICT DO UPDATE SET {added('value')}",
        [(*key, min(count, LARGEST_SUM)) for key, count in tally.totals.items() if count],
    )
    db.executemany(
        f"INSERT INTO hyperjobs_hour VALUES(?,?,?,?,?,?,?) ON CONFLICT DO UPDATE SET {added('jobs', 'micros', 'bytes', 'files')}",
        [(*key, *(min(count, LARGEST_SUM) for count in cell)) for key, cell in tally.hours.items() if any(cell)],
    )
    db.executemany(
        "INSERT INTO hyperjobs_latest VALUES(?,?) ON CONFLICT DO UPDATE SET completed_at=max(completed_at,excluded.completed_at)",
        tally.latest.items(),
    )
    db.executemany("INSERT OR IGNORE INTO hyperjobs_provider VALUES(?,?)", providers.admitted.items())
    db.executemany("INSERT INTO hyperjobs_history(job_id,at,old,new,ids) VALUES(?,?,?,?,?)", tally.history)


def tail_tally(
    db: apsw.Connection, providers: Providers, *, bounds: tuple[float, ...], now: datetime, most: int
) -> Tally | None:
    """What the unfolded log adds up to; ``None`` when it has more than ``most`` rows."""
    log = read_log(db, limit=most + 1)
    if len(log) > most:
        return None
    tally = Tally(providers, bounds=bounds, now=now)
    tally.add_all(replay(log[: whole_operations(log, is_end=True)]))
    return tally


def has_counts(db: apsw.Connection) -> bool:
    """Whether the first count is in; those of before are kept while the rows are counted again."""
    meta = read_meta(db)
    return meta.get("state") == "ready" or bool(meta.get("is_counted"))


def period_stats(
    db: apsw.Connection, since: datetime | None, until: datetime | None, by: str | None = None, *, now: datetime
) -> list[JobStats]:
    """What finished in a period, the same before and after a prune, in the order of the group.

    Args:
        db: in a read transaction, so that the log and the rollups are of one moment.
        since: from the start of its hour; ``None`` is from the first.
        until: to the end of its hour; ``None`` is to the last.
        now: stands in for the time of a log row that has none.
        by: ``None`` (one answer), ``"provider"`` or ``"day"`` (UTC).

    Raises:
        InvalidJobError: ``by`` is another word: the ledger keeps no users.
    """
    if by not in {None, "provider", "day"}:
        raise InvalidJobError(
            f"statistics of a period go by provider or day, not by {by}: the hourly ledger keeps no users; leave out --since and --until"
        )
    first = int(since.timestamp()) // _HOUR_S if since else -(2**62)
    last = int(until.timestamp()) // _HOUR_S if until else 2**62
    tally = tail_tally(db, Providers(read_providers(db)), bounds=(), now=now, most=10_000_000)
    cells = rows(
        db, "SELECT hour,provider,status,jobs,bytes FROM hyperjobs_hour WHERE hour BETWEEN ? AND ?", (first, last)
    )
    cells += [(h, p, s, c[0], c[2]) for (h, p, s), c in (tally.hours.items() if tally else ()) if first <= h <= last]
    groups: dict[str | None, dict[str, int]] = {} if by else {None: {}}
    for hour, provider, status, jobs, size in cells:
        key = provider if by == "provider" else _day(hour) if by else None
        sums = groups.setdefault(key, {})
        sums[status] = sums.get(status, 0) + jobs
        sums["total"] = sums.get("total", 0) + jobs
        if status == JobStatus.COMPLETED:
            sums["total_size"] = sums.get("total_size", 0) + size
    return [JobStats(group=key, **sums) for key, sums in sorted(groups.items(), key=lambda item: item[0] or "")]


def _day(hour: int) -> str:

    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=hour // _DAY_HOURS)).date().isoformat()
