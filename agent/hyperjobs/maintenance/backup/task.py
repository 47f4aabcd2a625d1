"""The backup task: take one, let retention delete old ones, bring the new one to the other destinations."""

from __future__ import annotations

import os
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from hyperjobs.errors import BackupUploadError, HyperjobsError, StoreFullError, StoreInterruptedError
from hyperjobs.maintenance.backup.catalogue import read_catalogue, spare_damaged
from hyperjobs.maintenance.backup.create import DEFAULT_COMPRESSION, database_bytes, room_needed, take_backup
from hyperjobs.maintenance.backup.destination.rotation import by_policy
from hyperjobs.maintenance.backup.manifest import VERIFIED
from hyperjobs.maintenance.backup.mark import is_failed
from hyperjobs.maintenance.backup.name import BackupName
from hyperjobs.maintenance.backup.retention import DEFAULT_POLICY, MINIMUM, Policy
from hyperjobs.maintenance.backup.rotation import Rotation, rotate
from hyperjobs.maintenance.backup.sharing import sharing_host, sharing_words
from hyperjobs.maintenance.backup.upload import upload
from hyperjobs.maintenance.opened import opened
from hyperjobs.maintenance.restore.kept import remove_expired
from hyperjobs.maintenance.task import Report, Turn
from hyperjobs.size import mebibytes
from hyperjobs.store.snapshot import Pace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import timedelta
    from pathlib import Path

    from hyperjobs.maintenance.backup.destination.protocol import Destination
    from hyperjobs.maintenance.backup.directory import BackupDirectory
    from hyperjobs.maintenance.backup.manifest import Manifest

BACKUP: Final = "backup"
ELSEWHERE: Final = "backup-elsewhere"
"""The task of a backup that a person takes into another directory than the configured one."""
PAGES: Final = 250
PAUSE_S: Final = 0.005
"""Half a gigabyte in some five seconds: a writer of 500 statements a second does not notice, one of 1,000 is outrun."""
NOWHERE: Final[Mapping[str, Callable[[], Destination]]] = MappingProxyType({})
_FROZEN: Final = "the store was frozen"


