"""Proving a backup that counted, and letting it count no more when it does not stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hyperjobs.errors import BackupDamagedError, StoreError
from hyperjobs.maintenance.backup.directory import BackupDirectory
from hyperjobs.maintenance.backup.manifest import manifest_of
from hyperjobs.maintenance.backup.mark import mark_failed
from hyperjobs.maintenance.backup.pack import nothing
from hyperjobs.maintenance.backup.proof import verify

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from hyperjobs.maintenance.backup.manifest import Manifest
    from hyperjobs.maintenance.backup.name import BackupName


def check(directory: Path, name: BackupName, *, now: datetime, keep_on: Callable[[], None] = nothing) -> Manifest:
    """Prove one backup as :func:`~hyperjobs.maintenance.backup.proof.verify` does, and mark it when it fails.

    Raises:
        BackupDamagedError: it failed; the message says whether it still counts.
        BackupRunningError: it is only just being published.
        StoreFullError: there is no room to decompress it; nothing was marked.
        HyperjobsError: it could not be read; nothing was marked.
    """
    _finish_publishing(directory, name)
    try:
        return verify(directory, name, keep_on)
    except BackupDamagedError as exc:
        raise marked(directory, name, exc, now=now) from exc


def marked(directory: Path, name: BackupName, damage: BackupDamagedError, *, now: datetime) -> BackupDamagedError:
    """Let a backup that was found damaged count no more.

    Returns:
        The damage as it is to be raised: it also says whether the backup still counts.
    """
    return BackupDamagedError(f"{damage}{_marked(directory, name, str(damage), now=now)}")


def _finish_publishing(directory: Path, name: BackupName) -> None:
    """Let a file that has just got its name, or whose maker was killed then, lose its temporary one.

    SQLite is given no file with two names, and that would look like damage.

    Raises:
        BackupRunningError: its maker is at work.
    """
    try:
        names = (directory / str(name)).lstat().st_nlink
    except OSError:
        return
    if names > 1:
        with BackupDirectory(directory).locked():
            pass  # who takes the lock clears what the dead left


def _marked(directory: Path, name: BackupName, found: str, *, now: datetime) -> str:
    """Mark it, and return what is to be said of that; what never counted needs no mark."""
    try:
        if not manifest_of(directory, name).digest:
            return ""
    except BackupDamagedError:
        return ""
    try:
        mark_failed(directory, name, found=found, now=now)
    except StoreError as exc:
        return f"; it could not be marked, so it still counts: {exc}"
    return "; it no longer counts"
