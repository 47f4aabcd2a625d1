"""What a job's own times tell of its life, where no ledger watched."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hyperjobs.store.models import FINISHED, Job, JobEvent, JobStatus

if TYPE_CHECKING:
    from collections.abc import Iterator


def inferred_events(job: Job) -> Iterator[JobEvent]:
    """Yield the changes that a job's times and status imply, oldest first; retries in between left no trace."""
    status = str(job.status)
    steps = [(job.created_at, str(JobStatus.PENDING)), (job.started_at, str(JobStatus.RUNNING))]
    if status in FINISHED:
        steps.append((job.completed_at or job.started_at or job.created_at, status))
    old = None
    for at, new in steps:
        if at is not None:
            yield JobEvent(job_id=job.id, at=at.replace(microsecond=0), old=old, new=new, inferred=True)
            old = new
