"""Private folders for work that may be killed: whoever comes next clears what the dead left."""

from __future__ import annotations

import contextlib
import fcntl
import glob
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hyperjobs.errors import StorePermissionError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def private_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """A folder for its owner alone; it goes with the block.

    Each is locked for as long as its process lives, so that the leftovers of a killed one are told from the folder of
    one that is at work, be it in another container, where a process id says nothing.

    Args:
        parent: where it is made.
        prefix: of its name; leftovers of the same prefix are removed first.

    Raises:
        StorePermissionError: it cannot be made.
    """
    try:
        for path in parent.glob(f"{glob.escape(prefix)}*"):
            _remove_if_dead(path)
        folder, descriptor = _make(parent, prefix)
    except OSError as exc:
        raise StorePermissionError(
            f"{parent}: no folder can be made there: {exc.strerror or exc}; make it writable, or name another"
        ) from exc
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def is_any_at_work(parent: Path, prefix: str) -> bool:
    """Whether somebody works in a folder of this prefix."""
    return any(not _is_dead(path) for path in parent.glob(f"{glob.escape(prefix)}*"))


def _is_dead(path: Path) -> bool:
    """Whether this is a folder that nobody holds; one that cannot be looked at may be somebody's."""
    try:
        descriptor = _open(path)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(descriptor)


def _make(parent: Path, prefix: str) -> tuple[Path, int]:
    """A new folder and the descriptor that holds its lock."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        descriptor = None
        try:
            descriptor = _open(folder)
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            if os.path.samestat(folder.stat(), os.fstat(descriptor)):
                return folder, descriptor
        except FileNotFoundError:
            pass
        # somebody who clears up was there before the lock and took it for a leftover
        if descriptor is not None:
            os.close(descriptor)


def _remove_if_dead(path: Path) -> None:
    if path.is_symlink() or not path.is_dir():
        return
    try:
        descriptor = _open(path)
    except OSError:
        return  # gone already, or not ours
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return  # at work, or on a file system that cannot tell
    else:
        shutil.rmtree(path, ignore_errors=True)
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
