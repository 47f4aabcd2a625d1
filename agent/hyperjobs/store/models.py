"""What a job is, what can be asked of many, and what the answers look like."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime


class JobStatus(StrEnum):
    """Where a job is in its life."""

    PENDING = "pending"
    """Created, not yet started."""
    RUNNING = "running"
    """Being executed."""
    COMPLETED = "completed"
    """Finished well."""
    FAILED = "failed"
    """Finished with an error."""
    CANCELLED = "cancelled"
    """Stopped by a person."""

    @property
    def is_finished(self) -> bool:
        """Whether nothing more will happen to a job in this status."""
        return self in FINISHED


FINISHED: frozenset[JobStatus] = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One migration or export; one row of ``jobs``.

    Attributes:
        status: a :class:`JobStatus`; a row written by others can carry another word, which is kept as it is.
        created_at: aware; a row whose time cannot be read has ``None`` here and says so in ``flags``.
        started_at: aware, ``None`` while pending.
        completed_at: aware, ``None`` while unfinished.
        progress: percent, 0 to 100.
        error: the failure's text; empty when there is none.
        metadata: any JSON object; ``None`` when the row has none.
        total_size: bytes.
        flags: what was wrong with the row as read, as short fixed words; empty for a sound row. Never written.
    """

    id: str
    name: str
    vm_name: str
    vm_path: str
    provider: str
    output_dir: str
    status: JobStatus | str = JobStatus.PENDING
    created_at: datetime | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    progress: float = 0.0
    error: str = ""
    metadata: Mapping[str, Any] | None = None
    user: str = ""
    total_size: int = 0
    files_count: int = 0
    flags: tuple[str, ...] = field(default=(), compare=False)

    @property
    def cursor(self) -> JobCursor:
        """The place of this job in a list, for ``JobFilter(after=…)``."""
        return JobCursor(self.created_at, self.id)


@dataclass(frozen=True, slots=True)
class JobCursor:
    """A place in the list of jobs: everything after it is older, or as old with a smaller id."""

    created_at: datetime | None
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """Which jobs, and how many of them; every condition given must hold.

    Attributes:
        status: one status or several; ``None`` is any.
        since: created at or after this instant (aware).
        until: created before this instant (aware).
        text: found in name or error, whatever its case.
        limit: at most so many jobs; ``None`` is all.
        offset: leave out the first so many; it works without ``limit`` too.
        after: only what comes after this job or cursor in the list; cheaper than ``offset`` at any depth.
    """

    status: JobStatus | str | Collection[JobStatus | str] | None = None
    provider: str | None = None
    user: str | None = None
    vm_name: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    text: str | None = None
    limit: int | None = None
    offset: int = 0
    after: Job | JobCursor | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStats:
    """How many jobs are in each status, and how well they went.

    Attributes:
        group: the provider, user or day (``YYYY-MM-DD``, UTC) counted; ``None`` for the whole store.
        other: jobs whose status is none of the five.
        total_size: bytes of completed jobs.
    """

    group: str | None = None
    total: int = 0
    pending: int = 0
    running: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    other: int = 0
    total_size: int = 0

    @property
    def success_rate(self) -> float | None:
        """Completed of completed and failed, in percent; ``None`` when nothing finished."""
        finished = self.completed + self.failed
        return 100.0 * self.completed / finished if finished else None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEvent:
    """One change of a job's status.

    Attributes:
        at: when it was written, to the second (aware, UTC).
        old: the status before; ``None`` when the job appeared.
        new: the status after; ``None`` when the job was deleted.
        inferred: read off the job's own times because no ledger watched; such events can be incomplete.
    """

    job_id: str
    at: datetime
    old: str | None
    new: str | None
    inferred: bool = False
