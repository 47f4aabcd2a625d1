"""The path of a database file: whether it is safe to open."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from hyperjobs.errors import (
    NotAJobStoreError,
    StoreDamagedError,
    StoreError,
    StoreNotFoundError,
    StorePermissionError,
    StoreRefusedError,
)
from hyperjobs.store.mount import MOUNTS, refuse_network

_WAL_HEADER_BYTES: Final = 32


def check_path(path: str | os.PathLike[str], *, may_be_remote: bool = False, mounts: Path = MOUNTS) -> Path:
    """Return the real path of a database file that is safe to open.

    Symbolic links are followed once, here. A FIFO would hang an open for ever, and a second hard link would get a
    -wal of its own: https://sqlite.org/howtocorrupt.html#_multiple_links_to_the_same_file.

    Args:
        path: of the file.
        may_be_remote: also one on a network file system will do.
        mounts: see :func:`~hyperjobs.store.mount.refuse_network`.

    Raises:
        StoreNotFoundError: there is no such file.
        NotAJobStoreError: it is a directory, device, FIFO or socket.
        StoreRefusedError: the file has more than one name, or lies on a network file system.
        StorePermissionError: the system does not let us look.
    """
    try:
        real = Path(os.path.realpath(path))
        status = real.lstat()
    except (FileNotFoundError, NotADirectoryError) as exc:
        raise _missing(path) from exc
    except PermissionError as exc:
        raise StorePermissionError(f"{os.fspath(path)}: we may not look into its directory; run as its owner") from exc
    except (OSError, ValueError) as exc:
        raise StoreError(f"{os.fspath(path)!r}: no usable path: {exc}") from exc
    if not stat.S_ISREG(status.st_mode):
        raise NotAJobStoreError(f"{real}: {_kind(status.st_mode)}, not a regular file; is the path right?")
    if status.st_nlink > 1:
        raise StoreRefusedError(
            f"{real}: the file has {status.st_nlink} names, and each would get a -wal of its own; remove the others",
            reason="hard_link",
        )
    if not may_be_remote:
        refuse_network(real, status.st_dev, mounts=mounts)
    return real


def refuse_emptied(path: Path) -> None:
    """Return unless a -wal with something in it lies beside an empty file, for SQLite deletes such a -wal at the first look.

    A store in use is never so: its first page is written before it has a -wal. The -wal is looked at first, so that one
    that is only just being made does not look so either.

    Args:
        path: real path of the file; it may be missing.

    Raises:
        StoreDamagedError: it is so; somebody emptied or removed the file.
    """
    wal_bytes = size_of(Path(f"{path}-wal"))
    if wal_bytes > _WAL_HEADER_BYTES and not size_of(path):
        raise StoreDamagedError(
            f"{path}: is empty, and {wal_bytes:,} bytes of it are in its -wal, which SQLite would delete: stop who writes, "
            "and 'hyperjobs salvage' gets what is in that; or restore the newest verified backup"
        )


def _missing(path: str | os.PathLike[str]) -> StoreNotFoundError:
    """The error for a path where no file is; what is left of one that was removed is not passed over."""
    place = os.fspath(path)
    left_bytes = size_of(Path(f"{os.path.realpath(place)}-wal"))
    if left_bytes <= _WAL_HEADER_BYTES:
        return StoreNotFoundError(f"{place}: there is no job store; is the path right?")
    return StoreNotFoundError(
        f"{place}: there is no job store, but {left_bytes:,} bytes of one are in its -wal, which SQLite would delete: "
        f"stop who writes, and 'touch {place}' lets 'hyperjobs salvage' get what is in that; or restore the newest "
        "verified backup"
    )


def size_of(path: Path) -> int:
    """Bytes of a file; 0 when it is not there."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _kind(mode: int) -> str:
    """Return what a file that is not a regular one is."""
    if stat.S_ISDIR(mode):
        return "a directory"
    if stat.S_ISFIFO(mode):
        return "a FIFO"
    return "a socket" if stat.S_ISSOCK(mode) else "a device"
