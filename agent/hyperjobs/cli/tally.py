"""Counting jobs that only a look at each can tell apart."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC
from typing import TYPE_CHECKING

from hyperjobs.store.models import FINISHED, JobStats, JobStatus

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from hyperjobs.store.models import Job, JobFilter
    from hyperjobs.store.sqlite import SQLiteJobStore

_STATUSES = frozenset(map(str, JobStatus))


def count_jobs(store: SQLiteJobStore, condition: JobFilter, by: str | None) -> list[JobStats]:
    """The numbers of the jobs that meet a condition, in memory that grows with the groups only.

    Args:
        store: where the jobs are.
        condition: with a period it is the jobs that *finished* in it that count, and their day is that of their end.
        by: ``None`` for one entry, or ``provider``, ``user`` or ``day`` (UTC).
    """
    is_period = condition.since is not None or condition.until is not None
    groups: dict[str | None, Counter[str]] = {} if by else {None: Counter()}
    for job in _finished(store, condition) if is_period else store.iter_jobs(condition):
        counts = groups.setdefault(_group(job, by, is_by_finish=is_period), Counter())
        status = str(job.status)
        counts["total"] += 1
        counts[status if status in _STATUSES else "other"] += 1
        if status == JobStatus.COMPLETED:
            counts["total_size"] += max(0, job.total_size)
    return [JobStats(group=group, **groups[group]) for group in sorted(groups, key=lambda group: group or "")]


def _finished(store: SQLiteJobStore, condition: JobFilter) -> Iterator[Job]:
    """The jobs that meet the other conditions and finished in the period."""
    since, until = condition.since, condition.until
    for job in store.iter_jobs(replace(condition, status=tuple(FINISHED), since=None, until=None)):
        at = _finished_at(job)
        if at is not None and (since is None or at >= since) and (until is None or at < until):
            yield job


def _group(job: Job, by: str | None, *, is_by_finish: bool) -> str | None:
    if by is None:
        return None
    if by == "provider":
        return job.provider
    if by == "user":
        return job.user
    at = _finished_at(job) if is_by_finish else job.created_at
    return at.astimezone(UTC).date().isoformat() if at else ""


def _finished_at(job: Job) -> datetime | None:
    """When a finished job ended, as far as its row tells."""
    return job.completed_at or job.started_at or job.created_at
