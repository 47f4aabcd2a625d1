"""Restoring into a store that other processes have open and go on using."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from hyperjobs.errors import StoreInterruptedError, StoreRefusedError
from hyperjobs.maintenance.backup.directory import sync_directory
from hyperjobs.maintenance.backup.pack import new_file
from hyperjobs.maintenance.disk import disk_errors
from hyperjobs.maintenance.restore.kept import kept_name
from hyperjobs.maintenance.restore.staging import UNTOUCHED
from hyperjobs.maintenance.room import require_room
from hyperjobs.store.connection import Connection
from hyperjobs.store.facts import read_geometry
from hyperjobs.store.snapshot import Pace, copy_snapshot, overwrite
from hyperjobs.store.wal import use_wal

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

_LOCK_WAIT_S = 10.0
_NO_WAL = "has a rollback journal and cannot use WAL; stop its users and restore without --live"


def restore_live(
    database: Path, target: Path, *, now: datetime, is_stopping: Callable[[], bool] = lambda: False
) -> Path:
    """Write a proven database into the open store, as one transaction that every other process then sees.

    Renaming over an open database would leave its users writing to a file without a name; SQLite's own backup into it
    is the one way they keep working by.

    Args:
        database: of the backup, in a private folder in the file system of ``target``.
        target: path of the store.
        now: the time in the name of the copy.
        is_stopping: asked until the store as it was is copied; from then on the restore goes to its end.

    Returns:
        A copy of the store as it was.

    Raises:
        StoreInterruptedError: a stop came; the store is as it was, and there is no copy of it.
        StoreRefusedError: the two have different page sizes, which an open store in WAL mode cannot change; or the store
            has a rollback journal and cannot be switched to WAL.
        StoreBusyError: the store's lock was not to be had.
        StoreFullError: no room for the copy, or for the -wal that grows by the size of the backup.
    """
    kept = kept_name(target, now)
    stop = _Stop(is_stopping)
    live = Connection(target, busy_timeout_s=_LOCK_WAIT_S, is_stopping=stop.is_asked)
    try:
        source = Connection(database, immutable=True)
        try:
            (pages, page_size), (new_pages, new_page_size) = live.read(read_geometry), source.read(read_geometry)
            if page_size != new_page_size:
                raise StoreRefusedError(
                    f"{target}: has pages of {page_size} bytes and the backup of {new_page_size}; "
                    "stop its users and restore without --live",
                    reason="page_size",
                )
            require_room(target.parent, (pages + new_pages) * page_size, "a restore into the open store")
            # with a rollback journal the lock would keep out the copy too
            use_wal(live, _NO_WAL)
            # Copied under the lock: what a writer commits up to the very end is in it, or comes after the restore.
            overwrite(live, source, lambda: _keep(target, database.with_name("before"), kept, stop))
        finally:
            source.close()
    finally:
        live.close()
    return kept


class _Stop:
    """A stop that is obeyed up to the moment when there is no way back."""

    def __init__(self, is_stopping: Callable[[], bool]) -> None:
        self._is_stopping = is_stopping
        self.is_too_late = False

    def is_asked(self) -> bool:
        return not self.is_too_late and self._is_stopping()

    def pass_by(self) -> None:
        """From now on a stop is too late.

        Raises:
            StoreInterruptedError: one has come.
        """
        if self._is_stopping():
            raise StoreInterruptedError("stopped before the store was changed; it is as it was")
        self.is_too_late = True


def _keep(store: Path, copy: Path, kept: Path, stop: _Stop) -> None:
    """Copy the store as it is, and let the copy appear once it is whole: what a kill leaves is cleared with its folder."""
    with disk_errors(store.parent, UNTOUCHED):
        copy.unlink(missing_ok=True)
        new_file(copy).close()
    _copy(store, copy, stop)
    stop.pass_by()
    with disk_errors(store.parent, UNTOUCHED):
        if os.path.lexists(kept):  # of a restore that had the lock before us, in the same second
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), os.fspath(kept))
        copy.rename(kept)  # no link, which a kill could leave with two names
        sync_directory(store.parent)  # a power cut that the restore outlives must not take what was there


def _copy(store: Path, copy: Path, stop: _Stop) -> None:
    reader = Connection(store, read_only=True, is_stopping=stop.is_asked)
    try:
        copy_snapshot(reader, copy, Pace(is_stopping=stop.is_asked))
    finally:
        reader.close()
