"""Deleting the jobs that a person named, archived first as a prune's are, so that ``prune undo`` brings them back."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from hyperjobs.errors import (
    HyperjobsError,
    JobChangedError,
    JobNotFoundError,
    StoreError,
    StoreRefusedError,
    TransitionRefusedError,
)
from hyperjobs.maintenance.disk import disk_errors
from hyperjobs.maintenance.prune.archive import Archive
from hyperjobs.maintenance.prune.name import ArchiveName
from hyperjobs.maintenance.prune.summary import still_there
from hyperjobs.maintenance.room import require_room
from hyperjobs.store.cells import Cells, RawText, by_id, read_cells
from hyperjobs.store.connection import Connection
from hyperjobs.store.flavour import recognise, require_hypersdk
from hyperjobs.store.pins import TABLE, has_pins
from hyperjobs.store.pruning import refuse_triggers
from hyperjobs.store.retention import Cutoffs
from hyperjobs.store.rows import job_of_raw
from hyperjobs.store.transition import is_finished, require_unchanged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import apsw

    from hyperjobs.clock import Clock
    from hyperjobs.maintenance.prune.directory import ArchiveDirectory
    from hyperjobs.store.models import Job

_FRAME_JOBS: Final = 250
_ROW_BYTES: Final = 16_384


@dataclass(slots=True)
class Deletion:
    """What became of the jobs.

    Attributes:
        run: of the archive, for ``prune undo``; empty when nothing was deleted.
        deleted: ids.
        failed: id → why the job is still there.
    """

    run: str = ""
    deleted: list[str] = field(default_factory=list)
    failed: dict[str, HyperjobsError] = field(default_factory=dict)


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
    cells = connection.read(lambda db: _cells(db, job.id))
    _require(connection, cells, job, force=force)
    assert cells is not None  # noqa: S101 - _require has looked
    return cells


def delete_jobs(  # noqa: PLR0913 - what it works with, each by name
    store: Path,
    directory: ArchiveDirectory,
    jobs: Sequence[Job],
    *,
    clock: Clock,
    force: bool = False,
    is_atomic: bool = False,
    is_stopping: Callable[[], bool] = lambda: False,
) -> Deletion:
    """Delete jobs that still are what was looked at, each in a transaction of its own, or all in one.

    Every row is in the archive, synced, before it is deleted.

    Args:
        store: real path of the store.
        directory: of archives.
        jobs: as they were looked at.
        clock: for the archive's name and end.
        force: also jobs that are not finished.
        is_atomic: all or none.
        is_stopping: asked between two jobs.

    Raises:
        StoreRefusedError: strange triggers sit on the table, or the store is the daemon's; nothing was deleted.
        ArchiveBusyError: a prune or an undo is running.
        HyperjobsError: with ``is_atomic``, whatever kept one of the jobs; nothing was deleted.
    """
    done = Deletion()
    with contextlib.ExitStack() as stack:
        connection = Connection(store, clock=clock)
        stack.callback(connection.close)
        recognition = recognise(connection)
        require_hypersdk(recognition, store, "deleting jobs")
        refuse_triggers(recognition, store, "deleting jobs")
        directory.prepare()
        what = "the archive could not be kept; no job is deleted that is not in it"
        stack.enter_context(disk_errors(directory.path, what))
        stack.enter_context(directory.locked())
        require_room(directory.path, len(jobs) * _ROW_BYTES // 8, "an archive of deleted jobs")
        at = clock.now().replace(microsecond=0)
        name = ArchiveName(directory.next_sequence(), at, store.name.removesuffix(".db"))
        archive = Archive(directory, name, store=store, cutoffs=Cutoffs({}), clock=clock)
        stack.callback(archive.close)
        try:
            size = len(jobs) if is_atomic else _FRAME_JOBS
            for start in range(0, len(jobs), size or 1):
                if is_stopping():
                    break
                deleting = _Deleting(connection, archive, done, force=force, is_atomic=is_atomic)
                deleting.run(jobs[start : start + size], is_stopping)
            archive.finish()
        except BaseException:
            archive.break_off(connection)
            raise
        finally:
            archive.close()
            if archive.is_finished and not archive.tally.jobs.total():  # nothing was deleted: no archive of it
                for file in (name.manifest, name.data):
                    (directory.path / file).unlink(missing_ok=True)
        done.run = str(name) if done.deleted else ""
    return done


class _Deleting:
    """Archives some of the jobs, and deletes them."""

    def __init__(
        self, connection: Connection, archive: Archive, done: Deletion, *, force: bool, is_atomic: bool
    ) -> None:
        self._connection = connection
        self._archive = archive
        self._done = done
        self._force = force
        self._is_atomic = is_atomic

    def run(self, jobs: Sequence[Job], is_stopping: Callable[[], bool]) -> None:
        """Do it, until a stop comes."""
        rows = list(self._rows(jobs))
        if not rows:
            return
        self._archive.keep([cells for _, cells in rows])
        gone: set[str] = set()
        try:
            for some in [rows] if self._is_atomic else [[row] for row in rows]:
                if is_stopping():
                    break
                if self._delete(some):
                    gone.update(job.id for job, _ in some)
        finally:
            # also of a commit that failed: it was done or was not, and the store knows
            left = [cells for job, cells in rows if job.id not in gone]
            if left:
                self._archive.left(still_there(self._connection, left))

    def _rows(self, jobs: Sequence[Job]) -> Iterator[tuple[Job, Cells]]:
        for job in jobs:
            try:
                yield job, require_deletable(self._connection, job, force=self._force)
            except HyperjobsError as exc:
                self._note(job, exc)

    def _delete(self, rows: list[tuple[Job, Cells]]) -> bool:
        try:
            self._connection.write(lambda db: _delete(db, self._connection, rows, force=self._force))
        except StoreError as exc:
            self._note(rows[0][0], exc)
            return False
        self._done.deleted += [job.id for job, _ in rows]
        return True

    def _note(self, job: Job, exc: HyperjobsError) -> None:
        if self._is_atomic:
            raise exc
        self._done.failed[job.id] = exc


def _delete(db: apsw.Connection, connection: Connection, rows: Sequence[tuple[Job, Cells]], *, force: bool) -> None:
    """Delete the jobs of some rows that are to the bit what was archived, within the caller's transaction."""
    for job, archived in rows:
        cells = _cells(db, job.id)
        _require(connection, cells, job, force=force)
        if cells is None or cells != archived or list(map(type, cells)) != list(map(type, archived)):
            raise JobChangedError(
                f"{connection.path}: a writer changed {job.id!r} while it was archived; it was left as it is: repeat it"
            )
        condition, values = by_id(job.id)
        db.execute(f"DELETE FROM jobs WHERE {condition}", values)  # noqa: S608 - ours


