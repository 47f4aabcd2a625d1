"""Backups to copy, and destinations to copy them to, as a directory on disk that a test can look at and harm."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import apsw

from hyperjobs.maintenance.backup.create import create_backup
from hyperjobs.maintenance.backup.directory import BackupDirectory
from hyperjobs.maintenance.backup.name import BackupName
from hyperjobs.store.snapshot import Pace
from hyperjobs.testing import FakeClock
from support.ledgers import insert, make_store
from support.stores import BUSY_MS

if TYPE_CHECKING:
    from pathlib import Path

    from hyperjobs.maintenance.backup.destination.protocol import Destination

JOBS = 200
_numbers = itertools.count(1)


@dataclass
class Home:
    """A store, and its own directory of backups."""

    store: Path
    directory: BackupDirectory
    clock: FakeClock

    @property
    def path(self) -> Path:
        """The directory of backups."""
        return self.directory.path

    def take(self, compression: str = "none") -> BackupName:
        """A new backup, an hour after the last."""
        self.clock.advance(3600)
        manifest = create_backup(self.store, self.directory, clock=self.clock, pace=Pace(), compression=compression)
        name = BackupName.parse(manifest.name)
        assert name is not None
        return name

    def add(self, *ids: str) -> None:
        """Save finished jobs of these ids in the store."""
        db = apsw.Connection(str(self.store))
        db.set_busy_timeout(BUSY_MS)
        with db:
            for job_id in ids:
                insert(db, job_id, "completed", size=len(job_id))
        db.close()

    def forget(self, name: BackupName) -> None:
        """Lose a backup here."""
        (self.path / str(name)).unlink()
        (self.path / name.manifest).unlink()


def make_home(folder: Path) -> Home:
    """A store of :data:`JOBS` jobs, with no backup yet."""
    folder.mkdir(exist_ok=True)
    home = Home(make_store(folder / "jobs.db"), BackupDirectory(folder / "backups"), FakeClock())
    home.add(*(f"job-{number}" for number in range(JOBS)))
    return home


def ids(store: Path) -> set[str]:
    """The ids of the jobs of a store."""
    db = apsw.Connection(str(store), flags=apsw.SQLITE_OPEN_READWRITE)
    db.set_busy_timeout(BUSY_MS)
    try:
        return {row[0] for row in db.execute("SELECT id FROM jobs")}
    finally:
        db.close()


@dataclass
class There:
    """A destination, and the directory in which what it keeps are plain files."""

    destination: Destination
    root: Path

    def files(self) -> list[str]:
        """What is there, but for the lock file of a directory."""
        return sorted(path.name for path in self.root.glob("*") if path.name != ".hyperjobs-backup.lock")


def new_bucket() -> str:
    """A name no bucket has."""
    return f"bucket-{next(_numbers)}"
