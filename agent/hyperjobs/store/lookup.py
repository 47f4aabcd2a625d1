"""Jobs and counts of one read snapshot, for who has a connection of its own and a deadline: the agent's API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hyperjobs.errors import StoreRefusedError
from hyperjobs.store import listing, reading, statistics
from hyperjobs.store.flavour import Flavour
from hyperjobs.store.query import condition_of, cursor_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    import apsw

    from hyperjobs.store.models import Job, JobFilter, JobStats

    Lookup = Callable[[apsw.Connection, str], list[Job]]

_NOT_LISTED = "this is the daemon's own store, whose jobs are counted and not listed"


def jobs_that(asked: JobFilter, limit: int) -> Lookup:
    """What finds the jobs that fit, newest first, at most ``limit`` of them.

    Raises:
        InvalidJobError: a value that no job can have.
    """
    condition, after = condition_of(asked), cursor_of(asked.after)

    def work(db: apsw.Connection, flavour: str) -> list[Job]:
        _refuse_daemon(flavour)
        return listing.fetch(db, [rowid for _, _, rowid in listing.page(db, condition, after, limit)])

    return work


def job_with(job_id: str) -> Lookup:
    """What finds the job with an id, or nothing."""

    def work(db: apsw.Connection, flavour: str) -> list[Job]:
        _refuse_daemon(flavour)
        return reading.load(db, job_id)

    return work


def stats_of(
    by: str | None, since: datetime | None, until: datetime | None, now: datetime
) -> Callable[[apsw.Connection, str], list[JobStats]]:
    """What counts as ``SQLiteJobStore.get_job_stats`` does; one entry without ``by``.

    It raises InvalidJobError when the ledger does not keep what is asked.
    """

    def work(db: apsw.Connection, flavour: str) -> list[JobStats]:
        has_period = since is not None or until is not None
        if flavour == Flavour.DAEMON:
            if has_period:
                _refuse_daemon(flavour)
            return statistics.count_daemon(db, by)
        if not has_period:
            return statistics.count_all(db, by, sizes=True)
        return reading.finished(db, by, since, until, now=now)

    return work


def _refuse_daemon(flavour: str) -> None:
    if flavour == Flavour.DAEMON:
        raise StoreRefusedError(_NOT_LISTED, reason="daemon_store")
