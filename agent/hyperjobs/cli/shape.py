"""The JSON that ``--json`` gives. Names are only ever added; docs/commands.md describes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hyperjobs.cli.moment import write_instant
from hyperjobs.store.cursor import write_cursor

if TYPE_CHECKING:
    from hyperjobs.store.models import Job, JobEvent, JobStats


def job_shape(job: Job) -> dict[str, Any]:
    """A job: the columns of its row, then what was wrong with the row, and its place in the list."""
    return {
        "id": job.id,
        "name": job.name,
        "vm_name": job.vm_name,
        "vm_path": job.vm_path,
        "provider": job.provider,
        "output_dir": job.output_dir,
        "status": str(job.status),
        "created_at": write_instant(job.created_at),
        "started_at": write_instant(job.started_at),
        "completed_at": write_instant(job.completed_at),
        "progress": job.progress,
        "error": job.error,
        "metadata": job.metadata,
        "user": job.user,
        "total_size": job.total_size,
        "files_count": job.files_count,
        "flags": list(job.flags),
        "cursor": write_cursor(job.cursor),
    }


def stats_shape(stats: JobStats) -> dict[str, Any]:
    """The numbers of one group of jobs; ``group`` is ``null`` for all of them."""
    return {
        "group": stats.group,
        "total": stats.total,
        "pending": stats.pending,
        "running": stats.running,
        "completed": stats.completed,
        "failed": stats.failed,
        "cancelled": stats.cancelled,
        "other": stats.other,
        "total_size": stats.total_size,
        "success_rate": stats.success_rate,
    }


def event_shape(event: JobEvent) -> dict[str, Any]:
    """One change of a job's status."""
    return {
        "job_id": event.job_id,
        "at": write_instant(event.at),
        "old": event.old,
        "new": event.new,
        "inferred": event.inferred,
    }
