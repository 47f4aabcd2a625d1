"""What the system says of files that we make, name and remove ourselves, in our own errors."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from typing import TYPE_CHECKING, Final

from hyperjobs.errors import StoreError, StoreFullError, StorePermissionError, StoreRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_DENIED: Final = frozenset({errno.EACCES, errno.EPERM})


@contextlib.contextmanager
def disk_errors(path: Path, what: str) -> Iterator[None]:
    """Say what the system refused.

    Args:
        path: where the work is done.
        what: could not be done, and how things stand then: ``a restore failed; the store is as it was``.

    Raises:
        StoreFullError: the disk or quota is full.
        StorePermissionError: we may not.
        StoreError: anything else, such as a disk that answers with an error.
    """
    try:
        yield
    except OSError as exc:
        where = path if exc.filename is None else os.fsdecode(exc.filename)
        said = exc.strerror or exc
        if exc.errno in _FULL:
            raise StoreFullError(f"{where}: {what}: {said}; make room on its disk") from exc
        if exc.errno in _DENIED:
            raise StorePermissionError(f"{where}: {what}: {said}; run as its owner") from exc
        raise StoreError(f"{where}: {what}: {said}; see the kernel log") from exc


def name_holder(descriptor: int) -> None:
    """Write into a lock file that is held who holds it, for whoever finds it taken."""
    with contextlib.suppress(OSError):  # a full disk costs the name of the holder, not the lock
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"pid {os.getpid()} on {socket.gethostname()}\n".encode(), 0)


def require_locks(error: OSError, directory: Path) -> None:
    """Return when a lock was not given because somebody has it.

    A network mount may have no locks at all; then nothing would keep two agents apart, and nothing is done there.

    Raises:
        StoreRefusedError: the file system does not keep locks.
    """
    if error.errno not in {errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES}:
        raise StoreRefusedError(
            f"{directory}: its file system keeps no locks ({error.strerror or error}), so nothing would keep two runs apart; "
            "mount it with locks, or name another directory",
            reason="no_locks",
        ) from error
