"""Which backup a person means: by its name, the latest, or the newest of some time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from hyperjobs.errors import BackupNotFoundError
from hyperjobs.maintenance.backup.catalogue import Entry, newest_verified, read_catalogue

if TYPE_CHECKING:
    from datetime import datetime

LATEST: Final = "latest"


def choose(directory: Path, source: Path | None, word: str = LATEST, *, at: datetime | None = None) -> Entry:
    """Find one backup.

    A name is taken as it is, whichever store the backup is of. ``latest`` and a time look at the store's own verified
    backups alone: in a directory that several stores share, the newest file may be another's.

    Args:
        directory: of the backups.
        source: path of the store; without one, all backups that count must be of one store.
        word: a backup's file name, with or without a path before it, or ``latest``.
        at: the newest taken then or before, instead of ``word``.

    Raises:
        BackupNotFoundError: there is none; the message says what there is instead.
    """
    if at is None and word != LATEST:
        return _named(directory, word)
    own = read_catalogue(directory, source)
    counting = [entry for entry in own if entry.is_verified and (at is None or entry.name.at <= at)]
    if source is None and len({entry.manifest.source_sha256 for entry in counting if entry.manifest}) > 1:
        raise BackupNotFoundError(
            f"{directory}: holds backups of several stores; name one of 'hyperjobs backup list', or the store with --store"
        )
    newest = newest_verified(counting)
    if newest is None:
        raise BackupNotFoundError(f"{directory}: {_instead(directory, own, source, at)}")
    return newest


def _named(directory: Path, word: str) -> Entry:
    """The backup of this file name."""
    for entry in read_catalogue(directory, None):
        if str(entry.name) == Path(word).name:
            return entry
    if Path(word).is_file():
        raise BackupNotFoundError(
            f"{word}: is a file and no backup of {directory}; 'hyperjobs backup adopt' proves it and makes it one"
        )
    raise BackupNotFoundError(
        f"{directory}: there is no backup {word!r}; see 'hyperjobs backup list', or name the directory with --dir"
    )


def _instead(directory: Path, own: list[Entry], source: Path | None, at: datetime | None) -> str:
    """Why there is none, and what there is."""
    of = f" of {source}" if source is not None else ""
    if at is not None and any(entry.is_verified for entry in own):
        return f"there is no backup{of} of {at:%Y-%m-%dT%H:%M:%SZ} or before; see 'hyperjobs backup list'"
    if own:
        return f"none of the {len(own)} backups{of} is verified; see 'hyperjobs backup list', and name one if you must"
    others = [entry for entry in read_catalogue(directory, None) if entry.is_verified]
    if others:
        return f"there are no backups{of}, and {len(others)} of other stores; name one if it is meant, as {others[-1].name}"
    return f"there are no backups{of}; see 'hyperjobs backup list', or name the directory with --dir"
