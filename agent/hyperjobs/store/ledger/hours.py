"""What finished in each hour, with the unfolded log on top."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hyperjobs.store.ledger.rollup import read_meta, read_providers, tail_tally
from hyperjobs.store.ledger.select import rows

if TYPE_CHECKING:
    from datetime import datetime

    import apsw

    from hyperjobs.store.ledger.options import LedgerOptions

HourlyJobs = dict[tuple[int, str], int]
"""(whole hours since 1970, status) → jobs that finished so in the hour."""


def read_hours(db: apsw.Connection, options: LedgerOptions, *, first: int, now: datetime) -> HourlyJobs:
    """The hours from ``first`` on, which has as many as there were; of a ledger that is ready, in a read transaction.

    Reads (hours x providers x 3) rows of one b-tree at most, whatever the size of the store.
    """
    sql = "SELECT hour,status,sum(jobs) FROM hyperjobs_hour WHERE hour>=? GROUP BY hour,status"
    found: HourlyJobs = {(hour, status): jobs for hour, status, jobs in rows(db, sql, (first,))}
    if read_meta(db).get("state") != "ready":
        return found
    providers = options.admission(read_providers(db))
    tally = tail_tally(db, providers, bounds=(), now=now, most=options.overlay_rows)
    for (hour, _, status), cell in tally.hours.items() if tally is not None else ():
        if hour >= first and cell[0]:
            found[hour, status] = found.get((hour, status), 0) + cell[0]
    return found
