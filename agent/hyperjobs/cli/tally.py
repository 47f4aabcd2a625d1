"""Counting jobs that only a look at each can tell apart."""

from __future__ import annotations

from collections import Counter
from datetime import UTC
from typing import TYPE_CHECKING

from hyperjobs.store.models import JobStats, JobStatus

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from hyperjobs.store.models import Job

_STATUSES = frozenset(map(str, JobStatus))


def count_jobs(jobs: Iterable[Job], by: str | None, *, by_finish: bool = False) -> list[JobStats]:
    """The numbers of some jobs, in memory that grows with the groups only.

    Args:
        jobs: each is looked at once and let go.
        by: ``None`` for one entry, or ``provider``, ``user`` or ``day`` (UTC).
        by_finish: the day of a job is that of its end and not of its creation.
    """
    groups: dict[str | None, Counter[str]] = {} if by else {None: Counter()}
    for job in jobs:
        counts = groups.setdefault(_group(job, by, by_finish=by_finish), Counter())
        status = str(job.status)
        counts["total"] += 1
        counts[status if status in _STATUSES else "other"] += 1
        if status == JobStatus.COMPLETED:
            counts["total_size"] += job.total_size
    return [JobStats(group=group, **groups[group]) for group in sorted(groups, key=lambda group: group or "")]


def _group(job: Job, by: str | None, *, by_finish: bool) -> str | None:
    if by is None:
        return None
    if by == "provider":
        return job.provider
    if by == "user":
        return job.user
    at = finished_at(job) if by_finish else job.created_at
    return at.astimezone(UTC).date().isoformat() if at else ""


def finished_at(job: Job) -> datetime | None:
    """When a finished job ended, as far as its row tells."""
    return job.completed_at or job.started_at or job.created_at
