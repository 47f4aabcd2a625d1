"""A store that a command takes a while to go through, with a backup and an export of it, put back in place for each test."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import apsw

from support.ledgers import HYPERSDK_SCHEMA
from support.stores import BUSY_MS

if TYPE_CHECKING:
    from pathlib import Path

JOBS = 100_000
_FILL = """
INSERT INTO jobs WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i+1 FROM n WHERE i<?-1)
SELECT printf('job-%07d',i),'Export','vm-'||(i%1000),'/dc/vm','vsphere','/out',iif(i%10,'completed','failed'),
 '2026-06-01 10:00:00+00:00','2026-06-01 10:00:00+00:00','2026-06-01 11:00:00+00:00',100,
 'error '||hex(randomblob(100)),iif(i%3,'null',NULL),'u',1,1 FROM n
"""


@dataclass(frozen=True)
class BigStore:
    """Where it lies; ``folder`` holds all that a command could leave behind.

    Attributes:
        kept: the same as it was made.
    """

    folder: Path
    kept: Path

    @classmethod
    def make(cls, folder: Path, jobs: int = JOBS) -> BigStore:
        """Make it, by the program itself."""
        made = cls(folder / "now", folder / "kept")
        (made.folder / "tmp").mkdir(parents=True)
        db = apsw.Connection(str(made.store))
        db.set_busy_timeout(BUSY_MS)
        for pragma in ("auto_vacuum=INCREMENTAL", "journal_mode=WAL", "synchronous=OFF"):
            db.execute(f"PRAGMA {pragma}").fetchall()
        db.execute(HYPERSDK_SCHEMA).fetchall()
        db.execute(_FILL, (jobs,)).fetchall()
        db.execute("ANALYZE").fetchall()
        db.close()
        made.run("backup", "create")
        made.run("export", str(made.folder / "jobs.jsonl"))
        shutil.copy(made.store, made.folder / "other.db")
        shutil.copytree(made.folder, made.kept)
        return made

    @property
    def store(self) -> Path:
        return self.folder / "jobs.db"

    @property
    def environment(self) -> dict[str, str]:
        """All it writes lies in the folder."""
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("HYPERJOBS_")},
            "HOME": str(self.folder),
            "TMPDIR": str(self.folder / "tmp"),
            "HYPERJOBS_STORE__PATH": str(self.store),
            "HYPERJOBS_STORE__STATE_DIR": str(self.folder / "state"),
            "HYPERJOBS_MAINTENANCE__BACKUP__DIRECTORY": str(self.folder / "backups"),
            "HYPERJOBS_MAINTENANCE__PRUNE__ARCHIVE__DIRECTORY": str(self.folder / "archive"),
            "HYPERJOBS_MAINTENANCE__PRUNE__RETENTION__COMPLETED": "30d",
            "HYPERJOBS_MAINTENANCE__PRUNE__MAX_SHARE": "100%",
        }

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "hyperjobs", *(word.replace("{}", str(self.folder)) for word in words)]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, which is good."""
        return subprocess.run(self.command(*words), env=self.environment, capture_output=True, text=True, check=True)

    def put_back(self) -> None:
        """All as it was made; what nobody has written to since is left as it is."""
        for path in sorted(self.folder.rglob("*"), reverse=True):
            before = self.kept / path.relative_to(self.folder)
            if path.is_dir():
                if not before.exists():
                    path.rmdir()
            elif path.name.endswith("-shm") or not before.exists() or _written(path) != _written(before):
                path.unlink()
        for before in sorted(self.kept.rglob("*")):
            path = self.folder / before.relative_to(self.kept)
            if before.is_dir():
                path.mkdir(exist_ok=True)
            elif not path.exists():
                shutil.copy2(before, path)

    def sql(self, *statements: str) -> None:
        db = apsw.Connection(str(self.store))
        db.set_busy_timeout(BUSY_MS)
        for statement in statements:
            db.execute(statement).fetchall()
        db.close()

    def files(self) -> set[str]:
        return {str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file()}

    def jobs(self) -> int:
        """How many it has; its pages are sound, and nobody holds its lock."""
        db = apsw.Connection(str(self.store))
        db.set_busy_timeout(BUSY_MS)
        try:
            assert db.execute("PRAGMA quick_check").fetchall() == [("ok",)]
            db.execute("BEGIN IMMEDIATE")  # waits for nobody: the busy timeout is 0
            db.execute("ROLLBACK")
            return int(db.execute("SELECT count(*) FROM jobs").fetchall()[0][0])
        finally:
            db.close()

    def held_locks(self) -> list[str]:
        """Files of locks that somebody holds."""
        held = []
        for path in self.folder.rglob("*.lock"):
            with path.open("rb") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    held.append(path.name)
        return held


def _written(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns
