"""Which status a job may move to from which, and what a move writes: the one table of both.

::

    pending ──► running ──► completed
       │          ├──────► failed ────┐
       └──────────┴──────► cancelled ─┤
       ▲                              │ retry
       └──────────────────────────────┘

A move writes what hypersdk's own client would have in the row by then. It is compare-and-set: a job that a writer changed
after it was looked at is left as the writer has it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hyperjobs.errors import JobChangedError, TransitionRefusedError
from hyperjobs.store import instant
from hyperjobs.store.models import Job, JobStatus

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

MOVES: Final[Mapping[str, frozenset[JobStatus]]] = {
    JobStatus.PENDING: frozenset({JobStatus.RUNNING, JobStatus.CANCELLED}),
    JobStatus.RUNNING: frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED}),
    JobStatus.COMPLETED: frozenset(),
    JobStatus.FAILED: frozenset({JobStatus.PENDING}),
    JobStatus.CANCELLED: frozenset({JobStatus.PENDING}),
}
"""Status → the statuses that it may become; a word that is none of the five may become nothing."""

# What the Go client's reader would break on becomes what its writer writes.
_SOUND: Final = "metadata=coalesce(metadata,'null'),user=coalesce(user,'')"
_KEPT: Final = "total_size=coalesce(total_size,0),files_count=coalesce(files_count,0)"
_STARTED: Final = "started_at=nullif(started_at,'')"
# one that had ended keeps its end; of one that had not, a leftover end is an earlier attempt's
_ENDED: Final = "completed_at=CASE WHEN status IN ('completed','failed','cancelled') THEN coalesce(nullif(completed_at,''),?3) ELSE ?3 END"
_SETS: Final = {
    JobStatus.PENDING: "started_at=NULL,completed_at=NULL,progress=0.0,error='',total_size=0,files_count=0",
    JobStatus.RUNNING: "started_at=coalesce(nullif(started_at,''),?3),completed_at=NULL,error='',"
    f"progress=coalesce(progress,0.0),{_KEPT}",
    JobStatus.COMPLETED: f"{_STARTED},{_ENDED},progress=100.0,error='',{_KEPT}",
    JobStatus.FAILED: f"{_STARTED},{_ENDED},progress=coalesce(progress,0.0),error=coalesce(?4,error,''),{_KEPT}",
    JobStatus.CANCELLED: f"{_STARTED},{_ENDED},progress=coalesce(progress,0.0),error=coalesce(error,''),{_KEPT}",
}
_UPDATES: Final = {to: f"UPDATE jobs SET status=?1,{sets},{_SOUND} WHERE id=?2" for to, sets in _SETS.items()}  # noqa: S608 - ours
_COMPARED: Final = ("status", "created_at", "started_at", "completed_at", "error")


def sources_of(to: JobStatus) -> tuple[JobStatus, ...]:
    """The statuses from which a job may become this one."""
    return tuple(status for status in JobStatus if to in MOVES[status])


def require_move(job: Job, to: JobStatus, path: Path) -> None:
    """Return when the job may become this.

    Raises:
        TransitionRefusedError: it may not; the message says what it may become.
    """
    old = str(job.status)
    allowed = MOVES.get(old, frozenset())
    if to in allowed:
        return
    words = " or ".join(sorted(allowed))
    can = f"a {old} job can only become {words}" if words else f"a job that is {old!r} stays so"
    raise TransitionRefusedError(f"{path}: {job.id!r} is {old} and cannot become {to}: {can}, unless that is forced")


def require_unchanged(job: Job, expected: Job | JobStatus | str | None, path: Path) -> None:
    """Return when the job is as it was looked at.

    Progress, sizes and metadata do not matter, which a running job's writer changes all the time.

    Args:
        job: as it is.
        expected: as it was, or the status alone; ``None`` is anything.
        path: of the store.

    Raises:
        JobChangedError: it is not.
    """
    if expected is None:
        return
    if isinstance(expected, Job):
        changed = [name for name in _COMPARED if getattr(job, name) != getattr(expected, name)]
        was = str(expected.status)
    else:
        changed = [] if job.status == expected else ["status"]
        was = str(expected)
    if not changed:
        return
    what = f"it was {was} and is {job.status} now" if "status" in changed else f"{', '.join(changed)} is another now"
    raise JobChangedError(
        f"{path}: a writer changed {job.id!r} meanwhile ({what}); it was left as it is: look again, then repeat"
    )


def update_of(job_id: str, to: JobStatus, *, now: datetime, error: str | None) -> tuple[str, tuple[Any, ...]]:
    """The statement that moves a job, and its bindings.

    Args:
        job_id: whose.
        to: the status it gets.
        now: when it starts or ends, if that is not in the row already.
        error: what a failed job's row says; ``None`` keeps what is there.
    """
    every = (str(to), job_id, instant.format(now), error)
    used = 4 if to is JobStatus.FAILED else 2 if to is JobStatus.PENDING else 3
    return _UPDATES[to], every[:used]
