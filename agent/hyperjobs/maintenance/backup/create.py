"""Taking a backup: copy, prove, publish; what fails on the way leaves nothing behind."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from hyperjobs import __version__
from hyperjobs.errors import BackupDamagedError
from hyperjobs.maintenance.backup.manifest import Manifest
from hyperjobs.maintenance.backup.name import BackupName
from hyperjobs.maintenance.backup.proof import file_sha256, new_file, pack, prove_database
from hyperjobs.maintenance.room import require_room
from hyperjobs.store.connection import Connection
from hyperjobs.store.facts import read_store_facts
from hyperjobs.store.flavour import recognise, require_job_store
from hyperjobs.store.snapshot import Copied, Pace, copy_snapshot
from hyperjobs.store.version import sqlite_version

if TYPE_CHECKING:
    from pathlib import Path

    from hyperjobs.clock import Clock
    from hyperjobs.maintenance.backup.directory import BackupDirectory


def create_backup(
    store: Path, directory: BackupDirectory, *, clock: Clock, pace: Pace, compression: str = "none"
) -> Manifest:
    """Take one backup of ``store``, prove it, and only then let it appear in ``directory``.

    Writers of the store go on; see :func:`~hyperjobs.store.snapshot.copy_snapshot`.

    Args:
        store: path of the store.
        directory: where the backup is to appear.
        clock: for the backup's name and the times it took.
        pace: how fast, and when to give up.
        compression: ``none`` or ``gzip``.

    Raises:
        BackupRunningError: another one is at work in the directory.
        BackupDamagedError: the copy did not stand its proof: the store is damaged.
        StoreFullError: there is no room; found out before anything is written.
        StoreError: the store cannot be read, or ``pace`` says stop.
    """
    source = Connection(store, read_only=True, clock=clock)
    try:
        require_job_store(recognise(source), source.path)
        facts = source.read(read_store_facts)
        directory.prepare()
        with directory.locked():
            size = facts.pages * facts.page_size_bytes
            # packed and plain lie side by side for a while
            require_room(directory.path, size if compression == "none" else 2 * size, "a backup")
            with directory.temporary() as folder:
                return _create(source, directory, folder, clock=clock, pace=pace, compression=compression)
    finally:
        source.close()


def _create(  # noqa: PLR0913 - what the public one has checked and opened
    source: Connection, directory: BackupDirectory, folder: Path, *, clock: Clock, pace: Pace, compression: str
) -> Manifest:
    plain, published, manifest_file = folder / "plain", folder / "packed", folder / "manifest"
    started, started_s = clock.now(), clock.monotonic()
    name = BackupName(directory.next_sequence(), started, source.path.name.removesuffix(".db"), compression)
    new_file(plain).close()
    copied = copy_snapshot(source, plain, pace)
    copied_s = clock.monotonic()
    proven = prove_database(plain, pace.keep_on)
    _require_all(proven.content.jobs, copied, source.path)
    if compression == "none":
        published = plain
    else:
        pack(plain, published, pace.keep_on)
    manifest = Manifest(
        name=str(name),
        sequence=name.sequence,
        bytes=published.stat().st_size,
        sha256=file_sha256(published, pace.keep_on),
        database_bytes=plain.stat().st_size,
        pages=copied.pages,
        jobs=proven.content.jobs,
        digest=proven.content.digest,
        flavour=proven.flavour,
        schema_sha256=proven.schema_sha256,
        started_at=started.isoformat(),
        ended_at=clock.now().isoformat(),
        copy_seconds=round(copied_s - started_s, 3),
        verify_seconds=round(clock.monotonic() - copied_s, 3),
        sqlite_version=sqlite_version(),
        hyperjobs_version=__version__,
        source_sha256=hashlib.sha256(os.fsencode(source.path)).hexdigest(),
    )
    with new_file(manifest_file) as file:
        file.write(manifest.text().encode())
        file.flush()
        os.fsync(file.fileno())
    directory.publish(manifest_file, published, name)
    return manifest


def _require_all(jobs: int, copied: Copied, store: Path) -> None:
    """Return when the copy holds what its snapshot held; SQLite calls an emptied file ok."""
    if jobs != copied.jobs:
        raise BackupDamagedError(
            f"{store}: the copy holds {jobs} jobs where the store held {copied.jobs}; an index is damaged: check the store"
        )
