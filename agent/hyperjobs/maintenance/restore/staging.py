"""A backup's database brought beside the place it is meant for, and proven there."""

from __future__ import annotations

import contextlib
import glob
import os
from typing import TYPE_CHECKING, Final

from hyperjobs.maintenance.backup.adopt import refuse_in_use
from hyperjobs.maintenance.backup.manifest import manifest_of
from hyperjobs.maintenance.backup.pack import copy_file, unpack
from hyperjobs.maintenance.backup.proof import (
    prove_database,
    require_proof,
    require_same_content,
    require_same_file,
    told_of,
)
from hyperjobs.maintenance.disk import disk_errors
from hyperjobs.maintenance.restore.kept import BESIDE
from hyperjobs.maintenance.room import require_room
from hyperjobs.maintenance.scratch import is_any_at_work, private_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from hyperjobs.maintenance.backup.manifest import Manifest
    from hyperjobs.maintenance.backup.name import BackupName
    from hyperjobs.maintenance.backup.proof import Level

UNTOUCHED: Final = "a restore failed before anything was changed"


@contextlib.contextmanager
def staged(
    directory: Path,
    name: BackupName,
    target: Path,
    keep_on: Callable[[], None] = lambda: None,
    *,
    level: Level = "quick",
) -> Iterator[tuple[Path, Manifest]]:
    """The database of a backup as a file in a private directory beside ``target``; both go with the block.

    What was copied is what is proven: the backup itself may change afterwards.

    Args:
        directory: of the backups.
        name: which of them.
        target: what the database is meant for; it is not touched.
        keep_on: called at every step, several times a second; what it raises ends it all and leaves nothing.
        level: how the copy is proven once its bytes are those of the manifest, which was written after a full proof;
            see :func:`~hyperjobs.maintenance.backup.proof.prove_database`.

    Raises:
        BackupDamagedError: it is not what its manifest says.
        StoreFullError: there is no room beside the target.
    """
    manifest = manifest_of(directory, name)
    is_packed = name.compression != "none"
    with disk_errors(target.parent, UNTOUCHED):
        forget_killed(target)
    with private_folder(target.parent, f".{target.name}.hyperjobs-restore-") as folder:
        # after what a killed one left is gone
        require_room(target.parent, manifest.database_bytes + (manifest.bytes if is_packed else 0), "a restore")
        copy, plain = folder / "copy", folder / "plain"
        with told_of(directory / str(name), copy, plain), disk_errors(target.parent, UNTOUCHED):
            copy_file(directory / str(name), copy, keep_on)
            require_same_file(copy, manifest, keep_on)
            require_proof(directory / str(name), manifest)
            if is_packed:
                unpack(copy, plain, name.compression, manifest.database_bytes, keep_on)
                copy.unlink()
            else:
                plain = copy
            require_same_content(directory / str(name), prove_database(plain, keep_on, level=level), manifest)
        yield plain, manifest


@contextlib.contextmanager
def staged_file(file: Path, target: Path, keep_on: Callable[[], None] = lambda: None) -> Iterator[tuple[Path, int]]:
    """A copy of a database that is no backup, in a private directory beside ``target``, proven in full; and its jobs.

    Nothing vouches for such a file, as a manifest does for a backup, so every value in it is read.

    Raises:
        BackupNotFoundError: there is no such file.
        BackupDamagedError: it is damaged, or no job store.
        StoreRefusedError: it is the target, somebody has it open, or a -wal or -journal lies beside it.
        StoreFullError: there is no room beside the target.
    """
    refuse_in_use(file, file, target)
    with disk_errors(target.parent, UNTOUCHED):
        forget_killed(target)
    with private_folder(target.parent, f".{target.name}.hyperjobs-restore-") as folder:
        require_room(target.parent, file.stat().st_size, "a restore")
        copy = folder / "copy"
        with told_of(file, copy), disk_errors(target.parent, UNTOUCHED):
            copy_file(file, copy, keep_on)
            proven = prove_database(copy, keep_on)
        yield copy, proven.content.jobs


def forget_killed(target: Path) -> None:
    """Remove the second name of the store that a restore left which was killed between two renames, and undo those.

    No handle opens a store with two names, so this is done before one does; while a restore is at work it is left alone.
    """
    prefix = f".{target.name}.hyperjobs-restore-"
    try:
        if target.lstat().st_nlink == 1 or is_any_at_work(target.parent, prefix):
            return
    except FileNotFoundError:
        return
    for path in list(target.parent.glob(f"{glob.escape(target.name)}.before-restore-*")):
        if path.is_file() and not path.is_symlink() and path.samefile(target):
            _bring_back(path, target)
            path.unlink()


def _bring_back(kept: Path, target: Path) -> None:
    """Give the store back what went with its second name, where nobody wrote to it since: its -wal is a part of it."""
    moves = [(kept.with_name(kept.name + suffix), target.with_name(target.name + suffix)) for suffix in BESIDE]
    moves += [(kept.with_name(f".{kept.name}-litestream"), target.with_name(f".{target.name}-litestream"))]
    written_ns = target.stat().st_mtime_ns
    for place, source in moves:
        with contextlib.suppress(FileNotFoundError):
            # the restore's rename is the last change of its status
            if not os.path.lexists(source) and written_ns <= place.lstat().st_ctime_ns:
                place.rename(source)
