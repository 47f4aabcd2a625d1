"""What maintenance does with files, task by task, and what must hold of a store and its copies however it ended.

The same tasks are run on a disk that fails and on one that loses its power, so each is said once: how it is prepared,
what it does beside a user of the store, and what would be wrong afterwards.
"""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar

import apsw

from hyperjobs.errors import BackupDamagedError, HyperjobsError
from hyperjobs.maintenance.backup.catalogue import newest_verified, read_catalogue
from hyperjobs.maintenance.backup.directory import BackupDirectory
from hyperjobs.maintenance.backup.proof import verify
from hyperjobs.maintenance.backup.retention import Policy
from hyperjobs.maintenance.backup.task import BackupTask
from hyperjobs.maintenance.checkpoint import CheckpointTask
from hyperjobs.maintenance.drill import DrillTask
from hyperjobs.maintenance.prune.directory import ArchiveDirectory
from hyperjobs.maintenance.prune.reading import archived_rows, manifest_of, recover
from hyperjobs.maintenance.prune.task import PruneTask
from hyperjobs.maintenance.restore.live import restore_live
from hyperjobs.maintenance.restore.staging import forget_killed, staged
from hyperjobs.maintenance.restore.swap import swap
from hyperjobs.maintenance.task import Turn
from hyperjobs.maintenance.vacuum.task import VacuumTask
from hyperjobs.store.cells import id_of
from hyperjobs.store.connection import Connection
from hyperjobs.testing import START, FakeClock
from support.backups import take_daily
from support.ledgers import insert, make_store
from support.pruning import ALL_30D
from support.stores import BUSY_MS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hyperjobs.maintenance.task import Task

DAYS = 3
"""Backups that are there before; the last two are to stay."""
_OLD = "2025-11-01 10:00:00+00:00"
_DUE, _FRESH = 60, 30


class User:
    """The store's user beside the maintenance: like hypersdk's daemon it stays connected, but waits for the disk."""

    def __init__(self, store: Path, acknowledged: Callable[[str], object] = lambda _job: None) -> None:
        self.jobs: set[str] = set()
        self._connection = Connection(store)
        self._acknowledged = acknowledged

    def save(self) -> None:
        """Save one job, and note it once that is acknowledged."""
        job = f"user-{len(self.jobs):04}"
        self._connection.change(
            "INSERT INTO jobs(id,name,vm_name,vm_path,provider,output_dir,status,created_at)"
            " VALUES(?,'n','v','p','vsphere','o','running','2026-01-20 10:00:00+00:00')",
            (job,),
        )
        self.jobs.add(job)
        self._acknowledged(job)

    def close(self) -> None:
        """Go."""
        self._connection.close()


