"""What a program without the library would do: apsw alone, with the same values in the same columns.

The same conversions, no checks: aware times to fixed-width UTC, metadata to JSON, ``''`` and ``null`` for what is not
there.
"""

from __future__ import annotations

import json
from datetime import UTC
from typing import TYPE_CHECKING, Any

import apsw

from bench.dataset import SAVE

if TYPE_CHECKING:
    from datetime import datetime

    from hyperjobs import Job


class Bare:
    """A connection of its own, with the settings that the library gives to its."""

    def __init__(self, path: str, synchronous: str) -> None:
        self._db = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READWRITE)
        self._db.set_busy_timeout(5_000)
        for pragma in ("mmap_size=0", "cell_size_check=ON", f"synchronous={synchronous}"):
            self._db.execute(f"PRAGMA {pragma}").fetchall()

    def save_job(self, job: Job) -> None:
        """One job, a transaction."""
        self._db.execute(SAVE, row(job))

    def save_jobs(self, jobs: list[Job]) -> None:
        """Many jobs, one transaction."""
        with self._db:
            self._db.executemany(SAVE, [row(job) for job in jobs])

    def update_job_status(self, job_id: str, status: str, at: datetime) -> None:
        """The status and the time that goes with it, as the library sets it."""
        sql = "UPDATE jobs SET status=?1,started_at=coalesce(nullif(started_at,''),?3) WHERE id=?2"
        self._db.execute(sql, (status, job_id, _text(at)))

    def update_job_progress(self, job_id: str, percent: float) -> None:
        """The progress."""
        self._db.execute("UPDATE jobs SET progress=? WHERE id=?", (percent, job_id))

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()


def row(job: Job) -> tuple[Any, ...]:
    """A job's values in the order of the columns."""
    return (
        job.id,
        job.name,
        job.vm_name,
        job.vm_path,
        job.provider,
        job.output_dir,
        str(job.status),
        _text(job.created_at) if job.created_at else None,
        _text(job.started_at) if job.started_at else None,
        _text(job.completed_at) if job.completed_at else None,
        job.progress,
        job.error,
        "null" if job.metadata is None else json.dumps(job.metadata, ensure_ascii=False, separators=(",", ":")),
        job.user,
        job.total_size,
        job.files_count,
    )


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(" ", "microseconds")
