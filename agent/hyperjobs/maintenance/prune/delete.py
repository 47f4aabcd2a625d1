"""Deleting the jobs that a person named, archived first as a prune's are, so that ``prune undo`` brings them back."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from hyperjobs.errors import HyperjobsError, StoreError
from hyperjobs.maintenance.prune.archive import Archive
from hyperjobs.maintenance.prune.directory import NOT_KEPT
from hyperjobs.maintenance.prune.summary import still_there
from hyperjobs.maintenance.room import require_room
from hyperjobs.store.connection import Connection
from hyperjobs.store.deleting import delete_archived, require_deletable
from hyperjobs.store.flavour import recognise, require_hypersdk
from hyperjobs.store.pruning import refuse_triggers
from hyperjobs.store.retention import Cutoffs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from hyperjobs.clock import Clock
    from hyperjobs.maintenance.prune.directory import ArchiveDirectory
    from hyperjobs.store.cells import Cells
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
        stack.enter_context(directory.adding(NOT_KEPT))
        require_room(directory.path, len(jobs) * _ROW_BYTES // 8, "an archive of deleted jobs")
        name = directory.next_name(store, clock.now())
        archive = Archive(directory, name, store=store, cutoffs=Cutoffs({}), clock=clock)
        stack.callback(archive.discard_empty)
        stack.callback(archive.close)
        try:
            size = len(jobs) if is_atomic else _FRAME_JOBS
            for start in range(0, len(jobs), size or 1):
                if is_stopping():
                    break
                deleting = _Deleting(connection, archive, done, force=force, is_atomic=is_atomic)
                deleting.run(jobs[start : start + size], is_stopping)
            archive.finish()
        except BaseException:  # KeyboardInterrupt and a stop too; it is raised again
            archive.break_off(connection, is_told=False)
            raise
        done.run = str(archive.name) if done.deleted else ""
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
            delete_archived(self._connection, rows, force=self._force)
        except StoreError as exc:
            self._note(rows[0][0], exc)
            return False
        self._done.deleted += [job.id for job, _ in rows]
        return True

    def _note(self, job: Job, exc: HyperjobsError) -> None:
        if self._is_atomic:
            raise exc
        self._done.failed[job.id] = exc
