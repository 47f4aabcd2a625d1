"""A file that appears whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from typing import TYPE_CHECKING, BinaryIO, Final

from hyperjobs.errors import HyperjobsError, StoreFullError, StoreNotFoundError, StorePermissionError, StoreRefusedError
from hyperjobs.maintenance.backup.directory import appear, sync_directory
from hyperjobs.maintenance.backup.name import PACKED
from hyperjobs.maintenance.backup.pack import new_file, packing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Write = Callable[[bytes], object]

_FULL: Final = {errno.ENOSPC, errno.EDQUOT}
_DENIED: Final = {errno.EACCES, errno.EPERM, errno.EROFS}


@contextlib.contextmanager
def whole_file(path: Path, *, may_replace: bool = False) -> Iterator[Write]:
    """Give a function that writes; what it wrote stands at ``path``, synced, once the block ends well.

    The name's suffix says how it is compressed. For its owner alone; a file that is replaced is so in one step. What a
    kill leaves is named ``.NAME.PID.part`` beside it.

    Raises:
        StoreRefusedError: something is there (reason ``exists``), or it is no regular file.
        StoreNotFoundError: its directory is missing.
        StoreFullError: there is no room.
        StorePermissionError: it may not be written there.
    """
    _refuse_existing(path, may_replace=may_replace)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    with _told(path):
        file = new_file(part)
    try:
        with _told(path), file:
            with packed(file, path) as write:
                yield lambda data: _write(write, data, path)
            file.flush()
            os.fsync(file.fileno())
        with _told(path):
            part.rename(path) if may_replace else appear(part, path)
            sync_directory(path.parent)
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


@contextlib.contextmanager
def packed(file: BinaryIO, path: Path) -> Iterator[Write]:
    """Give a function that writes into an open file, compressed as the suffix of ``path`` says."""
    compression = PACKED.get(path.suffix.lower())
    if compression is None:
        yield file.write
        return
    with packing(file, compression) as stream:
        yield stream.write


def _write(write: Write, data: bytes, path: Path) -> None:
    with _told(path):
        write(data)


def _refuse_existing(path: Path, *, may_replace: bool) -> None:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return
    except OSError as exc:
        raise StorePermissionError(f"{path}: cannot be looked at: {exc.strerror}") from exc
    if not stat.S_ISREG(mode):
        raise StoreRefusedError(f"{path}: is no regular file; name a file, or - for standard output", reason="exists")
    if not may_replace:
        raise StoreRefusedError(
            f"{path}: is there already; name another file, or replace it with --force", reason="exists"
        )


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Say what went wrong with a file."""
    try:
        yield
    except OSError as exc:
        if exc.errno == errno.EEXIST:
            raise StoreRefusedError(
                f"{path}: came to be there meanwhile; nothing was replaced", reason="exists"
            ) from exc
        if exc.errno in {errno.ENOENT, errno.ENOTDIR}:
            raise StoreNotFoundError(f"{path}: there is no directory {path.parent}; make it first") from exc
        if exc.errno in _FULL:
            raise StoreFullError(
                f"{path}: {exc.strerror}; nothing was left there, make room or name another disk"
            ) from exc
        kind = StorePermissionError if exc.errno in _DENIED else HyperjobsError
        raise kind(f"{path}: cannot be written: {exc.strerror or exc}") from exc
