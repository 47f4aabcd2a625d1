"""Marks on a backup, each a small file beside it: pinned, so that it stays; failed, so that it no longer counts.

A mark is a file of its own because the backup and its manifest are never written again, and because it appears or goes
in one step. That it is there is what counts; what is in it is for people.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Final

from hyperjobs.errors import StoreError
from hyperjobs.maintenance.backup.directory import sync_directory
from hyperjobs.maintenance.backup.manifest import read_small
from hyperjobs.maintenance.backup.name import FAILED, PINNED

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from hyperjobs.maintenance.backup.name import BackupName

_LONGEST_REASON: Final = 2000


def pin(directory: Path, name: BackupName, *, reason: str, now: datetime) -> None:
    """Keep a backup whatever retention says; pinning it again replaces the reason. The lock is held.

    Raises:
        StoreError: the mark cannot be written.
    """
    _put(directory / f"{name}{PINNED}", reason, now)


def unpin(directory: Path, name: BackupName) -> bool:
    """Leave a backup to retention again; return whether it was pinned. The lock is held.

    Raises:
        StoreError: the mark cannot be removed.
    """
    path = directory / f"{name}{PINNED}"
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as exc:
        raise StoreError(f"{path}: cannot be removed: {exc.strerror}; remove it as its owner") from exc
    sync_directory(directory)
    return True


def mark_failed(directory: Path, name: BackupName, *, found: str, now: datetime) -> None:
    """Let a backup that did not stand its proof count no more; the first finding stays.

    The lock need not be held: a mark whose backup went meanwhile is cleared by whoever holds it next.

    Raises:
        StoreError: the mark cannot be written.
    """
    if not is_failed(directory, name) and os.path.lexists(directory / str(name)):
        _put(directory / f"{name}{FAILED}", found, now)


def is_pinned(directory: Path, name: BackupName) -> bool:
    """Whether it has this mark; one that cannot be read counts."""
    return os.path.lexists(directory / f"{name}{PINNED}")


def is_failed(directory: Path, name: BackupName) -> bool:
    """Whether it was found damaged since it was taken."""
    return os.path.lexists(directory / f"{name}{FAILED}")


def reason_of(directory: Path, name: BackupName, mark: str) -> str:
    """What was said when it was marked; empty when there is no mark, or none that can be read."""
    try:
        value = json.loads(read_small(directory / f"{name}{mark}"))["reason"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ""
    return value if isinstance(value, str) else ""


def _put(path: Path, reason: str, now: datetime) -> None:
    """Make the mark; killed at any point it is there or not, and with it there, its words may be missing."""
    text = f"{json.dumps({'reason': reason[:_LONGEST_REASON], 'at': now.isoformat()})}\n"
    try:
        # without O_EXCL: a mark that is there is written over, and is there all along
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.truncate()
            file.write(text.encode())
            file.flush()
            os.fsync(descriptor)
        sync_directory(path.parent)
    except OSError as exc:
        raise StoreError(f"{path}: cannot be written: {exc.strerror}; make its directory writable") from exc
