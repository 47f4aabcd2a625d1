"""Deleting jobs that still are, to the bit, what was archived of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hyperjobs.errors import JobChangedError, JobNotFoundError, StoreRefusedError, TransitionRefusedError
from hyperjobs.store.cells import Cells, RawText, by_id, is_same, read_cells
from hyperjobs.store.models import FINISHED
from hyperjobs.store.pins import TABLE, has_pins
from hyperjobs.store.rows import job_of_raw
from hyperjobs.store.transition import require_unchanged

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import apsw

    from hyperjobs.store.connection import Connection
    from hyperjobs.store.models import Job


def require_deletable(connection: Connection, job: Job, *, force: bool) -> Cells:
    """The row of a job that may be deleted.

    Args:
        connection: on the store.
        job: as it was looked at.
        force: although it is not finished.

    Raises:
        JobNotFoundError: it is gone.
        JobChangedError: a writer changed it meanwhile.
        StoreRefusedError: it is pinned (reason ``pinned``), or not finished.
    """
    return connection.read(lambda db: _deletable(db, job, connection.path, force=force))


def delete_archived(connection: Connection, rows: Sequence[tuple[Job, Cells]], *, force: bool) -> None:
    """Delete the jobs that are as they were looked at, and as they were archived; all of them, or none.

    Args:
        connection: on the store; the deletion is one transaction.
        rows: each job as it was looked at, and its row as it was archived.
        force: as for :func:`require_deletable`.

    Raises:
        JobChangedError: a writer was at one of them.
        StoreError: as :func:`require_deletable`, or the store could not do it.
    """

    def work(db: apsw.Connection) -> None:
        for job, archived in rows:
            cells = _deletable(db, job, connection.path, force=force)
            if not is_same(cells, archived):
                raise JobChangedError(
                    f"{connection.path}: a writer changed {job.id!r} while it was archived; it was left as it is: repeat it"
                )
            condition, values = by_id(job.id)
            db.execute(f"DELETE FROM jobs WHERE {condition}", values)  # noqa: S608 - ours

    connection.write(work)


def _deletable(db: apsw.Connection, job: Job, path: Path, *, force: bool) -> Cells:
    condition, values = by_id(job.id)
    found = read_cells(db, f"WHERE {condition}", values)
    if not found:
        raise JobNotFoundError(f"{path}: no job has the id {job.id!r}")
    cells: Cells = found[0][1]
    now = _job(cells)
    require_unchanged(now, job, path)
    if has_pins(db) and db.execute(f"SELECT 1 FROM {TABLE} WHERE job_id=?", (job.id,)).fetchall():  # noqa: S608 - ours
        raise StoreRefusedError(
            f"{path}: {job.id!r} is pinned and stays; 'hyperjobs unpin' it first, if it is to go", reason="pinned"
        )
    if now.status not in FINISHED and not force:
        raise TransitionRefusedError(
            f"{path}: {job.id!r} is {now.status}, and whoever works on it writes to it; 'hyperjobs cancel' it first"
        )
    return cells


def _job(cells: Cells) -> Job:
    """The job in a row as it lies in the file."""
    raw: list[Any] = []
    for cell in cells:
        # RawText, bytes of ours, is text; other bytes are a BLOB
        if isinstance(cell, str):
            raw += [cell.encode(), "text"]
        elif isinstance(cell, RawText):
            raw += [bytes(cell), "text"]
        else:
            raw += [cell, ""]
    return job_of_raw(raw)
