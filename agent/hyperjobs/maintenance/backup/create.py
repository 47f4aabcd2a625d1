"""Taking a backup: copy, prove, publish; what fails on the way leaves nothing behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hyperjobs import __version__
from hyperjobs.errors import BackupDamagedError, StoreRefusedError
from hyperjobs.maintenance.backup.catalogue import read_catalogue, spare_damaged, stem_of
from hyperjobs.maintenance.backup.manifest import DAMAGED, VERIFIED, Manifest
from hyperjobs.maintenance.backup.name import BackupName
from hyperjobs.maintenance.backup.pack import file_sha256, new_file, pack, write_new
from hyperjobs.maintenance.backup.proof import Proven, prove_database
from hyperjobs.maintenance.disk import disk_errors
from hyperjobs.maintenance.room import require_room
from hyperjobs.store.connection import Connection
from hyperjobs.store.content import Content
from hyperjobs.store.facts import read_geometry
from hyperjobs.store.flavour import recognise, require_job_store
from hyperjobs.store.snapshot import Copied, Pace, copy_snapshot
from hyperjobs.store.source import source_sha256
from hyperjobs.store.version import sqlite_version

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hyperjobs.clock import Clock
    from hyperjobs.maintenance.backup.directory import BackupDirectory

DEFAULT_COMPRESSION: Final = "zstd"
_LONGEST_FOUND: Final = 1000


def create_backup(  # noqa: PLR0913 - all but the first two by name
    store: Path,
    directory: BackupDirectory,
    *,
    clock: Clock,
    pace: Pace,
    compression: str = DEFAULT_COMPRESSION,
    doubt: str = "",
    host: str = "",
) -> Manifest:
    """Open ``store`` and take a backup of it; see :func:`take_backup`."""
    source = Connection(store, read_only=True, clock=clock, is_stopping=pace.is_stopping)
    try:
        return take_backup(source, directory, pace=pace, compression=compression, doubt=doubt, host=host)
    finally:
        source.close()


def take_backup(  # noqa: PLR0913 - all but the first two by name
    source: Connection,
    directory: BackupDirectory,
    *,
    pace: Pace,
    compression: str = DEFAULT_COMPRESSION,
    doubt: str = "",
    host: str = "",
) -> Manifest:
    """Take one backup, prove it, and only then let it appear in ``directory``.

    Writers of the store go on; see :func:`~hyperjobs.store.snapshot.copy_snapshot`. A copy that does not stand its
    proof appears too, marked damaged, for what can be saved of it; of one trouble at most three.

    Args:
        source: on the store; it ends its statements when ``pace`` says stop.
        directory: where the backup is to appear.
        pace: how fast, and when to give up.
        compression: ``zstd``, ``gzip`` or ``none``.
        doubt: why the store is not to be trusted now; the backup is then marked damaged whatever its proof says.
        host: what this machine is called in the manifest.

    Raises:
        BackupRunningError: another one is at work in the directory.
        BackupDamagedError: the copy did not stand its proof; the message says whether it was kept.
        StoreRefusedError: the store is in doubt and three such backups of it are there.
        StoreFullError: there is no room; found out before anything is written.
        StoreError: the store cannot be read, or ``pace`` says stop.
    """
    require_job_store(recognise(source), source.path)
    size = database_bytes(source)
    directory.prepare()
    with (
        disk_errors(directory.path, "a backup failed; nothing of it was kept, and older ones stay"),
        directory.locked(),
    ):
        if doubt and not spare_damaged(read_catalogue(directory.path, source.path)):
            raise StoreRefusedError(
                f"{directory.path}: holds as many backups of {source.path} in doubt as are kept ({doubt}); "
                "repair or restore the store, then unfreeze it",
                reason="frozen",
            )
        require_room(directory.path, room_needed(size, compression), "a backup")
        with directory.temporary() as folder:
            number = directory.next_sequence()
            taken = take(source, folder, number, pace=pace, compression=compression, doubt=doubt, host=host)
            manifest = taken.manifest
            if not manifest.digest and not spare_damaged(read_catalogue(directory.path, source.path)):
                raise BackupDamagedError(
                    f"{source.path}: its copy did not stand its proof: {manifest.found}; three such copies are kept "
                    "already, so this one was not; restore the newest verified backup"
                )
            file = folder / "manifest"
            write_new(file, manifest.text())
            with disk_errors(
                directory.path, "a backup could not be given its name for good; see 'hyperjobs backup list'"
            ):
                directory.publish(file, taken.file, taken.name)
    if not manifest.digest:
        raise BackupDamagedError(
            f"{source.path}: its copy did not stand its proof: {manifest.found}; it was kept as "
            f"{directory.path / manifest.name}, marked damaged; restore the newest verified backup"
        )
    return manifest


def database_bytes(source: Connection) -> int:
    """Size of the copy that a backup would make."""
    pages, page_size = source.read(read_geometry)
    return pages * page_size


def room_needed(size: int, compression: str) -> int:
    """How much room a backup takes while it is made: packed and plain lie side by side for a while."""
    return size if compression == "none" else 2 * size


@dataclass(frozen=True, slots=True)
class Taken:
    """A copy and its manifest, in a private folder."""

    file: Path
    name: BackupName
    manifest: Manifest


def take(  # noqa: PLR0913 - what the public ones have checked and opened
    source: Connection,
    folder: Path,
    sequence: int,
    *,
    pace: Pace,
    compression: str,
    doubt: str = "",
    host: str = "",
    prepare: Callable[[Path], None] | None = None,
    called: str | None = None,
) -> Taken:
    """Copy a store into a private folder and prove the copy; one that does not stand its proof is given back too.

    Args:
        source: on the store.
        folder: empty, and nobody else's.
        sequence: of the backup.
        pace: how fast, and when to give up.
        compression: of the file.
        doubt: as for :func:`take_backup`.
        host: as there.
        prepare: changes the copy before it is proven.
        called: the file's name, when it is not to be named as a backup.
    """
    clock = source.clock
    plain, file = folder / "plain", folder / "packed"
    started, started_s = clock.now(), clock.monotonic()
    name = BackupName(sequence, started, stem_of(source.path), compression)
    flavour = str(recognise(source).flavour)
    new_file(plain).close()
    copied = copy_snapshot(source, plain, pace)
    if prepare is not None:
        prepare(plain)
    copied_s = clock.monotonic()
    found = doubt
    try:
        proven = prove_database(plain, pace.keep_on)
        _require_all(proven.content.jobs, copied, plain)
    except BackupDamagedError as exc:
        found = str(exc).removeprefix(f"{plain}: ")
        proven = Proven(Content(copied.jobs or 0, ""), flavour, "", copied.pages)
    verified_s = clock.monotonic()
    if compression == "none":
        file = plain
    else:
        pack(plain, file, compression, pace.keep_on)
    manifest = Manifest(
        name=called or str(name),
        sequence=name.sequence,
        bytes=file.stat().st_size,
        sha256=file_sha256(file, pace.keep_on),
        database_bytes=plain.stat().st_size,
        pages=proven.pages,
        jobs=proven.content.jobs,
        digest=proven.content.digest,
        flavour=proven.flavour,
        schema_sha256=proven.schema_sha256,
        started_at=started.isoformat(),
        ended_at=clock.now().isoformat(),
        copy_seconds=round(copied_s - started_s, 3),
        verify_seconds=round(verified_s - copied_s, 3),
        sqlite_version=sqlite_version(),
        hyperjobs_version=__version__,
        source_sha256=source_sha256(source.path),
        state=DAMAGED if found else VERIFIED,
        found=found[:_LONGEST_FOUND],
        host=host,
    )
    return Taken(file, name, manifest)


def _require_all(jobs: int, copied: Copied, plain: Path) -> None:
    """Return when the copy holds what its snapshot held; SQLite calls an emptied file ok."""
    if jobs != copied.jobs:
        raise BackupDamagedError(
            f"{plain}: the copy holds {jobs} jobs where the store held {copied.jobs}; an index is damaged"
        )
