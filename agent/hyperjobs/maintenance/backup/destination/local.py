"""Reading a local backup's file for copying it elsewhere."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, BinaryIO

from hyperjobs.errors import BackupDamagedError, HyperjobsError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hyperjobs.maintenance.backup.manifest import Manifest


def open_backup(path: Path) -> BinaryIO:
    """A backup's file, open for reading; a link is not followed.

    Raises:
        BackupDamagedError: it is not there.
        HyperjobsError: it cannot be read.
    """
    try:
        return open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK), "rb")  # noqa: PTH123 - Path.open takes no descriptor
    except FileNotFoundError as exc:
        raise BackupDamagedError(f"{path}: there is a manifest and no backup") from exc
    except OSError as exc:
        raise HyperjobsError(f"{path}: cannot be read: {exc.strerror or exc}") from exc


def parts_of(path: Path, manifest: Manifest, part_bytes: int) -> Iterator[bytes]:
    """The bytes of a backup in parts of this size; they are the manifest's if the iterator ends and does not raise.

    Raises:
        BackupDamagedError: they are not, so that what was made of them is to be thrown away.
    """
    digest, size = hashlib.sha256(), 0
    with open_backup(path) as file:
        while part := _read(file, part_bytes, path):
            digest.update(part)
            size += len(part)
            if size > manifest.bytes:
                break
            yield part
    if size != manifest.bytes or digest.hexdigest() != manifest.sha256:
        raise BackupDamagedError(f"{path}: its bytes are not those of its manifest, so it is not copied anywhere")


def _read(file: BinaryIO, size_bytes: int, path: Path) -> bytes:
    try:
        return file.read(size_bytes)
    except OSError as exc:
        raise HyperjobsError(f"{path}: cannot be read: {exc.strerror or exc}") from exc
