"""The one place where the driver's errors become ours."""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

import apsw

from hyperjobs.errors import (
    NotAJobStoreError,
    StoreBusyError,
    StoreClosedError,
    StoreDamagedError,
    StoreError,
    StoreFullError,
    StoreInterruptedError,
    StoreNotFoundError,
    StorePermissionError,
    StoreReadOnlyError,
)
from hyperjobs.store.holder import holder_of

if TYPE_CHECKING:
    from collections.abc import Callable

BUSY: Final = (apsw.BusyError, apsw.LockedError, apsw.ProtocolError)
"""What a later try can cure."""


def translate(exc: Exception, path: Path, *, waited_s: float = 0.0) -> StoreError:
    """Return our error for one of the driver's, with its reason and what to do; raise it ``from`` the original.

    Args:
        exc: what apsw raised.
        path: the store.
        waited_s: how long the lock was waited for, for a busy error.
    """
    if isinstance(exc, BUSY):
        return _busy(path, waited_s)
    for kinds, make in _MEANINGS:
        if isinstance(exc, kinds):
            return make(exc, path)
    return StoreError(f"{path}: SQLite cannot do this: {exc}")


def access_error(path: Path, *, write: bool = True) -> StoreError | None:
    """Return which of the store's three files the system keeps from us, with owner and mode; ``None`` if none."""
    for suffix in ("", "-wal", "-shm"):
        part = Path(f"{path}{suffix}")
        if not os.path.lexists(part):
            continue
        if not os.access(part, os.R_OK, effective_ids=True):
            return StorePermissionError(f"{_owned(part)}: we may not read it; {_remedy()}")
        if not write or os.access(part, os.W_OK, effective_ids=True):
            continue
        if on_read_only_mount(path):
            return StoreReadOnlyError(f"{path}: its file system is mounted read-only; remount it, or open read-only")
        if suffix:
            return StorePermissionError(f"{_owned(part)}: we may not write it; {_remedy()}")
        return StoreReadOnlyError(f"{_owned(part)}: it can only be read; {_remedy()}, or open it read-only")
    return None


def on_read_only_mount(path: Path) -> bool:
    """Return whether the file system that holds the path is mounted read-only."""
    try:
        return bool(os.statvfs(path).f_flag & os.ST_RDONLY)
    except OSError:
        return False


def _owned(path: Path) -> str:
    """Return a file with its owner and mode, as ``ls -l`` would name them."""
    try:
        status = path.stat()
    except OSError as exc:
        return f"{path} ({exc.strerror})"
    return f"{path} (owner {_user(status.st_uid)}, mode {stat.S_IMODE(status.st_mode):04o})"


def _remedy() -> str:
    return f"run as its owner, or give {_user(os.geteuid())} access"


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def _busy(path: Path, waited_s: float) -> StoreBusyError:
    holder = holder_of(path)
    who = holder or "a process that the system does not name"
    return StoreBusyError(
        f"{path}: locked by {who} for more than {waited_s:.1f} s; end it or wait for it, then try again",
        waited_seconds=waited_s,
        holder=holder,
    )


def _cannot_open(exc: Exception, path: Path) -> StoreError:
    if not path.parent.is_dir():
        return StoreNotFoundError(f"{path}: there is no directory {path.parent}; make it first")
    if not path.exists():
        return StoreNotFoundError(f"{path}: there is no file; is the path right?")
    known = access_error(path, write=False)
    if known is not None:
        return known
    if not os.access(path.parent, os.W_OK, effective_ids=True) or on_read_only_mount(path):
        return StoreReadOnlyError(
            f"{path}: a store in WAL mode needs its -shm beside it and {path.parent} cannot be written; "
            f"make the directory writable for {_user(os.geteuid())}, or read a backup of the store"
        )
    return access_error(path) or StoreError(f"{path}: it cannot be opened: {exc}")


def _read_only(exc: Exception, path: Path) -> StoreError:
    if getattr(exc, "extendedresult", 0) in _NO_SHM:
        return _cannot_open(exc, path)
    known = access_error(path)
    if known is not None:
        return known
    if not os.access(path.parent, os.W_OK, effective_ids=True):
        return StoreReadOnlyError(f"{path.parent}: the store's directory can only be read; {_remedy()}")
    return StoreReadOnlyError(f"{path}: this handle can only read ({exc}); open the store without read_only")


def _io(exc: Exception, path: Path) -> StoreError:
    if getattr(exc, "extendedresult", 0) == apsw.SQLITE_IOERR_SHMSIZE and not _has_room(path):
        return StoreFullError(f"{path}: no space left on its disk for its -shm; free some and try again")
    return access_error(path) or StoreError(f"{path}: the disk answered with an error: {exc}; see the kernel log")


def _has_room(path: Path) -> bool:
    try:
        system = os.statvfs(path)
    except OSError:
        return True
    return system.f_bavail * system.f_frsize >= _SHM_BYTES


def _damaged(exc: Exception, path: Path) -> StoreError:
    return StoreDamagedError(f"{path}: the file is damaged: {exc}; check it, and restore the newest verified backup")


def _no_database(_: Exception, path: Path) -> StoreError:
    return NotAJobStoreError(
        f"{path}: not an SQLite database; is the path right? if it was the store, 'hyperjobs restore --dry-run' and "
        "'hyperjobs salvage --dry-run' say what can be got back"
    )


def _full(_: Exception, path: Path) -> StoreError:
    return StoreFullError(f"{path}: no space left on its disk or quota; nothing was written; free some and try again")


def _interrupted(_: Exception, path: Path) -> StoreError:
    return StoreInterruptedError(f"{path}: stopped before it was done; nothing was changed")


def _closed(_: Exception, path: Path) -> StoreError:
    return StoreClosedError(f"{path}: this handle is closed; open the store again")


_SHM_BYTES: Final = 32 * 1024
"""What a -shm grows by."""
_NO_SHM: Final = (
    apsw.SQLITE_READONLY_DIRECTORY,
    apsw.SQLITE_READONLY_CANTINIT,
    apsw.SQLITE_READONLY_RECOVERY,
)
"""A reader of a WAL store whose -shm is missing or must be rebuilt, and who may not do it."""
_Kinds = type[Exception] | tuple[type[Exception], ...]
_MEANINGS: Final[tuple[tuple[_Kinds, Callable[[Exception, Path], StoreError]], ...]] = (
    (apsw.CantOpenError, _cannot_open),
    ((apsw.ReadOnlyError, apsw.PermissionsError), _read_only),
    (apsw.NotADBError, _no_database),
    (apsw.CorruptError, _damaged),
    (apsw.FullError, _full),
    (apsw.InterruptError, _interrupted),
    (apsw.IOError, _io),
    ((apsw.ConnectionClosedError, apsw.CursorClosedError), _closed),
)
