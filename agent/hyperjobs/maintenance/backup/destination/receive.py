"""Bringing a backup into a directory of backups, read back before it appears."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from typing import TYPE_CHECKING

from hyperjobs.errors import BackupDamagedError, DestinationError, StoreFullError, StoreRefusedError
from hyperjobs.maintenance.backup.manifest import manifest_of
from hyperjobs.maintenance.backup.pack import file_sha256, new_file
from hyperjobs.maintenance.backup.proof import require_same_file
from hyperjobs.maintenance.room import require_room

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import BinaryIO

    from hyperjobs.maintenance.backup.directory import BackupDirectory
    from hyperjobs.maintenance.backup.manifest import Manifest
    from hyperjobs.maintenance.backup.name import BackupName

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def receive(  # noqa: PLR0913 - what is brought, from where, to where
    directory: BackupDirectory,
    name: BackupName,
    manifest: Manifest,
    *,
    source: str,
    write: Callable[[Callable[[bytes], object]], None],
    keep_on: Callable[[], None],
) -> None:
    """Let a backup appear in ``directory`` once it lies there whole.

    Args:
        directory: made when it is missing.
        name: of the backup.
        manifest: of the backup.
        source: where it comes from, for messages.
        write: gives the file's bytes, in order, to the function it is called with.
        keep_on: asked between blocks.

    Raises:
        BackupDamagedError: what came is not what the manifest says.
        DestinationError: what was written reads back as something else, or could not be written.
        StoreRefusedError: another backup has this name here.
        StoreFullError: there is no room.
        BackupRunningError: somebody else is at work here.
    """
    with told(directory.path):
        directory.prepare()
        with directory.locked():
            if os.path.lexists(directory.path / str(name)):
                _require_same(directory.path, name, manifest, keep_on)
                return
            require_room(directory.path, manifest.bytes, "a copy of a backup")
            with directory.temporary() as folder:
                copy, manifest_file = folder / "copy", folder / "manifest"
                with new_file(copy) as file:
                    _write(file, manifest, source, write)
                if file_sha256(copy, keep_on) != manifest.sha256:
                    raise DestinationError(
                        f"{directory.path}: {name} reads back as something else than was written; check the disk",
                        reason="altered",
                    )
                with new_file(manifest_file) as file:
                    file.write(manifest.text().encode())
                    file.flush()
                    os.fsync(file.fileno())
                directory.publish(manifest_file, copy, name)


def _write(file: BinaryIO, manifest: Manifest, source: str, write: Callable[[Callable[[bytes], object]], None]) -> None:
    digest, size = hashlib.sha256(), 0

    def take(block: bytes) -> None:
        nonlocal size
        size += len(block)
        if size <= manifest.bytes:  # a longer file is refused below, and need not fill the disk first
            file.write(block)
            digest.update(block)

    write(take)
    if size != manifest.bytes:
        raise BackupDamagedError(f"{source}: {size} bytes, where its manifest says {manifest.bytes}")
    if digest.hexdigest() != manifest.sha256:
        raise BackupDamagedError(f"{source}: its bytes are not those of its manifest (sha256 differs)")
    file.flush()
    os.fsync(file.fileno())
    # Out of the cache, so that what is read back is what the disk, or the file server, has.
    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _require_same(path: Path, name: BackupName, manifest: Manifest, keep_on: Callable[[], None]) -> None:
    """Return when the backup that has this name already is this one, and is whole."""
    if manifest_of(path, name).sha256 != manifest.sha256:
        raise StoreRefusedError(
            f"{path / str(name)}: another backup has this name; it is left alone: move it away", reason="exists"
        )
    require_same_file(path / str(name), manifest, keep_on)


@contextlib.contextmanager
def told(path: Path) -> Iterator[None]:
    """Say what the system says of files under ``path`` in our own errors.

    Raises:
        StoreFullError: the disk or the quota is full.
        DestinationError: anything else.
    """
    try:
        yield
    except OSError as exc:
        if exc.errno in _FULL:
            raise StoreFullError(f"{path}: {exc.strerror}; make room, or delete old backups there") from exc
        raise DestinationError(f"{path}: {exc.strerror or exc}; is the disk mounted, and writable?") from exc