class BackupTask:
    """Takes a backup of a store, proves it, and keeps the directory to its policy.

    Attributes:
        name: ``backup``; another for one that is no substitute for it, so that its runs are told apart.
    """

    heeds_freeze = False

    def __init__(  # noqa: PLR0913 - all but the first two have a default
        self,
        store: Path,
        directory: BackupDirectory,
        *,
        name: str = BACKUP,
        compression: str = DEFAULT_COMPRESSION,
        policy: Policy = DEFAULT_POLICY,
        minimum: int = MINIMUM,
        host: str = "",
        keep_replaced: timedelta | None = None,
        pages: int = PAGES,
        pause_s: float = PAUSE_S,
        is_frozen: Callable[[], bool] = lambda: False,
        is_rotation_held: Callable[[], bool] = lambda: False,
        is_rotating: bool = True,
        destinations: Mapping[str, Callable[[], Destination]] = NOWHERE,
    ) -> None:
        """Hold what a run needs to know.

        Args:
            store: its path.
            directory: where the backups are.
            name: see the class.
            compression: ``zstd``, ``gzip`` or ``none``.
            policy: which backups stay.
            minimum: so many verified ones always do.
            host: what this machine is called in backups.
            keep_replaced: how long what a restore replaced stays beside the store; ``None`` is for ever.
            pages: copied at once.
            pause_s: seconds between two such steps.
            is_frozen: whether the store is in doubt: the backup is marked damaged, and nothing is deleted.
            is_rotation_held: whether a backup was found damaged: then nothing is deleted either.
            is_rotating: whether old backups are looked at at all; a person's own backup deletes none.
            destinations: by name how each is opened, which every run does anew; brought the backup once it is safe here.
        """
        self.name = name
        self._store = store
        self._directory = directory
        self._compression = compression
        self._policy = policy
        self._minimum = minimum
        self._host = host
        self._keep_replaced = keep_replaced
        self._pages = pages
        self._pause_s = pause_s
        self._is_frozen = is_frozen
        self._is_rotation_held = is_rotation_held
        self._is_rotating = is_rotating
        self._destinations = destinations

    def run(self, turn: Turn) -> Report:
        """Do it once.

        What keeps old backups from being deleted does not keep the new one from the other destinations; it is raised
        after that.

        Raises:
            BackupDamagedError: the copy, or the newest backup when it was proven again, did not stand its proof.
            BackupRunningError: somebody else is at work in the directory.
            BackupUploadError: the backup is safe here, and not at every destination.
            StoreFullError: there is no room even with only the minimum of backups.
            StoreInterruptedError: a stop came.
        """
        if turn.is_dry:
            return self._foretell(turn)
        is_frozen = self._is_frozen()
        if is_frozen and not spare_damaged(read_catalogue(self._directory.path, self._store)):
            return Report(
                summary=f"{self._store}: the store is frozen, and {self._directory.path} holds as many backups in doubt as are "
                "kept; none was taken: look into it, then 'hyperjobs unfreeze --reason WHY'",
                skipped="frozen",
            )
        shared = sharing_host(self._directory.path, self._store, self._host)
        manifest, freed = self._take_with_room(turn, is_frozen=is_frozen)
        detail = _detail(manifest, Rotation(decisions=()), freed) | ({"other_host": shared} if shared else {})
        # the detail is one for all that the run tells, and is kept up with what it does
        turn.partly(Report(summary=f"{manifest.name} is safe here", detail=detail))
        rotation, trouble = Rotation(decisions=()), None
        if self._is_rotating:
            try:
                rotation = self._rotate(
                    turn,
                    is_frozen=is_frozen,
                    so_far=lambda part: turn.partly(_partly(manifest, detail, part)),
                )
            except StoreInterruptedError:
                raise
            except HyperjobsError as exc:
                trouble = exc
            else:
                detail |= _rotated(rotation)
        try:
            self._upload(manifest, turn, detail, is_rotating=self._is_rotating and not (trouble or rotation.refused))
        except BackupUploadError:
            if trouble is None:
                raise  # else which destination failed is in the detail
        if trouble is not None:
            raise trouble
        is_cleaning = self._is_rotating and not (is_frozen or rotation.refused)
        detail |= remove_expired(self._store, now=turn.now, keep=self._keep_replaced if is_cleaning else None)
        deleted = len(freed) + len(rotation.deleted)
        return Report(
            summary=f"{manifest.name}: {manifest.jobs:,} jobs, {mebibytes(manifest.bytes)}, {manifest.state}"
            + (f"; {deleted} old deleted" if deleted else "")
            + (f"; kept all: {rotation.refused}" if rotation.refused else "")
            + (f"; {sharing_words(shared)}" if shared else ""),
            detail=detail,
        )

    def _take_with_room(self, turn: Turn, *, is_frozen: bool) -> tuple[Manifest, tuple[BackupName, ...]]:
        """Take it; a full disk costs old ones, whose names come with it."""
        try:
            return self._take(turn, is_frozen=is_frozen), ()
        except StoreFullError:
            if not self._is_rotating:
                raise
            freed = self._rotate(
                turn,
                is_frozen=is_frozen,
                is_disk_full=True,
                so_far=lambda part: turn.partly(_freed(part.deleted)),
            ).deleted
            if not freed:
                raise
        return self._take(turn, is_frozen=is_frozen), freed

    def _upload(self, manifest: Manifest, turn: Turn, detail: dict[str, Any], *, is_rotating: bool) -> None:
        name = BackupName.parse(manifest.name)
        if not self._destinations or name is None or manifest.state != VERIFIED:
            return
        if is_failed(self._directory.path, name):
            return  # rotation has just found it damaged
        upload(
            self._destinations,
            self._directory.path,
            name,
            turn,
            detail=detail,
            keep=self._kept_elsewhere(turn) if is_rotating else None,
            minimum=self._minimum,
            source=self._store,
            host=self._host,
        )

    def _take(self, turn: Turn, *, is_frozen: bool) -> Manifest:
        pace = Pace(
            pages=self._pages,
            pause_s=self._pause_s,
            pause=turn.wait,
            is_stopping=turn.is_stopping,
            progress=lambda done, pages: turn.progress("copied" if done < pages else "verifying", done, pages),
        )
        with opened(self._store, turn, read_only=True) as source:
            return take_backup(
                source,
                self._directory,
                pace=pace,
                compression=self._compression,
                doubt=_FROZEN if is_frozen else "",
                host=self._host,
            )

    def _rotate(
        self,
        turn: Turn,
        *,
        is_frozen: bool = False,
        is_disk_full: bool = False,
        so_far: Callable[[Rotation], object] = lambda _rotation: None,
    ) -> Rotation:
        return rotate(
            self._directory,
            self._store,
            self._policy,
            minimum=self._minimum,
            now=turn.clock.now(),  # the new backup is younger than the run
            host=self._host,
            # damage may have been found meanwhile
            is_frozen=is_frozen or self._is_frozen() or self._is_rotation_held(),
            is_disk_full=is_disk_full,
            is_dry=turn.is_dry,
            keep_on=turn.keep_on,
            so_far=so_far,
        )

    def _kept_elsewhere(self, turn: Turn) -> Callable[[list[Manifest]], set[str]]:
        """The same rules as here; what is pinned here stays there too."""
        entries = read_catalogue(self._directory.path, self._store)
        pinned = [entry.name for entry in entries if entry.is_pinned]
        return by_policy(self._policy, minimum=self._minimum, now=turn.clock.now(), pinned=pinned)

    def _foretell(self, turn: Turn) -> Report:
        """What a run would need, and what it would delete."""
        with opened(self._store, turn, read_only=True) as source:
            needed = room_needed(database_bytes(source), self._compression)
        rotation = self._rotate(turn)
        detail = {"needed_bytes": needed, "free_bytes": _free_bytes(self._directory.path), **_rotated(rotation)}
        return Report(
            summary=f"would take a backup, which needs {mebibytes(needed)} for a while, "
            f"{mebibytes(detail['free_bytes'])} are free; "
            + (f"would delete nothing: {rotation.refused}" if rotation.refused else _would_delete(rotation)),
            detail=detail,
        )


