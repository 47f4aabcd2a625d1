"""A copy of a store as it was at one moment, made beside writers that go on writing."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import apsw

from hyperjobs.errors import StoreError, StoreInterruptedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hyperjobs.store.connection import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How a copy goes.

    Attributes:
        pages: copied at once.
        pause: called with ``pause_s`` between two steps; it waits, or returns at once when a stop came.
        is_stopping: whether to give up; looked at after every step.
        progress: called with the pages copied and all pages.
    """

    pages: int = 1000
    pause_s: float = 0.0
    pause: Callable[[float], object] = lambda _seconds: None
    is_stopping: Callable[[], bool] = lambda: False
    progress: Callable[[int, int], object] = lambda _done, _all: None

    def keep_on(self) -> None:
        """Return, or raise StoreInterruptedError when a stop came."""
        if self.is_stopping():
            raise StoreInterruptedError("stopped before the copy was whole; nothing of it was kept")


@dataclass(frozen=True, slots=True)
class Copied:
    """What the source held when its copy was taken.

    Attributes:
        jobs: ``None`` when the source is too damaged to count them.
    """

    pages: int
    jobs: int | None


def copy_snapshot(source: Connection, target: Path, pace: Pace) -> Copied:
    """Copy the store as it is now into ``target``, an empty file, and leave that synced and in no need of a -wal.

    The source's snapshot is held all along: without it every commit of another process starts the copy anew, and
    beside a busy writer it never ends (https://sqlite.org/c3ref/backup_finish.html). Writers do not wait for it; their
    -wal grows while it runs.

    Raises:
        StoreInterruptedError: a stop came.
        StoreError: as :class:`~hyperjobs.store.connection.Connection` says.
    """
    copied = source.read(lambda db: _copy(db, target, pace))
    try:
        descriptor = os.open(target, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as exc:
        raise StoreError(f"{target}: the copy cannot be synced: {exc.strerror or exc}; see the kernel log") from exc
    return copied


def _copy(db: apsw.Connection, target: Path, pace: Pace) -> Copied:
    db.execute("PRAGMA schema_version").fetchall()  # the read that takes the snapshot
    jobs: Any  # as the driver gives it
    try:
        jobs = db.execute("SELECT count(*) FROM jobs").fetchall()[0][0]
    except apsw.CorruptError:  # what is left is worth a copy; pages are copied without a look at what is in them
        jobs = None
    flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_NOFOLLOW
    copy = apsw.Connection(str(target), flags=flags)
    try:
        # Nobody sees the file before it is whole and synced, so it needs neither a journal nor syncs on the way.
        for pragma in ("locking_mode=EXCLUSIVE", "journal_mode=OFF", "synchronous=OFF"):
            copy.execute(f"PRAGMA {pragma}").fetchall()
        with copy.backup("main", db, "main") as backup:
            while not backup.done:
                backup.step(pace.pages)
                pace.progress(backup.page_count - backup.remaining, backup.page_count)
                pace.keep_on()
                if not backup.done:
                    pace.pause(pace.pause_s)
            pages = backup.page_count
    finally:
        copy.close()
    # The copied header says WAL: a reader of the copy would leave a -wal and a -shm beside it.
    copy = apsw.Connection(str(target), flags=flags)
    try:
        for pragma in ("locking_mode=EXCLUSIVE", "journal_mode=DELETE"):
            copy.execute(f"PRAGMA {pragma}").fetchall()
    finally:
        copy.close()
    return Copied(pages, jobs)


def overwrite(target: Connection, source: Connection, keep: Callable[[], object] = lambda: None) -> None:
    """Make an open store hold what ``source`` holds, in one transaction; its users see all of it or nothing.

    Args:
        target: the store that others may have open.
        source: of a file that nobody writes to, with pages of the same size.
        keep: called once nobody else can write and nothing is changed yet: what another connection reads then is the
            last there was. What it raises ends the transaction without a change.

    Raises:
        StoreBusyError: a lock of the target was not to be had within its busy timeout.
    """

    def work(db: apsw.Connection) -> None:
        with db.backup("main", source.raw, "main") as backup:
            backup.step(1)  # the first step takes the write lock, and it is held to the end
            keep()
            while not backup.done:
                backup.step(-1)

    target.run(work)
