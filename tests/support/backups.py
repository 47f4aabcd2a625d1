"""Backups for tests: real ones of a small store, and names that stand for any number of them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import apsw

from hyperjobs.maintenance.backup.create import create_backup
from hyperjobs.maintenance.backup.name import BackupName
from hyperjobs.store.snapshot import Pace
from hyperjobs.testing import START, FakeClock
from support.ledgers import insert, make_store
from support.stores import BUSY_MS

if TYPE_CHECKING:
    from pathlib import Path

    from hyperjobs.maintenance.backup.directory import BackupDirectory


def store_of(path: Path, jobs: int = 20) -> Path:
    """A store with some completed jobs."""
    make_store(path)
    db = apsw.Connection(str(path))
    db.set_busy_timeout(BUSY_MS)
    with db:
        for number in range(jobs):
            insert(db, f"job-{number}", "completed", size=number)
    db.close()
    return path


def take(
    store: Path, directory: BackupDirectory, *, at: datetime = START, compression: str = "none", doubt: str = ""
) -> BackupName:
    """A real backup, taken at this time."""
    manifest = create_backup(store, directory, clock=FakeClock(at), pace=Pace(), compression=compression, doubt=doubt)
    name = BackupName.parse(manifest.name)
    assert name is not None
    return name


def take_daily(store: Path, directory: BackupDirectory, days: int, *, compression: str = "none") -> list[BackupName]:
    """A real backup each day from the start on."""
    return [take(store, directory, at=START + timedelta(days=day), compression=compression) for day in range(days)]
