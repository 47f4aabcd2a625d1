"""What finished in a period: from the ledger where there is one, else from the rows that are left."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from hyperjobs.cli.tally import finished_at
from hyperjobs.store.models import FINISHED, JobFilter, JobStats

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from hyperjobs.store.models import Job
    from hyperjobs.store.sqlite import SQLiteJobStore


def is_in_period(condition: JobFilter) -> bool:
    """Whether the condition names a period."""
    return condition.since is not None or condition.until is not None


def period_of(path: Path, condition: JobFilter, by: str | None, *, now: datetime) -> list[JobStats] | None:
    """The ledger's numbers; ``None`` when the condition asks what it does not keep."""
    if replace(condition, since=None, until=None) != JobFilter():
        return None
    from hyperjobs.store.connection import Connection  # noqa: PLC0415 - with the ledger, only where it is asked
    from hyperjobs.store.ledger.rollup import period_stats  # noqa: PLC0415 - as above

    # The ledger takes the whole hour that a moment is in; the end that we mean does not belong to the period.
    until = condition.until - timedelta(microseconds=1) if condition.until else None
    connection = Connection(path, read_only=True)
    try:
        return connection.read(lambda db: period_stats(db, condition.since, until, by, now=now))
    finally:
        connection.close()


def finished_jobs(store: SQLiteJobStore, condition: JobFilter) -> Iterator[Job]:
    """The jobs that meet the other conditions and finished in the period."""
    since, until = condition.since, condition.until
    for job in store.iter_jobs(replace(condition, status=tuple(FINISHED), since=None, until=None)):
        at = finished_at(job)
        if at is not None and (since is None or at >= since) and (until is None or at < until):
            yield job
