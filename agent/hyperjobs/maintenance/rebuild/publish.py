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

if TYPE_CHECKING:
    from pathlib import Path

_AT_FDCWD: Final = -100
_NO_REPLACE: Final = 1
_NOT_HERE: Final = frozenset({errno.ENOSYS, errno.EINVAL})


def publish(file: Path, at: Path) -> None:
    """Sync a file that nobody has open, give it to those who write in that directory, and put it there.

    A link and an unlink would leave a store with two names if we were killed between the two, and no handle opens such
    a one. So the kernel is asked for a rename that replaces nothing, where it and the file system have it.

    Raises:
        StoreRefusedError: something came to be there (reason ``exists``).
        StoreError: the disk would not do it.
    """
    with disk_errors(at.parent, "the rebuilt store could not be put there; nothing was left"):
        descriptor = os.open(file, os.O_RDWR | os.O_CLOEXEC)
        try:
            give_to_writers(descriptor, at.parent)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        try:
            if not _renamed(file, at):
                appear(file, at)
        except FileExistsError as exc:
            raise StoreRefusedError(f"{at}: came to be there meanwhile; nothing was replaced", reason="exists") from exc
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