def _require(connection: Connection, cells: Cells | None, job: Job, *, force: bool) -> None:
    if cells is None:
        raise JobNotFoundError(f"{connection.path}: no job has the id {job.id!r}")
    now = _job(cells)
    require_unchanged(now, job, connection.path)
    if connection.read(lambda db: has_pins(db) and bool(_pinned(db, job.id))):
        raise StoreRefusedError(
            f"{connection.path}: {job.id!r} is pinned and stays; 'hyperjobs unpin' it first, if it is to go",
            reason="pinned",
        )
    if not is_finished(now) and not force:
        raise TransitionRefusedError(
            f"{connection.path}: {job.id!r} is {now.status}, and whoever works on it writes to it; 'hyperjobs cancel' it first"
        )


def _pinned(db: apsw.Connection, job_id: str) -> list[Any]:
    return db.execute(f"SELECT 1 FROM {TABLE} WHERE job_id=?", (job_id,)).fetchall()  # noqa: S608 - ours


def _cells(db: apsw.Connection, job_id: str) -> Cells | None:
    condition, values = by_id(job_id)
    found = read_cells(db, f"WHERE {condition}", values)
    return found[0][1] if found else None


def _job(cells: Cells) -> Job:
    """The job in a row as it lies in the file."""
    raw: list[Any] = []
    for cell in cells:
        # RawText, a bytes of ours, is text; other bytes are a BLOB
        is_text = isinstance(cell, str | RawText)
        raw += [
            (cell.encode() if isinstance(cell, str) else bytes(cell)) if is_text else cell,
            "text" if is_text else "",
        ]
    return job_of_raw(raw)
