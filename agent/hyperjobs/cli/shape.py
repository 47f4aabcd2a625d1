"""The JSON that ``--json`` gives. Names are only ever added; docs/json.md describes them."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from hyperjobs.cli.moment import write_instant
from hyperjobs.store.cursor import write_cursor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hyperjobs.cli.shapes.jobs import JobEventShape, JobShape, StatsShape
    from hyperjobs.maintenance.backup.manifest import Manifest
    from hyperjobs.store.models import Job, JobEvent, JobStats

_TIMES: Final = ("started_at", "ended_at", "oldest", "newest")


def job_shape(job: Job) -> JobShape:
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


def stats_shape(stats: JobStats) -> StatsShape:
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


def event_shape(event: JobEvent) -> JobEventShape:
    """One change of a job's status."""
    return {
        "job_id": event.job_id,
        "at": write_instant(event.at),
        "old": event.old,
        "new": event.new,
        "inferred": event.inferred,
    }


def manifest_shape(manifest: Manifest) -> dict[str, Any]:
    """What a backup says of itself."""
    return with_instants(asdict(manifest))


def with_instants(written: Mapping[str, Any]) -> dict[str, Any]:
    """What a manifest holds, with its times as all others are written."""
    return {name: _instant(value) if name in _TIMES else value for name, value in written.items()}


def _instant(value: str | None) -> str | None:
    return None if value is None else write_instant(datetime.fromisoformat(value))
