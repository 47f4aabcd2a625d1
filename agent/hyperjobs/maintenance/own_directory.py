"""A directory that is ours alone: made when it is missing, safe to write to, and one at a time at work in it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from typing import TYPE_CHECKING

from hyperjobs.errors import StorePermissionError, StoreRefusedError
from hyperjobs.maintenance.disk import name_holder, require_locks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def prepare(path: Path, holds: str, owner: str, *, make_parents: bool = False) -> None:
    """Make the directory if it is missing, and look whether it is safe to write to.

    Args:
        path: of the directory.
        holds: what it is for, as errors say it: ``the backups``.
        owner: who it should belong to, as errors say it: ``who takes the backups``.
        make_parents: also make the directory above.

    Raises:
        StorePermissionError: it cannot be made or written.
        StoreRefusedError: others could put files, or links, in it (reason ``unsafe_directory``).
    """
    try:
        if make_parents:
            path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        path.mkdir(mode=0o700, exist_ok=True)
        status = path.stat()
    except FileExistsError as exc:
        raise StorePermissionError(f"{path}: is a file; name a directory for {holds}") from exc
    except OSError as exc:
        raise StorePermissionError(
            f"{path}: cannot be made: {exc.strerror}; make it, owned by {owner}, mode 0700"
        ) from exc
    if status.st_uid not in {os.geteuid(), 0}:
        raise StoreRefusedError(
            f"{path}: belongs to user {status.st_uid}; run as that user, or name a directory of your own",
            reason="unsafe_directory",
        )
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise StoreRefusedError(
            f"{path}: others may write to it and could plant files; chmod 0700 it, owned by {owner}",
            reason="unsafe_directory",
        )
    if not os.access(path, os.W_OK | os.X_OK):
        raise StorePermissionError(f"{path}: cannot be written; chown it to {owner}")


@contextlib.contextmanager
def locked(path: Path, name: str, busy: Callable[[str], Exception]) -> Iterator[None]:
    """Be the only one at work in the directory, of all agents and commands.

    Args:
        path: of the directory.
        name: of the lock file in it, which stays there.
        busy: the error to raise when somebody else is at it; called with who it is.

    Raises:
        Exception: what ``busy`` made.
        StorePermissionError: the lock file cannot be made.
        StoreRefusedError: its file system keeps no locks (reason ``no_locks``).
    """
    file = path / name
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as exc:
        raise StorePermissionError(f"{file}: cannot make the lock file: {exc.strerror}") from exc
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            require_locks(exc, path)
            holder = os.read(descriptor, 100).decode(errors="replace").strip()
            raise busy(holder or "its process is not named") from exc
        name_holder(descriptor)
        yield
    finally:
        os.close(descriptor)
