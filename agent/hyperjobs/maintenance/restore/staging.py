"""A backup's database brought beside the place it is meant for, and proven there."""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hyperjobs.maintenance.backup.manifest import manifest_of
from hyperjobs.maintenance.backup.pack import copy_file, unpack
from hyperjobs.maintenance.backup.proof import (
    prove_database,
    require_proof,
    require_same_content,
    require_same_file,
)
from hyperjobs.maintenance.room import require_room

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hyperjobs.maintenance.backup.manifest import Manifest
    from hyperjobs.maintenance.backup.name import BackupName
    from hyperjobs.maintenance.backup.proof import Level


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
    require_room(target.parent, manifest.database_bytes + (manifest.bytes if is_packed else 0), "a restore")
    _forget_killed(target)
    folder = Path(tempfile.mkdtemp(prefix=f"{_prefix(target)}{os.getpid()}-", dir=target.parent))
    try:
        copy, plain = folder / "copy", folder / "plain"
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
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _prefix(target: Path) -> str:
    return f".{target.name}.hyperjobs-restore-"


def _forget_killed(target: Path) -> None:
    """Remove what a restore that was killed left: its private directory, and a second name of the store."""
    for path in target.parent.glob(f"{glob.escape(_prefix(target))}*"):
        pid = path.name.removeprefix(_prefix(target)).partition("-")[0]
        if pid.isdecimal() and not Path(f"/proc/{pid}").exists() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
    for path in target.parent.glob(f"{glob.escape(target.name)}.before-restore-*"):
        if target.exists() and not path.is_symlink() and path.samefile(target):
            path.unlink()
