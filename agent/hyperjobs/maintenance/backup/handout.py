"""A copy of a store to be given away: a plain file and its manifest, outside the directory of backups.

It counts for no retention, is nobody's ``latest``, and may be without our tables and triggers, which only a store with
an agent needs.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hyperjobs.errors import BackupDamagedError, StoreRefusedError
from hyperjobs.maintenance.backup.create import database_bytes, take
from hyperjobs.maintenance.backup.directory import appear, sync_directory
from hyperjobs.maintenance.backup.pack import write_new
from hyperjobs.maintenance.disk import disk_errors
from hyperjobs.maintenance.room import require_room
from hyperjobs.store.connection import Connection
from hyperjobs.store.flavour import recognise, require_job_store
from hyperjobs.store.ledger.install import uninstall

if TYPE_CHECKING:
    from hyperjobs.clock import Clock
    from hyperjobs.maintenance.backup.manifest import Manifest
    from hyperjobs.store.snapshot import Pace

_ROOM: Final = 3
"""The copy, and what a VACUUM of it writes beside it and into its journal."""


def hand_out(store: Path, target: Path, *, clock: Clock, pace: Pace, strip: bool = False) -> Manifest:
    """Make a proven copy of a store at ``target``, and its manifest at ``target.json``.

    Args:
        store: path of the store; its writers go on.
        target: a path that nothing has; the file is for its owner alone.
        clock: for the manifest.
        pace: how fast, and when to give up.
        strip: leave our tables and triggers out, and the room they took.

    Returns:
        The manifest, of the file as it was handed out.

    Raises:
        StoreRefusedError: something has one of the two names.
        BackupDamagedError: the copy did not stand its proof; nothing was made.
        StoreFullError: there is no room.
        StoreError: the store cannot be read, or ``pace`` says stop.
    """
    beside = target.with_name(f"{target.name}.json")
    for path in (target, beside):
        if path.exists() or path.is_symlink():
            raise StoreRefusedError(f"{path}: is there already; name a path that is not", reason="exists")
    source = Connection(store, read_only=True, clock=clock, is_stopping=pace.is_stopping)
    try:
        require_job_store(recognise(source), source.path)
        size = database_bytes(source)
        with disk_errors(target.parent, "a copy to hand out failed; nothing of it was kept"):
            require_room(target.parent, size * (_ROOM if strip else 1), "a copy to hand out")
            folder = Path(tempfile.mkdtemp(prefix=".hyperjobs-handout-", dir=target.parent))
            try:
                prepare = _strip if strip else None
                taken = take(source, folder, 1, pace=pace, compression="none", prepare=prepare, called=target.name)
                if not taken.manifest.digest:
                    raise BackupDamagedError(
                        f"{source.path}: its copy did not stand its proof: {taken.manifest.found}; nothing was made"
                    )
                file = folder / "manifest"
                write_new(file, taken.manifest.text())
                appear(file, beside)
                appear(taken.file, target)
            finally:
                shutil.rmtree(folder, ignore_errors=True)
            sync_directory(target.parent)
    finally:
        source.close()
    return taken.manifest


def _strip(copy: Path) -> None:
    """Leave out what is ours; the pages that held it are written anew, so that nothing of it is left to read."""
    connection = Connection(copy, synchronous="OFF", may_be_remote=True)
    with contextlib.closing(connection):
        connection.rows("PRAGMA locking_mode=EXCLUSIVE")
        uninstall(connection)
        connection.rows("VACUUM")
