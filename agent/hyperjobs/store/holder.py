"""Who holds a store's lock, as the system tells it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from hyperjobs.store.kernel_locks import inode_of, kernel_locks, open_files

_WAL_WRITE_BYTE: Final = 120
"""The byte of -shm that a WAL writer locks: https://sqlite.org/walformat.html#wal_locks."""
_WAL_READ_BYTES: Final = range(123, 128)
"""The bytes of -shm that a WAL reader locks, one of them, for as long as its transaction is open."""
_PENDING_BYTE: Final = 0x40000000
_SHARED_END: Final = _PENDING_BYTE + 511
"""The bytes of the database file that a rollback-journal writer locks: https://sqlite.org/lockingv3.html."""


def holder_of(path: Path) -> str | None:
    """Return who keeps others from writing the store, as ``"pid 123 (hypervisord)"``.

    When no lock can be seen (it was just let go, or its owner lives in another container) the processes that
    have the file open are named instead; ``None`` when the system shows nobody.
    """
    pid = _lock_owner(path)
    if pid is not None:
        return described(pid)
    others = [pid for pid in openers_of(path) if pid != os.getpid()]
    if not others:
        return None
    return "one of those that have it open: " + ", ".join(described(pid) for pid in others)


def openers_of(path: Path) -> list[int]:
    """Return the ids of the processes that have the store, its -wal or its -shm open, smallest first.

    Processes of other users are seen by root only.
    """
    names = {str(path), f"{path}-wal", f"{path}-shm"}
    return sorted({pid for pid, _, target in open_files() if target in names})


def openers_of_removed(path: Path) -> list[int]:
    """Return the ids of the processes that have a store open that had this name and was removed, smallest first.

    They go on writing into it, and it is gone with the last of them. Processes of other users are seen by root only.
    """
    removed = f"{os.path.realpath(path)} (deleted)"
    return sorted({pid for pid, _, target in open_files() if target == removed})


def readers_of(path: Path) -> list[int]:
    """Return the ids of the processes in a read transaction on a store in WAL mode, smallest first.

    One of them can be this one. Those in other containers are not seen.
    """
    shm = inode_of(Path(f"{path}-shm"))
    if shm is None:
        return []
    return sorted(
        {
            lock.pid
            for lock in kernel_locks()
            if lock.inode == shm and not lock.is_exclusive and lock.pid > 0 and any(map(lock.covers, _WAL_READ_BYTES))
        }
    )


def described(pid: int) -> str:
    """Return a process as a person names it."""
    if pid == os.getpid():
        return f"this very process, pid {pid}"
    return f"pid {pid} ({command_of(pid) or 'already gone'})"


def command_of(pid: int) -> str:
    """Return the name of a process's program, cut to 15 bytes by the system; empty when the process is gone."""
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _lock_owner(path: Path) -> int | None:
    """Return the process that holds a lock a writer needs: a writer first, else a reader that blocks a commit."""
    shm, database = inode_of(Path(f"{path}-shm")), inode_of(path)
    reader = None
    for lock in kernel_locks():
        if lock.pid <= 0:
            continue
        in_wal = lock.inode == shm and lock.covers(_WAL_WRITE_BYTE)
        in_file = lock.inode == database and lock.start <= _SHARED_END and lock.end >= _PENDING_BYTE
        if lock.is_exclusive and (in_wal or in_file):
            return lock.pid
        if in_file and shm is None and lock.pid != os.getpid():
            reader = lock.pid
    return reader
