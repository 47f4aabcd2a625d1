"""What lies in a directory of backups, told from names, manifests and marks: no backup is opened, none is hashed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from hyperjobs.errors import BackupDamagedError
from hyperjobs.maintenance.backup.directory import BackupDirectory
from hyperjobs.maintenance.backup.manifest import DAMAGED, Manifest, manifest_of
from hyperjobs.maintenance.backup.mark import is_failed, is_pinned, reason_of
from hyperjobs.maintenance.backup.name import FAILED
from hyperjobs.store.source import source_sha256

if TYPE_CHECKING:
    from pathlib import Path

    from hyperjobs.maintenance.backup.name import BackupName


MOST_DAMAGED: Final = 3


class State(StrEnum):
    """What a backup is worth; only verified ones count."""

    VERIFIED = "verified"
    """It stood its proof when it was taken, and nothing else was found since."""
    UNVERIFIED = "unverified"
    """Nothing that can be read says what it should hold."""
    FAILED = "failed"
    """It did not stand a proof since, or has not the size it was published with."""
    DAMAGED = "damaged"
    """It was taken of a store that was frozen, or whose copy did not stand its proof."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One backup in a directory.

    Attributes:
        manifest: ``None`` when there is none, none that can be read, or one of another backup.
        found: why it does not count, when that is known.
        bytes: size of its file as it is now.
    """

    name: BackupName
    manifest: Manifest | None
    state: State
    is_pinned: bool
    bytes: int
    found: str = ""

    @property
    def is_verified(self) -> bool:
        """Whether it counts."""
        return self.state is State.VERIFIED


def read_catalogue(directory: Path, source: Path | None) -> list[Entry]:
    """The backups of one store, oldest first; what others put in the directory is not in it.

    A backup is the store's own when its manifest names the store's path, and its file name the store's. One whose
    manifest cannot be read may be anybody's of that name: it is in it, counts for nothing, and is never touched.

    Args:
        directory: which need not be there.
        source: path of the store; ``None`` for the backups of all stores.

    Raises:
        StorePermissionError: the directory cannot be read.
    """
    entries = (_entry(directory, name) for name in BackupDirectory(directory).names())
    return [entry for entry in entries if entry is not None and (source is None or _belongs(entry, source))]


def newest_verified(entries: list[Entry]) -> Entry | None:
    """The one that ``latest`` means: the greatest sequence number, whatever a clock said."""
    return next((entry for entry in reversed(entries) if entry.is_verified), None)


def spare_damaged(entries: list[Entry]) -> int:
    """How many more backups of a store in doubt may be put beside the good ones.

    Those from before the newest verified one are of a trouble that is over: they neither count nor are touched.
    """
    newest = newest_verified(entries)
    first = newest.name.sequence if newest else 0
    there = sum(entry.state is State.DAMAGED and entry.name.sequence > first for entry in entries)
    return max(0, MOST_DAMAGED - there)


def is_own(entry: Entry, source: Path) -> bool:
    """Whether its manifest says that it is of this store."""
    return entry.manifest is not None and _belongs(entry, source)


def is_elsewhere(manifest: Manifest | None, host: str) -> bool:
    """Whether another machine took a backup; one that does not say by whom it was taken counts as ours."""
    return manifest is not None and bool(manifest.host) and bool(host) and manifest.host != host


def stem_of(source: Path) -> str:
    """What the names of a store's backups begin with."""
    return os.path.basename(os.path.realpath(source)).removesuffix(".db")  # noqa: PTH119 - of a string


def _belongs(entry: Entry, source: Path) -> bool:
    return entry.name.stem == stem_of(source) and (
        entry.manifest is None or entry.manifest.source_sha256 == source_sha256(source)
    )


def _entry(directory: Path, name: BackupName) -> Entry | None:
    """One backup as it lies there; ``None`` when it went while we looked."""
    try:
        size = (directory / str(name)).lstat().st_size
    except OSError:
        return None
    manifest: Manifest | None
    try:
        manifest, found = manifest_of(directory, name), ""
    except BackupDamagedError as exc:
        manifest, found = None, str(exc)
    state = State.VERIFIED
    if manifest is None:
        state = State.UNVERIFIED
    elif is_failed(directory, name):
        state, found = State.FAILED, reason_of(directory, name, FAILED)
    elif manifest.state == DAMAGED:
        state, found = State.DAMAGED, manifest.found
    elif manifest.bytes != size:
        state, found = State.FAILED, f"{size} bytes, where its manifest says {manifest.bytes}"
    return Entry(
        name=name,
        manifest=manifest,
        state=state,
        is_pinned=is_pinned(directory, name),
        bytes=size,
        found=found,
    )
