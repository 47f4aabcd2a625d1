"""A backup's database as a plain file to be read, by who may not write to the directory of backups."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hyperjobs.maintenance.backup.manifest import manifest_of
from hyperjobs.maintenance.backup.pack import nothing, unpack
from hyperjobs.maintenance.backup.proof import require_proof, require_same_file
from hyperjobs.maintenance.disk import disk_errors
from hyperjobs.maintenance.room import require_room
from hyperjobs.maintenance.scratch import private_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hyperjobs.maintenance.backup.name import BackupName


@contextlib.contextmanager
def readable(directory: Path, name: BackupName, keep_on: Callable[[], None] = nothing) -> Iterator[Path]:
    """The database of a backup whose bytes were found to be those of its manifest: itself, or a copy that goes with the block.

    The copy is decompressed into the system's directory for temporary files (``TMPDIR``).

    Raises:
        BackupDamagedError: it is not what its manifest says.
        StoreFullError: there is no room to decompress it.
    """
    manifest = manifest_of(directory, name)
    file = directory / str(name)
    require_same_file(file, manifest, keep_on)
    require_proof(file, manifest)
    if name.compression == "none":
        yield file
        return
    parent = Path(tempfile.gettempdir())
    with contextlib.ExitStack() as stack:
        with disk_errors(parent, "a backup could not be decompressed to be read"):
            folder = stack.enter_context(private_folder(parent, "hyperjobs-read-"))
            require_room(folder, manifest.database_bytes, "a decompressed copy of a backup")
            plain = folder / "plain"
            unpack(file, plain, name.compression, manifest.database_bytes, keep_on)
        yield plain
