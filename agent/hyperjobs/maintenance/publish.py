"""A finished file given the name it was made for, in one step that replaces nothing."""

from __future__ import annotations

import ctypes
import errno
import os
from typing import TYPE_CHECKING, Final

from hyperjobs.errors import StoreRefusedError
from hyperjobs.maintenance.backup.directory import appear, sync_directory
from hyperjobs.maintenance.disk import disk_errors
from hyperjobs.store.creation import give_to_writers
from hyperjobs.store.path import size_of

if TYPE_CHECKING:
    from pathlib import Path

_AT_FDCWD: Final = -100
_NO_REPLACE: Final = 1
_BESIDE: Final = ("-wal", "-journal", "-shm")
_NOT_HERE: Final = frozenset({errno.ENOSYS, errno.EINVAL})


def journals_of(target: Path) -> list[Path]:
    """What SQLite would take into a file of this name, where it is not empty."""
    beside = [target.with_name(f"{target.name}{suffix}") for suffix in ("-wal", "-journal")]
    return [path for path in beside if size_of(path)]


def refuse_journal(at: Path) -> None:
    """Return unless a file of this name would be taken for the -wal, -journal or -shm of another database.

    SQLite would delete it, or write over it, with the first look at that one.

    Raises:
        StoreRefusedError: it would (reason ``journal_name``).
    """
    if at.name.endswith(_BESIDE):
        raise StoreRefusedError(
            f"{at}: SQLite keeps what belongs to another database under such a name, and deletes it; name another",
            reason="journal_name",
        )


def publish(file: Path, at: Path, *, is_store: bool = False) -> None:
    """Sync a database that nobody has open, and give it a name that nothing has.

    A link and an unlink would leave a store with two names if we were killed between the two, and no handle opens such
    a one. So the kernel is asked for a rename that replaces nothing, where it and the file system have it.

    Args:
        file: in the file system of ``at``.
        at: what it is to be called.
        is_store: others are to write it, who may write in its directory; else it is for whoever made it.

    Raises:
        StoreRefusedError: something has that name, or the -wal of something that had it is there (reason ``exists``); or
            see :func:`refuse_journal`.
        StoreError: the disk would not do it.
    """
    refuse_journal(at)
    for left in journals_of(at):
        raise StoreRefusedError(
            f"{left}: is left of a store that had this name, and would be written into the new one; move it away",
            reason="exists",
        )
    with disk_errors(at, "the new file could not be given its name; nothing was left"):
        descriptor = os.open(file, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            if is_store:
                give_to_writers(descriptor, at.parent)
            os.fsync(descriptor)  # a name must not outlive a power cut that its bytes do not
        finally:
            os.close(descriptor)
        try:
            if not _renamed(file, at):
                appear(file, at)
        except FileExistsError as exc:
            raise StoreRefusedError(f"{at}: is there already; name a path that is not", reason="exists") from exc
        sync_directory(at.parent)


def _renamed(file: Path, at: Path) -> bool:
    """Whether the kernel renamed it; ``False`` where it has no such rename."""
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except AttributeError:
        return False
    if rename(_AT_FDCWD, os.fsencode(file), _AT_FDCWD, os.fsencode(at), _NO_REPLACE) == 0:
        return True
    number = ctypes.get_errno()
    if number in _NOT_HERE:
        return False
    raise OSError(number, os.strerror(number), os.fspath(at))
