"""Removing archives whose time is over."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from hyperjobs.errors import ArchiveDamagedError, StorePermissionError
from hyperjobs.maintenance.backup.directory import sync_directory
from hyperjobs.maintenance.prune.reading import manifest_of
from hyperjobs.store.source import source_sha256

if TYPE_CHECKING:
    from datetime import timedelta
    from pathlib import Path

    from hyperjobs.maintenance.prune.directory import ArchiveDirectory
    from hyperjobs.maintenance.prune.name import ArchiveName


def expired(directory: ArchiveDirectory, store: Path, *, now: datetime, keep: timedelta) -> list[ArchiveName]:
    """The archives of this store that are older than ``keep``, the oldest first; one of the future is not old."""
    return [name for name, at in own_archives(directory, store) if at < now - keep]


def own_archives(directory: ArchiveDirectory, store: Path) -> list[tuple[ArchiveName, datetime]]:
    """The archives of this store, the oldest first, each with the time that its age is counted from.

    Only those whose name and manifest are ours and agree: whatever else lies there, one that is damaged too, is left to
    a person.

    Raises:
        StorePermissionError: the directory cannot be read.
    """
    source = source_sha256(store)
    found = []
    for name in directory.names():
        try:
            manifest = manifest_of(directory, name)
            ended = manifest and datetime.fromisoformat(manifest.ended_at)
        except (ArchiveDamagedError, ValueError):
            continue
        if manifest and ended and ended.tzinfo and manifest.source_sha256 == source:
            found.append((name, max(ended, name.at)))
    return found


def remove(directory: ArchiveDirectory, names: list[ArchiveName]) -> None:
    """Remove these archives; the lock is held. The rows go first, so that what a kill leaves is no archive.

    Raises:
        StorePermissionError: one cannot be removed.
    """
    for name in names:
        for path in (directory.path / name.data, directory.path / name.manifest):
            try:
                path.unlink(missing_ok=True)
            except OSError as exc:
                raise StorePermissionError(
                    f"{path}: its time is over and it cannot be removed: {exc.strerror}; remove it by hand"
                ) from exc
    if names:
        sync_directory(directory.path)
