"""A private copy of a damaged store with what lies beside it; the store itself is read, and nothing more."""

from __future__ import annotations

import contextlib
import errno
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from hyperjobs.errors import NotAJobStoreError, StoreBusyError, StoreDamagedError, StoreRefusedError
from hyperjobs.maintenance.backup.pack import new_file
from hyperjobs.maintenance.disk import disk_errors
from hyperjobs.store.connection import Connection
from hyperjobs.store.holder import described, openers_of
from hyperjobs.store.locks import locks_on
from hyperjobs.store.path import check_path
from hyperjobs.store.snapshot import Pace, copy_snapshot

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_BLOCK: Final = 1 << 20
_SECTOR: Final = 512
_JOURNALS: Final = ("-wal", "-journal")
_LIVE_WAIT_S: Final = 10.0


@dataclass(slots=True)
class Copy:
    """What came over.

    Attributes:
        bytes: of all files.
        unreadable: bytes that the disk did not give; they are zeros in the copy.
        beside: the suffixes of the files beside the store that came with it.
    """

    bytes: int = 0
    unreadable: int = 0
    beside: list[str] = field(default_factory=list)


def size_of(store: Path) -> int:
    """Bytes of a store and of what lies beside it."""
    return sum(each.stat().st_size for each in _parts(store) if each.exists())


def copy_store(
    store: Path, target: Path, *, keep_on: Callable[[], None], progress: Callable[[int, int], object]
) -> Copy:
    """Copy a store that nobody has open, and its -wal or -journal, byte by byte.

    Not a lock is taken and SQLite does not open it, for that alone could write to it: a -wal would be written back,
    a -journal rolled back. Sectors that the disk does not give are left zero and counted.

    Args:
        store: see :func:`~hyperjobs.store.connection.check_path`.
        target: of the copy; its journals lie beside it under the same suffixes.
        keep_on: called with every block; what it raises ends the copy.
        progress: told how many bytes are done, and of how many.

    Raises:
        StoreRefusedError: another process has the store open.
        StoreBusyError: it was written meanwhile.
        StoreError: it is no file that can be read.
    """
    real = check_path(store)
    refuse_users(real)
    before, total, copied = _state(real), size_of(real), Copy()
    for source, suffix in zip(_parts(real), ("", *_JOURNALS), strict=True):
        if suffix and not (source.exists() and source.stat().st_size):
            continue
        with disk_errors(target.parent, "a salvage could not copy the store, and changed nothing"):
            _copy(source, target.with_name(target.name + suffix), copied, keep_on, lambda done: progress(done, total))
        if suffix:
            copied.beside.append(suffix)
    refuse_users(real)
    if _state(real) != before:
        raise StoreBusyError(f"{real}: was written while it was copied; stop whoever writes it, and repeat it")
    return copied


def copy_live(
    store: Path, target: Path, *, is_stopping: Callable[[], bool], progress: Callable[[int, int], object]
) -> Copy:
    """Copy a store that others have open, as SQLite's own backup of one moment: the -wal is in it.

    SQLite copies pages without a look at what is in them. It needs a first page that it can read.

    Raises:
        StoreDamagedError: SQLite cannot open it; then its users cannot either, and are better stopped.
        StoreError: it cannot be copied.
    """
    new_file(target).close()
    try:
        reader = Connection(store, read_only=True, busy_timeout_s=_LIVE_WAIT_S, is_stopping=is_stopping)
        with contextlib.closing(reader):
            copy_snapshot(reader, target, Pace(is_stopping=is_stopping, progress=progress))
    except (StoreDamagedError, NotAJobStoreError) as exc:
        raise StoreDamagedError(
            f"{store}: SQLite cannot read its first page, so its users cannot either; stop them, and repeat it without --live"
        ) from exc
    return Copy(target.stat().st_size)


def refuse_users(store: Path) -> None:
    """Return when no other process has the store open, as far as the system tells.

    Raises:
        StoreRefusedError: one has; the message names it.
    """
    users = {pid for pid in openers_of(store) if pid != os.getpid()}
    users |= {lock.pid for lock in locks_on(store) if lock.pid is not None and lock.pid != os.getpid()}
    if users:
        names = ", ".join(described(pid) for pid in sorted(users))
        raise StoreRefusedError(
            f"{store}: {names} has the store open; stop it first, or read what it has with --live", reason="in_use"
        )


def _parts(store: Path) -> list[Path]:
    return [store, *(store.with_name(store.name + suffix) for suffix in _JOURNALS)]


def _state(store: Path) -> list[tuple[int, int, int] | None]:
    """What changes when somebody writes."""
    found: list[tuple[int, int, int] | None] = []
    for part in _parts(store):
        try:
            status = part.stat()
        except FileNotFoundError:
            found.append(None)
            continue
        found.append((status.st_ino, status.st_size, status.st_mtime_ns))
    return found


def _copy(source: Path, target: Path, copied: Copy, keep_on: Callable[[], None], told: Callable[[int], object]) -> None:
    descriptor = os.open(source, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        size = os.fstat(descriptor).st_size
        with new_file(target) as file:
            at = 0
            while at < size:
                block = _read(descriptor, min(_BLOCK, size - at), at, copied)
                if not block:
                    break
                file.write(block)
                at += len(block)
                copied.bytes += len(block)
                told(copied.bytes)
                keep_on()
    finally:
        os.close(descriptor)


def _read(descriptor: int, size: int, at: int, copied: Copy) -> bytes:
    """Some bytes; where the disk answers with an error, what it gives of them sector by sector."""
    try:
        return os.pread(descriptor, size, at)
    except OSError as exc:
        if exc.errno != errno.EIO:
            raise
    if size <= _SECTOR:
        copied.unreadable += size
        return bytes(size)
    half = max(size // 2 // _SECTOR, 1) * _SECTOR
    return _read(descriptor, half, at, copied).ljust(half, b"\0") + _read(descriptor, size - half, at + half, copied)