class Upkeep:
    """One kind of work; ``folder`` holds the store, its backups and its archives, and is always at the same path."""

    is_user_connected: ClassVar[bool] = True
    lasts: ClassVar[bool] = True
    """Whether what was said to be done lasts through a power cut."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = folder / "jobs.db"
        self.backups = BackupDirectory(folder / "backups")
        self.archives = ArchiveDirectory(folder / "archives")
        self.clock = FakeClock(START + timedelta(days=DAYS + 1))

    def prepare(self) -> None:
        """Make the folder as it is before."""
        make_store(self.store)
        db = apsw.Connection(str(self.store))
        db.set_busy_timeout(BUSY_MS)
        with db:
            for number in range(_DUE):
                insert(db, f"due-{number:04}", "completed", created=_OLD, started=_OLD, completed=_OLD)
            for number in range(_FRESH):
                insert(db, f"fresh-{number:04}", "running")
        db.close()

    def work(self, user: User | None) -> None:
        """Do it, with ``user`` saving jobs whenever it can."""
        self.task().run(self._turn(user))

    def task(self) -> Task:
        """What is run."""
        raise NotImplementedError

    def wrong(self, saved: set[str], *, is_done: bool) -> str:
        """What is not as it must be now that nothing fails any more; empty when all is.

        Args:
            saved: the jobs whose saving was acknowledged.
            is_done: whether the work was said to be done.
        """
        return self._wrong_store(self._before() | saved) or self._wrong(is_done=is_done)

    def _wrong(self, *, is_done: bool) -> str:
        raise NotImplementedError

    def _turn(self, user: User | None = None) -> Turn:
        def wait(_seconds: float) -> bool:
            if user is not None:
                user.save()
            return False

        return Turn(now=self.clock.now(), clock=self.clock, wait=wait)

    def _before(self) -> set[str]:
        return {f"due-{number:04}" for number in range(_DUE)} | {f"fresh-{number:04}" for number in range(_FRESH)}

    def _wrong_store(self, expected: set[str]) -> str:
        pages, found = read_jobs(self.store)
        if pages != "ok":
            return f"the store: {pages}"
        return f"lost: {sorted(expected - found)[:5]}" if expected - found else ""

    def _wrong_backups(self, least: int) -> str:
        """All that can be seen and count are whole, and as many as must stay are there."""
        entries = [entry for entry in read_catalogue(self.backups.path, self.store) if entry.is_verified]
        with self.backups.locked():  # as the next run does
            expected = {".hyperjobs-backup.lock"}
            for name in self.backups.names():
                expected |= {str(name), name.manifest, f"{name}.failed"}
            left = {path.name for path in self.backups.path.iterdir()} - expected
        for entry in entries:
            try:
                verify(self.backups.path, entry.name)
            except BackupDamagedError as exc:
                return f"a bad backup can be seen: {exc}"
        if left:
            return f"left behind: {sorted(left)}"
        return "" if len(entries) >= least else f"only {len(entries)} backups are left"


class Backup(Upkeep):
    """A backup taken, proven and published, and the old ones rotated out."""

    def prepare(self) -> None:
        super().prepare()
        self.backups.prepare()
        take_daily(self.store, self.backups, DAYS, compression="zstd")

    def task(self) -> Task:
        policy = Policy(last=2)
        return BackupTask(self.store, self.backups, policy=policy, minimum=2, pages=8, compression=self.compression)

    compression: ClassVar[str] = "zstd"

    def _wrong(self, *, is_done: bool) -> str:
        # one that a failing disk kept from being read is marked, and counts no more; the others stay then
        wrong = self._wrong_backups(2)
        if not wrong and is_done:
            newest = newest_verified(read_catalogue(self.backups.path, self.store))
            if newest is None or newest.name.sequence <= DAYS:
                return "said to be done, and the newest backup is an old one"
        return wrong


class PlainBackup(Backup):
    """The same without compression: the very file that SQLite wrote is published."""

    compression = "none"


class Drill(Upkeep):
    """The newest backup restored to a scratch file and read."""

    is_user_connected = False

    def prepare(self) -> None:
        super().prepare()
        self.backups.prepare()
        take_daily(self.store, self.backups, DAYS, compression="zstd")

    def task(self) -> Task:
        def newest():
            entry = newest_verified(read_catalogue(self.backups.path, self.store))
            return None if entry is None else entry.name

        return DrillTask(self.store, self.backups, newest=newest, distrust=lambda _name, _why: None)

    def _wrong(self, *, is_done: bool) -> str:  # noqa: ARG002 - it changes nothing either way
        self.task().run(self._turn())  # clears what a failed one left
        return self._wrong_backups(DAYS - 1)


class Restore(Upkeep):
    """The newest backup put in the store's place: then the old or the new one is there, and the old one is kept."""

    is_user_connected = False

    def prepare(self) -> None:
        super().prepare()
        self.backups.prepare()
        take_daily(self.store, self.backups, 1, compression="zstd")
        db = apsw.Connection(str(self.store))
        db.set_busy_timeout(BUSY_MS)
        with db:
            insert(db, "since-then", "running")
        db.close()

    def work(self, user: User | None) -> None:  # noqa: ARG002 - nobody else has it open
        self._restore()

    def _restore(self) -> None:
        with staged(self.backups.path, self.backups.names()[-1], self.store) as (database, _):
            swap(database, self.store, now=self.clock.now())

    def wrong(self, saved: set[str], *, is_done: bool) -> str:
        forget_killed(self.store)  # as the next start of the agent and the next restore do
        old = self._before() | {"since-then"} | saved
        pages, there = self._read(self.store, saved)
        kept = [path for path in self.folder.iterdir() if self._is_kept(path)]
        if pages != "ok":
            return f"the store: {pages}"
        if is_done and there == old:
            return "said to be done, and the store is the old one"
        if there != old and there != self._before():
            return f"neither the old store nor the new one: {len(there)} jobs"
        if there != old and not any(self._read(path, saved) == ("ok", old) for path in kept):
            return f"the old store is gone; kept are {[path.name for path in kept]}"
        self._restore()
        if read_jobs(self.store) != ("ok", self._before()):
            return "a second restore did not end what the first had begun"
        left = [path.name for path in self.folder.iterdir() if path.name.startswith(".jobs.db.hyperjobs-restore-")]
        return f"left behind: {left}" if left else self._wrong_backups(1)

    def _read(self, store: Path, saved: set[str]) -> tuple[str, set[str]]:
        """The ids in a store, without those whose saving nobody was told of: they may be there or not."""
        pages, found = read_jobs(store)
        return pages, {job for job in found if not job.startswith("user-") or job in saved}

    def _is_kept(self, path: Path) -> bool:
        return path.name.startswith("jobs.db.before-restore-") and not path.name.endswith(("-wal", "-shm", "-journal"))


