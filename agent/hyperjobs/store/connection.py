"""One hardened SQLite connection: how the store is opened, waited for, read and written."""

from __future__ import annotations

import contextlib
import os
import random
import threading
import time
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import apsw

from hyperjobs.clock import SystemClock
from hyperjobs.errors import (
    StoreClosedError,
    StoreError,
    StoreInterruptedError,
)
from hyperjobs.store.failure import BUSY, on_read_only_mount, translate
from hyperjobs.store.path import check_path, refuse_emptied, size_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hyperjobs.clock import Clock

    Bindings = Sequence[Any] | Mapping[str, Any]

__all__ = ["Connection", "translate"]

T = TypeVar("T")

_SYNCHRONOUS: Final = frozenset({"OFF", "NORMAL", "FULL", "EXTRA"})
_READ: Final = "BEGIN"
_FIRST_WAIT_S: Final = 0.001
_LONGEST_WAIT_S: Final = 0.05
"""Between two tries for a lock; the writers' transactions are far shorter, so a longer wait only adds delay."""
_WAL_KEPT_BYTES: Final = 64 * 1024 * 1024
"""A -wal larger than this is cut back after its checkpoint instead of keeping its peak for ever."""

_STEPS_BETWEEN_LOOKS: Final = 20_000
"""Of SQLite's virtual machine: some hundred microseconds between two questions whether to stop."""

_live: weakref.WeakSet[Connection] = weakref.WeakSet()