def _detail(manifest: Manifest, rotation: Rotation, freed: tuple[BackupName, ...]) -> dict[str, Any]:
    return {
        "name": manifest.name,
        "bytes": manifest.bytes,
        "jobs": manifest.jobs,
        "state": manifest.state,
        "copy_seconds": manifest.copy_seconds,
        "verify_seconds": manifest.verify_seconds,
        "freed_for_room": [str(name) for name in freed],
        **_rotated(rotation),
    }


def _partly(manifest: Manifest, detail: dict[str, Any], rotation: Rotation) -> Report:
    """What is so when the run does not come to its end."""
    detail |= {"deleted": [str(name) for name in rotation.deleted], "freed_bytes": rotation.freed_bytes}
    return Report(summary=f"{manifest.name} is safe here; {len(rotation.deleted)} old deleted", detail=detail)


def _freed(names: tuple[BackupName, ...]) -> Report:
    """What is so when there is no backup in spite of the room that was made for it."""
    return Report(
        summary=f"{len(names)} old deleted for room, and no backup was taken",
        detail={"freed_for_room": [str(name) for name in names]},
    )


def _rotated(rotation: Rotation) -> dict[str, Any]:
    """What retention did, as JSON: what went, and of what stays the reasons."""
    return {
        "deleted": [str(name) for name in rotation.deleted],
        "freed_bytes": rotation.freed_bytes,
        "kept": {str(decision.name): list(decision.reasons) for decision in rotation.decisions if decision.stays},
        "kept_all": rotation.refused,
    }


def _would_delete(rotation: Rotation) -> str:
    names = ", ".join(map(str, rotation.deleted))
    return f"would delete {len(rotation.deleted)} old: {names}" if names else "would delete none"


def _free_bytes(directory: Path) -> int:
    """Room in the file system of a directory that need not be there yet."""
    place = directory
    while not place.exists() and place != place.parent:
        place = place.parent
    system = os.statvfs(place)
    return system.f_bavail * system.f_frsize