class LiveRestore(Restore):
    """The newest backup written into the store while its user has it open."""

    is_user_connected = True

    def work(self, user: User | None) -> None:
        if user is not None:
            user.save()
        self._restore()

    def _restore(self) -> None:
        with staged(self.backups.path, self.backups.names()[-1], self.store) as (database, _):
            restore_live(database, self.store, now=self.clock.now())


class Prune(Upkeep):
    """Jobs past their time archived and deleted: each is in the store or in an archive, and never in neither."""

    lasts = (
        False  # its deletions are not synced one by one: a power cut can bring some back, and the next prune goes on
    )

    def task(self) -> Task:
        return PruneTask(self.store, retention=ALL_30D, archive_directory=self.archives.path, max_share=1.0)

    def wrong(self, saved: set[str], *, is_done: bool) -> str:
        expected = self._before() | saved
        found = read_jobs(self.store)[1]
        if is_done and any(job.startswith("due-") for job in found):
            return "said to be done, and not all is pruned"
        if {job for job in expected if not job.startswith("due-")} - found:
            return "a job that is not due is gone"
        wrong = self._wrong_store(expected - self._archived())
        if wrong:
            return wrong
        self.task().run(self._turn())  # completes what a broken-off one left
        wrong = self._wrong_store({job for job in expected if not job.startswith("due-")})
        if wrong or expected - read_jobs(self.store)[1] - self._archived():
            return wrong or "in neither the store nor an archive, after the next prune"
        names = self.archives.names()
        whole = {".hyperjobs-archive.lock", *(name.data for name in names), *(name.manifest for name in names)}
        left = {path.name for path in self.archives.path.iterdir()} - whole
        return f"left behind: {sorted(left)}" if left else ""

    def _archived(self) -> set[str]:
        """What undo would bring back, also of a prune that did not come to its manifest."""
        found: set[str] = set()
        connection = Connection(self.store)
        for name in self.archives.names():
            manifest = manifest_of(self.archives, name)
            if manifest is None:
                try:
                    manifest = recover(self.archives, name, connection, clock=self.clock, is_dry=True)
                except HyperjobsError:
                    continue  # not even its first frame lasted: nothing was deleted for it
            if manifest is not None:
                found |= {str(id_of(cells)) for cells in archived_rows(self.archives.path / name.data, manifest)}
        connection.close()
        return found


class Vacuum(Upkeep):
    """The store written anew."""

    def prepare(self) -> None:
        super().prepare()
        db = apsw.Connection(str(self.store))
        db.set_busy_timeout(BUSY_MS)
        db.execute("CREATE TABLE filler(x); INSERT INTO filler VALUES(zeroblob(200000)); DELETE FROM filler").fetchall()
        db.close()

    def work(self, user: User | None) -> None:
        if user is not None:
            user.save()
        super().work(user)
        if user is not None:
            user.save()

    def task(self) -> Task:
        return VacuumTask(self.store, mode="full")

    def _wrong(self, *, is_done: bool) -> str:  # noqa: ARG002 - rows and pages are all there is to it
        left = sorted(path.name for path in self.folder.iterdir() if not path.name.startswith("jobs.db"))
        return f"left behind: {left}" if left else ""


class Checkpoint(Vacuum):
    """The -wal moved into the store, and emptied."""

    def task(self) -> Task:
        return CheckpointTask(self.store, truncate=lambda _now: True)


UPKEEP: dict[str, type[Upkeep]] = {
    "backup": Backup,
    "plain backup": PlainBackup,
    "drill": Drill,
    "restore": Restore,
    "live restore": LiveRestore,
    "prune": Prune,
    "vacuum": Vacuum,
    "checkpoint": Checkpoint,
}


def read_jobs(store: Path) -> tuple[str, set[str]]:
    """What SQLite says of a store's pages, and the ids in it."""
    connection = Connection(os.fspath(store))
    try:
        pages = "; ".join(str(row[0]) for row in connection.rows("PRAGMA integrity_check(3)"))
        return pages, {str(row[0]) for row in connection.rows("SELECT id FROM jobs")}
    finally:
        connection.close()