class Connection:
    """One connection to one database file.

    Not thread-safe, except for :meth:`interrupt`. Does not survive a fork: in the child every use raises
    StoreClosedError, and the inherited handle is left alone, since closing it there would harm the parent's.

    Args:
        path: the file; it must exist unless ``create``.
        read_only: write nothing, not even by accident.
        immutable: as ``read_only``, and nobody else writes either: no lock is taken and no -wal or -shm is made.
        create: make the file when it is missing.
        busy_timeout_s: how long a lock is waited for before StoreBusyError.
        synchronous: ``FULL`` keeps every acknowledged write through a power cut; ``NORMAL`` can lose the last ones.
        clock: kept for those who stamp what they write. Locks are waited for in real time whatever it says.
        is_stopping: asked while statements run and locks are waited for; once true, they end as by :meth:`interrupt`.
        may_be_remote: the file is ours alone, so that it may lie on a network file system.

    Raises:
        StoreError: one of its kinds; see :func:`check_path` and ``failure.translate``.
    """

    def __init__(  # noqa: PLR0913 - all but the path have a default
        self,
        path: str | os.PathLike[str],
        *,
        read_only: bool = False,
        immutable: bool = False,
        create: bool = False,
        busy_timeout_s: float = 5.0,
        synchronous: str = "FULL",
        clock: Clock | None = None,
        is_stopping: Callable[[], bool] | None = None,
        may_be_remote: bool = False,
    ) -> None:
        if synchronous.upper() not in _SYNCHRONOUS:
            raise StoreError(f"synchronous={synchronous!r} is none of {', '.join(sorted(_SYNCHRONOUS))}")
        if create and not os.path.lexists(path):
            self.path = Path(os.path.realpath(path))
        else:
            # nobody else writes an immutable file, so it may lie anywhere
            self.path = check_path(path, may_be_remote=may_be_remote or immutable)
        if not immutable:
            refuse_emptied(self.path)
        self.clock: Clock = clock or SystemClock()
        self.busy_timeout_s = busy_timeout_s
        self._pid = os.getpid()
        self._interrupted = threading.Event()
        self._waited_s = 0.0
        self._is_stopping = is_stopping or (lambda: False)
        try:
            self.raw = self._open_immutable() if immutable else self._open(read_only=read_only, create=create)
        except apsw.Error as exc:
            raise self._translated(exc) from exc
        _live.add(self)
        try:
            self._harden(synchronous.upper())
            if is_stopping is not None:
                self.raw.set_progress_handler(is_stopping, _STEPS_BETWEEN_LOOKS)
            # kept for change(): a new cursor for each statement costs a tenth of it
            self._writer = self.raw.cursor()
        except apsw.Error as exc:
            self.raw.close()
            raise self._translated(exc) from exc

    def rows(self, sql: str, bindings: Bindings = ()) -> list[tuple[Any, ...]]:
        """Run one statement and return all its rows; outside a transaction it is one of its own."""
        self._begin_use()
        try:
            return self.raw.execute(sql, bindings).fetchall()
        except apsw.Error as exc:
            raise self._translated(exc) from exc

    def value(self, sql: str, bindings: Bindings = ()) -> Any:
        """Run one statement and return the first column of its first row; ``None`` when there is no row."""
        rows = self.rows(sql, bindings)
        return rows[0][0] if rows else None

    def read(self, work: Callable[[apsw.Connection], T]) -> T:
        """Return what ``work`` finds in one snapshot of the store.

        The snapshot is let go when ``work`` ends, however it ends. ``work`` is called again when the store was
        busy, so it must start from scratch. Inside a transaction of this connection it simply joins it.
        """
        return self._in_transaction(_READ, work)

    def write(self, work: Callable[[apsw.Connection], T]) -> T:
        """Return what ``work`` gives, having committed all it wrote, or nothing of it when it raised.

        ``work`` is called again when the store was busy, so it must start from scratch. Inside a transaction of
        this connection it joins it.

        Raises:
            StoreBusyError: the lock was not to be had within the deadline.
        """
        return self._in_transaction("BEGIN IMMEDIATE", work)

    def run(self, work: Callable[[apsw.Connection], T]) -> T:
        """Return what ``work`` gives, with errors translated; for a single statement, which needs no transaction."""
        self._begin_use()
        try:
            return work(self.raw)
        except apsw.Error as exc:
            raise self._translated(exc) from exc

    def change(self, sql: str, bindings: Bindings = ()) -> int:
        """Run one statement that writes, a transaction of its own unless one is open; return the rows it changed."""
        self._begin_use()
        try:
            self._writer.execute(sql, bindings)
            return self.raw.changes()
        except apsw.Error as exc:
            raise self._translated(exc) from exc

    def begin(self) -> None:
        """Start a transaction that writes; end it with :meth:`commit` or :meth:`rollback`."""
        self._begin_use()
        try:
            self.raw.execute("BEGIN IMMEDIATE")
        except apsw.Error as exc:
            raise self._translated(exc) from exc

    def commit(self) -> None:
        """Keep what was written since :meth:`begin`.

        Raises:
            StoreError: it could not be kept, and nothing of it was; an error within had already undone it.
        """
        self._begin_use()
        try:
            if not self.raw.in_transaction:
                raise StoreError(f"{self.path}: an error had already undone this transaction; nothing of it was kept")
            self.raw.execute("COMMIT")
        except apsw.Error as exc:
            self.rollback()
            raise self._translated(exc) from exc

    def interrupt(self) -> None:
        """End the running statement, or the wait for a lock, with StoreInterruptedError; from any thread."""
        if os.getpid() == self._pid:
            self._interrupted.set()
            with contextlib.suppress(apsw.Error):
                self.raw.interrupt()

    def close(self) -> None:
        """Close the connection; closing again does nothing."""
        if os.getpid() != self._pid:
            return
        try:
            self.raw.close()
        except apsw.Error as exc:
            raise self._translated(exc) from exc

    def release(self, *, is_same_file: bool) -> None:
        """Close a handle that was kept for long.

        Args:
            is_same_file: whether the path still leads to the file that was opened. If not, closing must not move our
                WAL into whatever was put in its place. Nor is a long WAL moved: that could take longer than a stop has,
                and the next to open it does.
        """
        if not is_same_file or size_of(Path(f"{self.path}-wal")) > _WAL_KEPT_BYTES:
            with contextlib.suppress(apsw.Error):
                self.raw.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        self.close()

    def _open(self, *, read_only: bool, create: bool) -> apsw.Connection:
        """Open the file; a store on read-only media is read as it lies when no -wal holds newer rows."""
        if not read_only:
            flags = apsw.SQLITE_OPEN_READWRITE | (apsw.SQLITE_OPEN_CREATE if create else 0)
            return apsw.Connection(str(self.path), flags=flags | apsw.SQLITE_OPEN_NOFOLLOW)
        # SQLite itself opens a file it may not read and fails later, with less to say
        raw = apsw.Connection(str(self.path), flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_NOFOLLOW)
        try:
            raw.execute("PRAGMA schema_version").fetchall()
        except apsw.CantOpenError:
            raw.close()
            if not on_read_only_mount(self.path) or size_of(Path(f"{self.path}-wal")):
                raise
            return self._open_immutable()
        except BUSY:
            pass
        return raw

    def _open_immutable(self) -> apsw.Connection:
        flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
        return apsw.Connection(self.path.as_uri() + "?immutable=1", flags=flags)

    def _harden(self, synchronous: str) -> None:
        """Trust neither the schema nor the pages: https://sqlite.org/security.html."""
        raw = self.raw
        raw.set_busy_handler(self._wait)
        raw.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)
        raw.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)
        # our own triggers are the ledger, so they stay enabled
        raw.config(apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER, 1)
        raw.config(apsw.SQLITE_DBCONFIG_DQS_DML, 0)
        raw.config(apsw.SQLITE_DBCONFIG_DQS_DDL, 0)
        for pragma in (
            "mmap_size=0",
            "cell_size_check=ON",
            f"synchronous={synchronous}",
            f"journal_size_limit={_WAL_KEPT_BYTES}",
            "schema_version",  # the first read: what is wrong with the file is said here
        ):
            raw.execute(f"PRAGMA {pragma}").fetchall()

    def _wait(self, tries: int) -> bool:
        """Sleep a little for a lock; ``False`` when the deadline passed or a stop came (SQLite's busy handler)."""
        left = self.busy_timeout_s - self._waited_s
        if left <= 0:
            return False
        if self._is_stopping():
            self._interrupted.set()
            return False
        pause = min(_FIRST_WAIT_S * 2 ** min(tries, 10), _LONGEST_WAIT_S)
        began = time.monotonic()
        # spread out, so that many waiters do not come back all at once
        stopped = self._interrupted.wait(min(pause * random.uniform(0.5, 1.5), left))  # noqa: S311 - no secret
        # the waits of one call add up to the deadline; the work between them does not count
        self._waited_s += time.monotonic() - began
        return not stopped

    def _begin_use(self) -> None:
        """Refuse a handle from before a fork, and forget the last wait and the last stop."""
        if os.getpid() != self._pid:
            raise StoreClosedError(
                f"{self.path}: the store was opened before this process forked; open it again in the child"
            )
        self._waited_s = 0.0
        if self._interrupted.is_set():
            self._interrupted.clear()

    def _in_transaction(self, begin: str, work: Callable[[apsw.Connection], T]) -> T:
        self._begin_use()
        raw = self.raw
        try:
            if raw.in_transaction:
                return work(raw)
            tries = 0
            while True:
                try:
                    return self._attempt(begin, work)
                except BUSY:
                    if not self._wait(tries):
                        raise
                    tries += 1
        except apsw.Error as exc:
            raise self._translated(exc) from exc

    def _attempt(self, begin: str, work: Callable[[apsw.Connection], T]) -> T:
        """Run one whole transaction; whatever goes wrong, none is left open."""
        raw = self.raw
        raw.execute(begin)
        try:
            result = work(raw)
            self._commit(is_read=begin == _READ)
        except BaseException:  # a stop and Ctrl-C too: nothing may be left open; it is raised again
            self.rollback()
            raise
        return result

    def _commit(self, *, is_read: bool) -> None:
        try:
            self.raw.execute("COMMIT")
        except apsw.CorruptError:
            # Damage that a statement met, and that its caller coped with, is told here once more.
            if not is_read:
                raise
            self.rollback()

    def rollback(self) -> None:
        """End an open transaction without its changes; does nothing when SQLite already rolled it back."""
        with contextlib.suppress(apsw.Error):
            if self.raw.in_transaction:
                self.raw.execute("ROLLBACK")

    def _translated(self, exc: apsw.Error) -> StoreError:
        if isinstance(exc, BUSY) and self._interrupted.is_set():
            return StoreInterruptedError(f"{self.path}: stopped while waiting for its lock; nothing was changed")
        return translate(exc, self.path, waited_s=self._waited_s)


def _leave_inherited_handles_alone() -> None:
    """Keep the parent's handles from being closed by the child's garbage collector: they would drop its -wal."""
    import ctypes  # noqa: PLC0415 - only in a forked child, and only when there is something to keep

    for connection in list(_live):
        raw = getattr(connection, "raw", None)
        if raw is not None:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(raw))


os.register_at_fork(after_in_child=_leave_inherited_handles_alone)
