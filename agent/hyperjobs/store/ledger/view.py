"""What the ledger says at one moment: the rollups with the unfolded log on top. Writes nothing, waits for nobody."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from hyperjobs.store.instant import parse
from hyperjobs.store.ledger.buckets import DEFAULT_BUCKETS
from hyperjobs.store.ledger.label import status_label
from hyperjobs.store.ledger.rollup import Rollup, log_span, read_meta, read_rollup, tail_tally
from hyperjobs.store.ledger.select import fetch
from hyperjobs.store.ledger.window import WINDOWS, PastHours
from hyperjobs.store.models import JobStatus

if TYPE_CHECKING:
    import apsw

    from hyperjobs.store.ledger.options import LedgerOptions

_HOUR_S = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerView:
    """Exact numbers of one moment.

    Attributes:
        is_ready: whether the first count is in; until then there are no numbers.
        is_whole: whether the sums hold all that the log does. Those of a scan never do: between two of them is a gap.
        rollup: sums with the unfolded log included, unless that was too long.
        windows: window → (provider, status) → jobs finished in it.
        oldest: (provider, "pending" or "running") → since when the oldest such job is in it.
        unfolded_rows: of the log; beyond ``overlay_rows`` they are not yet in the sums.
        bounds: histogram buckets, seconds.
        generation: one more a fold.
        last_seq: of the log, 0 when it is empty.
        hours: of a scan, (hour, status) → jobs finished in it, of the longest window; a ledger is asked by ``read_hours``.
    """

    is_ready: bool
    is_whole: bool = False
    rollup: Rollup = field(default_factory=Rollup)
    windows: dict[str, dict[tuple[str, str], int]] = field(default_factory=dict)
    oldest: dict[tuple[str, str], datetime] = field(default_factory=dict)
    unfolded_rows: int = 0
    bounds: tuple[float, ...] = DEFAULT_BUCKETS
    uuid: str = ""
    generation: int = 0
    last_seq: int = 0
    hours: dict[tuple[int, str], int] = field(default_factory=dict)


def read_view(
    db: apsw.Connection, options: LedgerOptions, *, now: datetime, past: PastHours | None = None
) -> LedgerView:
    """The ledger as the caller's read snapshot shows it; a store without one is not ready.

    Args:
        db: in a read transaction.
        options: as the ledger is kept.
        now: windows end with its hour.
        past: what the caller keeps from one view to the next.
    """
    if not db.execute("SELECT 1 FROM sqlite_schema WHERE name='hyperjobs_meta'").fetchall():
        return LedgerView(is_ready=False)
    meta = read_meta(db)
    bounds = tuple(json.loads(meta["bounds"]))
    first, last = log_span(db)
    if meta["state"] != "ready":
        return LedgerView(
            is_ready=False,
            bounds=bounds,
            unfolded_rows=last - first + 1,
            uuid=meta["uuid"],
            generation=meta["generation"],
        )
    rollup = read_rollup(db)
    providers = options.admission(rollup.providers)
    tally = tail_tally(db, providers, bounds=bounds, now=now, most=options.overlay_rows) if last >= first else None
    if tally is not None:
        rollup.overlay(tally)
        rollup.providers = list(providers.admitted)
    return LedgerView(
        is_ready=True,
        is_whole=tally is not None or last < first,
        rollup=rollup,
        windows=(past or PastHours()).windows(db, meta, int(now.timestamp()) // _HOUR_S, tally),
        oldest=_oldest(db, options, rollup.providers),
        unfolded_rows=last - first + 1,
        bounds=bounds,
        uuid=meta["uuid"],
        generation=meta["generation"],
        last_seq=max(last, 0),
    )


def _oldest(db: apsw.Connection, options: LedgerOptions, admitted: list[str]) -> dict[tuple[str, str], datetime]:
    """Since when the oldest pending job waits and the longest running one runs.

    Times of one offset are in the order of their text, so SQLite finds the least of each offset and only those are
    parsed. idx_status finds the rows: there are few of them in a store of any size.
    """
    since = "CASE status WHEN 'running' THEN coalesce(nullif(started_at,''),created_at) ELSE created_at END"
    rest = "FROM jobs WHERE status IN ('pending','running') GROUP BY provider,status,substr(created_at,-6),substr(started_at,-6)"
    providers = options.admission(admitted)
    oldest: dict[tuple[str, str], datetime] = {}
    for provider, status, text in fetch(db, ("provider", "status", f"min({since})"), rest):
        found = parse(text)
        if found is not None:
            key = providers.label(provider), status_label(status)
            oldest[key] = min(oldest.get(key, found), found)
    return oldest


def scanned_view(
    rollup: Rollup,
    hours: dict[tuple[int, str, str], list[int]],
    oldest: dict[tuple[str, str], datetime],
    *,
    bounds: tuple[float, ...],
    now: datetime,
) -> LedgerView:
    """The same view made from a scan of the table, for a store without a ledger."""
    hour = int(now.timestamp()) // _HOUR_S
    windows: dict[str, dict[tuple[str, str], int]] = {name: {} for name in WINDOWS}
    recent: dict[tuple[int, str], int] = {}
    for (finished, provider, status), cell in hours.items():
        if finished > hour - max(WINDOWS.values()):
            recent[finished, status] = recent.get((finished, status), 0) + cell[0]
        for name, width in WINDOWS.items():
            if finished > hour - width:
                windows[name][provider, status] = windows[name].get((provider, status), 0) + cell[0]
    return LedgerView(is_ready=True, rollup=rollup, windows=windows, oldest=oldest, bounds=bounds, hours=recent)


def note_oldest(
    oldest: dict[tuple[str, str], datetime], provider: str, status: str, started: object, created: object
) -> None:
    """Keep the earlier time a pending or running job of a scan has been in its status."""
    if status in {JobStatus.PENDING, JobStatus.RUNNING}:
        found = (parse(started) if status == JobStatus.RUNNING else None) or parse(created)
        if found is not None:
            oldest[provider, status] = min(oldest.get((provider, status), found), found.astimezone(UTC))
