"""A store that lives a life with all that looks after it, so that it can be lost and made again from what is left."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import apsw

from hyperjobs.clock import SystemClock
from hyperjobs.maintenance.audit.log import AuditSettings
from hyperjobs.maintenance.audit.sink import AuditSink
from hyperjobs.maintenance.backup.create import create_backup
from hyperjobs.maintenance.backup.directory import BackupDirectory
from hyperjobs.maintenance.prune.directory import ArchiveDirectory
from hyperjobs.maintenance.prune.task import PruneTask
from hyperjobs.maintenance.prune.undo import undo
from hyperjobs.maintenance.rebuild import Rebuilt, rebuild
from hyperjobs.maintenance.rebuild.finding import find_sources
from hyperjobs.maintenance.task import Turn
from hyperjobs.maintenance.transfer.exporting import export_jobs
from hyperjobs.store.cells import read_cells
from hyperjobs.store.connection import Connection
from hyperjobs.store.ledger.history import job_events
from hyperjobs.store.ledger.options import LedgerOptions
from hyperjobs.store.pins import pin, read_pins
from hyperjobs.store.retention import Retention
from hyperjobs.store.snapshot import Pace
from support.ledgers import Kept, insert, make_store

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

OLD = "2020-01-01 10:00:00+00:00"
RETENTION = Retention(dict.fromkeys(("cancelled", "completed", "failed"), timedelta(days=30)))


class Life:
    """A store, its keeper with an audit log, its backups, archives and exports; by the real clock."""

    def __init__(self, folder: Path, *, rotate_bytes: int = 2_000) -> None:
        self.folder = folder
        self.store = make_store(folder / "jobs.db")
        self.clock = SystemClock()
        self.log = folder / "audit.jsonl"
        self.backups = BackupDirectory(folder / "backups")
        self.archives = ArchiveDirectory(folder / "archive")
        self._exports = 0
        self.backups.prepare()
        sink = AuditSink(
            AuditSettings(path=self.log, rotate_bytes=rotate_bytes, keep=10_000, fsync=False), clock=self.clock
        )
        self.keeper = Kept(
            self.store, folder / "state", options=LedgerOptions(is_audited=True), clock=self.clock, audit=sink
        )
        self.keep()

    def keep(self) -> None:
        """A turn of the agent."""
        self.keeper.turn()

    def sql(self, *statements: str | tuple[str, tuple[Any, ...]]) -> None:
        """Run statements as some other program would."""
        db = apsw.Connection(str(self.store))
        db.set_busy_timeout(10_000)
        for statement in statements:
            db.execute(*((statement,) if isinstance(statement, str) else statement)).fetchall()
        db.close()

    def save(self, job_id: str, status: str, **values: Any) -> None:
        """Save a job as hypersdk's client does."""
        db = apsw.Connection(str(self.store))
        db.set_busy_timeout(10_000)
        insert(db, job_id, status, **values)
        db.close()

    def set(self, job_id: str, status: str) -> None:
        """Set a status as hypersdk's client does: nothing but that."""
        self.sql(("UPDATE jobs SET status=? WHERE id=?", (status, job_id)))

    def turn(self, **changes: Any) -> Turn:
        """A run that begins now."""
        return Turn(**{"now": self.clock.now(), "clock": self.clock, **changes})

    def prune(self) -> None:
        """Delete the finished jobs that ended long ago, archived."""
        PruneTask(self.store, retention=RETENTION, archive_directory=self.archives.path, max_share=1.0).run(self.turn())

    def undo(self) -> None:
        """Bring back what the last prune took."""
        undo(self.store, self.archives, "latest", self.turn())

    def backup(self, compression: str = "zstd") -> None:
        """Take a backup."""
        create_backup(self.store, self.backups, clock=self.clock, pace=Pace(), compression=compression)

    def export(self, suffix: str = ".jsonl") -> Path:
        """Write all jobs into a file."""
        self._exports += 1
        path = self.folder / f"export-{self._exports}{suffix}"
        export_jobs(self.store, path, self.turn())
        return path

    def pin(self, job_id: str) -> None:
        """Keep a job from every prune."""
        connection = Connection(self.store)
        pin(connection, job_id, now=self.clock.now(), reason="kept", by="alice")
        connection.close()

    def end(self) -> None:
        """What the agent does when it ends."""
        self.keep()
        self.keeper.stop()

    def lose(self) -> dict[Any, tuple[Any, ...]]:
        """The store is gone; what was in it."""
        rows = rows_of(self.store)
        for path in self.folder.glob("jobs.db*"):
            path.unlink()
        return rows

    def rebuild(self, *sources: Path | str, name: str = "new.db", **options: Any) -> Rebuilt:
        """Make a store from pieces."""
        turn = options.pop("turn", None) or self.turn()
        return rebuild(self.folder / name, find_sources(sources), turn, **options)

    def pieces(self) -> list[Path]:
        """Where they are."""
        return [path for path in (self.backups.path, self.archives.path, self.log) if path.exists()]


def rows_of(path: Path) -> dict[Any, tuple[Any, ...]]:
    """Every job by its id, each value with its type."""
    connection = Connection(path, read_only=True)
    try:
        found = connection.run(lambda db: read_cells(db, ""))
    finally:
        connection.close()
    return {cells[0]: tuple((type(cell).__name__, cell) for cell in cells) for _, cells in found}


def statuses_of(rows: dict[Any, tuple[Any, ...]]) -> dict[Any, Any]:
    """Id → status."""
    return {job_id: cells[6][1] for job_id, cells in rows.items()}


def histories_of(path: Path, ids: Iterable[str]) -> dict[str, list[tuple[float, str | None, str | None]]]:
    """Id → its changes, as the ledger has them."""
    connection = Connection(path, read_only=True)
    try:
        return {
            job_id: [
                (event.at.timestamp(), event.old, event.new)
                for event in connection.read(lambda db, job_id=job_id: job_events(db, job_id, now=datetime.now(UTC)))
            ]
            for job_id in ids
        }
    finally:
        connection.close()


def pinned_in(path: Path) -> set[str]:
    """Ids of pinned jobs."""
    connection = Connection(path, read_only=True)
    try:
        return {found.job_id for found in connection.read(read_pins)}
    finally:
        connection.close()
