"""The state file: what must outlive the store, one small SQLite file of ours for each store.

It is never part of a backup or a restore. Losing it costs the counters' memory of rollbacks, nothing else.
"""

from __future__ import annotations

import contextlib
import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import apsw

from hyperjobs.errors import (
    StoreBusyError,
    StoreDamagedError,
    StoreError,
    StoreFullError,
    StorePermissionError,
    StoreReadOnlyError,
)
from hyperjobs.store.source import source_sha256

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from hyperjobs.clock import Clock

_SCHEMA = """
CREATE TABLE IF NOT EXISTS counter(metric TEXT, provider TEXT, status TEXT, bucket INTEGER, last INTEGER NOT NULL,
  offset INTEGER NOT NULL, PRIMARY KEY (metric, provider, status, bucket)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS fact(key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS progress(job_id TEXT PRIMARY KEY, progress REAL, since REAL NOT NULL) WITHOUT ROWID;
"""
_COUNTERS = "SELECT metric,provider,status,bucket,last,offset FROM counter"


def state_stem(store: Path) -> str:
    """The name that state file and lock of a store go by: readable, and different for each path."""
    return f"{store.stem}-{source_sha256(store)[:12]}"


class StateFile:
    """The open state file of one store; thread-safe."""

    def __init__(self, state_dir: Path, store: Path, *, clock: Clock, may_replace: bool = True) -> None:
        """Open or create it; one that SQLite cannot read is moved aside under a dated name.

        Args:
            state_dir: the directory of such files; it is made.
            store: whose state it is.
            clock: dates what is moved aside.
            may_replace: whether nobody else can have it open: moved aside beneath another's hands, what that one
                writes, a freeze among it, would be seen by nobody.

        Raises:
            StorePermissionError: the directory cannot be made or written.
            StoreDamagedError: SQLite cannot read it, and it may not be replaced.
        """
        self.path = state_dir / f"{state_stem(store)}.db"
        self.was_damaged = False
        self._lock = threading.Lock()
        try:
            state_dir.mkdir(parents=True, exist_ok=True, mode=0o750)
        except OSError as exc:
            raise StorePermissionError(
                f"{state_dir}: cannot make the state directory: {exc.strerror}; set store.state_dir to one the agent can write"
            ) from exc
        try:
            self._db = self._open()
        except (apsw.NotADBError, apsw.CorruptError) as exc:
            if not may_replace:
                raise StoreDamagedError(
                    f"{self.path}: the state file is damaged: {exc}; restart the agent, which sets it aside and says so"
                ) from exc
            self.was_damaged = True
            aside = self.path.with_suffix(f".damaged-{clock.now():%Y%m%dt%H%M%Sz}")
            for suffix in ("", "-wal", "-shm"):
                old = self.path.with_name(self.path.name + suffix)
                if old.exists():
                    old.rename(aside.with_name(aside.name + suffix))
            self._db = self._open()

    def _open(self) -> apsw.Connection:
        try:
            with contextlib.suppress(FileExistsError):  # for its owner and group from birth
                os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640))
            db = apsw.Connection(str(self.path))
            db.set_busy_timeout(5_000)
            db.execute("PRAGMA journal_mode=WAL").fetchall()
            # A power cut may cost the last half second of memory; the store's own rows are not at stake here.
            db.execute("PRAGMA synchronous=NORMAL").fetchall()
            for sql in filter(None, (part.strip() for part in _SCHEMA.split(";"))):
                db.execute(sql)
            # A page that is damaged is found here, where the file can still be set aside; it is a small one.
            if (said := db.execute("PRAGMA quick_check(1)").fetchall()) != [("ok",)]:
                db.close()
                raise apsw.CorruptError(str(said))
        except apsw.FullError as exc:
            raise StoreFullError(f"{self.path}: no space left for the state file; free some on its disk") from exc
        except apsw.BusyError as exc:
            raise StoreBusyError(
                f"{self.path}: another process keeps the state file locked; which one has it open?"
            ) from exc
        except (apsw.CantOpenError, apsw.ReadOnlyError, apsw.PermissionsError) as exc:
            raise StoreReadOnlyError(
                f"{self.path}: cannot write the state file: {exc}; set store.state_dir to a directory the agent can write"
            ) from exc
        if db.readonly("main"):  # SQLite opens such a file without a word, and fails at the first write
            db.close()
            raise StoreReadOnlyError(
                f"{self.path}: the state file can only be read; set store.state_dir to a directory the agent can write"
            )
        return db

    def counters(self) -> Iterator[tuple[tuple[str, str, str, int], int, int]]:
        """Every counter's (key, last value shown, offset)."""
        with self._lock:
            rows: list[Any] = self._db.execute(_COUNTERS).fetchall()
        for metric, provider, status, bucket, last, offset in rows:
            yield (metric, provider, status, bucket), last, offset

    def save_counters(self, rows: Iterable[tuple[Any, ...]], *, base: str | None = None) -> None:
        """Store (metric, provider, status, bucket, last, offset) rows; with them, when new, what they are on top of."""
        with self.writing() as db:
            if base is not None:
                db.execute("INSERT OR REPLACE INTO fact VALUES('base',?)", (base,))
            db.executemany("INSERT OR REPLACE INTO counter VALUES(?,?,?,?,?,?)", rows)

    def facts(self) -> dict[str, Any]:
        """Single values by name."""
        with self._lock:
            rows: list[Any] = self._db.execute("SELECT key,value FROM fact").fetchall()
        return dict(rows)

    def fact(self, key: str) -> Any:
        """One of them; ``None`` when nobody stored it."""
        rows = self.rows("SELECT value FROM fact WHERE key=?", (key,))
        return rows[0][0] if rows else None

    def save_facts(self, **facts: Any) -> None:
        """Store single values."""
        with self.writing() as db:
            db.executemany("INSERT OR REPLACE INTO fact VALUES(?,?)", facts.items())

    def progress(self) -> dict[str, tuple[float, float]]:
        """Running jobs by id: the progress last seen, and the epoch seconds since when it has not moved."""
        with self._lock:
            return {
                job: (seen, since)
                for job, seen, since in self._db.execute("SELECT job_id,progress,since FROM progress")
            }

    def save_progress(self, seen: dict[str, tuple[float, float]]) -> None:
        """Replace what is known of running jobs."""
        with self.writing() as db:
            db.execute("DELETE FROM progress")
            db.executemany("INSERT INTO progress VALUES(?,?,?)", [(job, *pair) for job, pair in seen.items()])

    def rows(self, sql: str, bindings: tuple[Any, ...] = ()) -> list[Any]:
        """What one statement that only reads finds."""
        with self._lock:
            try:
                return self._db.execute(sql, bindings).fetchall()
            except apsw.Error as exc:
                raise StoreError(f"{self.path}: cannot read the state file: {exc}") from exc

    @contextmanager
    def writing(self) -> Iterator[apsw.Connection]:
        """One transaction; what keeps it from being written is said as what it is, not as a fault of the caller."""
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield self._db
                self._db.execute("COMMIT")
            except BaseException as exc:  # KeyboardInterrupt and a stop too; it is raised again
                if self._db.in_transaction:  # a full disk has ended it already
                    self._db.execute("ROLLBACK")
                if isinstance(exc, apsw.FullError):
                    raise StoreFullError(
                        f"{self.path}: no space left for the state file; free some on its disk"
                    ) from exc
                if isinstance(exc, apsw.Error):
                    raise StoreError(
                        f"{self.path}: cannot write the state file: {exc}; is store.state_dir still writable?"
                    ) from exc
                raise

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()
