"""A store with its keeper, for tests of the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

import apsw

from hyperjobs.store.connection import Connection
from hyperjobs.store.continuity import Continuity
from hyperjobs.store.ledger.keeper import Keeper
from hyperjobs.store.ledger.options import LedgerOptions
from hyperjobs.store.ledger.view import LedgerView, read_view
from hyperjobs.store.state import StateFile
from hyperjobs.testing import FakeClock
from support.stores import BUSY_MS

if TYPE_CHECKING:
    from pathlib import Path

    from hyperjobs.store.ledger.outbox import Audit

HYPERSDK_SCHEMA = """
CREATE TABLE jobs (id TEXT PRIMARY KEY, name TEXT NOT NULL, vm_name TEXT NOT NULL, vm_path TEXT NOT NULL,
  provider TEXT NOT NULL, output_dir TEXT NOT NULL, status TEXT NOT NULL, created_at TIMESTAMP NOT NULL,
  started_at TIMESTAMP, completed_at TIMESTAMP, progress REAL DEFAULT 0, error TEXT, metadata TEXT, user TEXT,
  total_size INTEGER DEFAULT 0, files_count INTEGER DEFAULT 0);
CREATE INDEX idx_status ON jobs(status);
CREATE INDEX idx_created_at ON jobs(created_at DESC);
CREATE INDEX idx_provider ON jobs(provider);
CREATE INDEX idx_user ON jobs(user);
CREATE INDEX idx_vm_name ON jobs(vm_name);
CREATE TABLE schema_version (version INTEGER PRIMARY KEY, applied_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP);
INSERT INTO schema_version(version) VALUES(1);
"""


def make_store(path: Path) -> Path:
    """An empty store as hypersdk's own client makes it, in WAL mode."""
    db = apsw.Connection(str(path))
    db.set_busy_timeout(BUSY_MS)
    db.execute("PRAGMA journal_mode=WAL").fetchall()
    db.execute(HYPERSDK_SCHEMA).fetchall()
    db.close()
    return path


def insert(  # noqa: PLR0913 - the columns that tests vary, each by name
    db: apsw.Connection,
    job_id: str,
    status: str = "pending",
    *,
    provider: str = "vsphere",
    created: str = "2026-01-01 10:00:00+00:00",
    started: str | None = None,
    completed: str | None = None,
    size: int = 0,
    files: int = 0,
    verb: str = "INSERT OR REPLACE",
) -> None:
    """Save a job by hypersdk's own statement."""
    db.execute(
        f"{verb} INTO jobs VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
        (
            job_id,
            "n",
            "vm",
            "/vm",
            provider,
            "/out",
            status,
            created,
            started,
            completed,
            0.0,
            "",
            "null",
            "",
            size,
            files,
        ),
    )


class Kept:
    """A store, its keeper and what they remember; the clock stands still unless told."""

    def __init__(
        self,
        path: Path,
        state_dir: Path,
        *,
        options: LedgerOptions | None = None,
        clock: FakeClock | None = None,
        audit: Audit | None = None,
    ) -> None:
        self.path = path
        self.clock = clock or FakeClock()
        self.options = options or LedgerOptions()
        self.state = StateFile(state_dir, path, clock=self.clock)
        self.continuity = Continuity(self.state)
        self.keeper = Keeper(
            path,
            options=self.options,
            state=self.state,
            continuity=self.continuity,
            clock=self.clock,
            fold_interval_s=0.0,
            audit=audit,
        )

    def turn(self) -> float:
        """One turn of the keeper, with the fold due."""
        return self.keeper.turn(lambda: False)

    def view(self) -> LedgerView:
        """What a scrape would see, on a connection of its own."""
        connection = Connection(self.path, read_only=True)
        try:
            return connection.read(lambda db: read_view(db, self.options, now=self.clock.now()))
        finally:
            connection.close()

    def exported(self) -> dict[tuple[str, str, str, int], int]:
        """Counters as a scrape would show them."""
        era, view = self.continuity.era, self.view()
        return self.continuity.export(view.rollup.totals, is_whole=view.is_whole, era=era)

    def stop(self) -> None:
        """What the agent does when it ends."""
        self.keeper.close()
        self.continuity.save()
        self.state.close()


def downgrade(connection: Connection) -> None:
    """Make a ledger one of version 1, if there is one: no remark in its delete trigger, no ``ids`` in its history."""
    sql = connection.value("SELECT sql FROM sqlite_schema WHERE name='hyperjobs_ad' AND sql LIKE '%/*%'")
    if sql is None:
        return
    for statement in (
        "DROP TRIGGER hyperjobs_ad",
        sql.replace(" /* or op 8 */", ""),
        "ALTER TABLE hyperjobs_history DROP COLUMN ids",
        "UPDATE hyperjobs_meta SET value=1 WHERE key='schema_version'",
    ):
        connection.rows(statement)
