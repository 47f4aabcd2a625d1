"""Making a backup of a file that has no manifest: proven in full first, and named so that it is not taken for a newer one."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hyperjobs import __version__
from hyperjobs.errors import BackupDamagedError, BackupNotFoundError, StoreRefusedError
from hyperjobs.maintenance.backup.catalogue import newest_verified, read_catalogue, stem_of
from hyperjobs.maintenance.backup.directory import appear, sync_directory
from hyperjobs.maintenance.backup.manifest import Manifest, manifest_of
from hyperjobs.maintenance.backup.name import FAILED, PACKED, BackupName
from hyperjobs.maintenance.backup.pack import copy_file, file_sha256, nothing, pack, unpack_all, write_new
from hyperjobs.maintenance.backup.proof import prove_database, told_of
from hyperjobs.maintenance.disk import disk_errors
from hyperjobs.maintenance.room import require_room
from hyperjobs.store.connection import Connection
from hyperjobs.store.holder import openers_of
from hyperjobs.store.last_change import last_change
from hyperjobs.store.source import source_sha256
from hyperjobs.store.version import sqlite_version

if TYPE_CHECKING:
    from collections.abc import Callable

    from hyperjobs.clock import Clock
    from hyperjobs.maintenance.backup.directory import BackupDirectory

_HEAD_ROOM: Final = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """A file that is a backup now.

    Attributes:
        is_in_place: it lay in the directory under a name of ours, and only got its manifest.
    """

    manifest: Manifest
    is_in_place: bool


def adopt(  # noqa: PLR0913 - all but the first three by name
    file: Path,
    directory: BackupDirectory,
    source: Path,
    *,
    clock: Clock,
    host: str = "",
    compression: str = "zstd",
    keep_on: Callable[[], None] = nothing,
) -> Adopted:
    """Prove a database in full and give it a manifest, and a name of ours in the directory.

    One that has a name of ours keeps it where its number is free and in the order of time. Any other is dated by its
    name or its file's time, and gets the number of the last backup taken before: ``latest`` means the greatest number,
    and must not become an old copy that was found somewhere. Since a file's time can be that of its copying, it counts
    only where no backup was taken after the last thing that happened in the copy: else that dates it.

    Args:
        file: plain, or compressed as ``.zst`` or ``.gz``; it stays.
        directory: of backups; its lock is taken.
        source: path of the store that it is to be a backup of.
        clock: dates the manifest.
        host: what this machine is called in backups.
        compression: of the copy, where one is made.
        keep_on: called often; what it raises ends it all and leaves nothing.

    Raises:
        BackupNotFoundError: there is no such file.
        BackupDamagedError: it is damaged, or no job store.
        StoreRefusedError: it is in use, is the store itself, has a manifest, or a -wal or -journal that belongs to it,
            or would become the latest without being it.
        StoreFullError: there is no room for it.
    """
    real = Path(os.path.realpath(file))
    refuse_in_use(real, file, source)
    directory.prepare()
    what = "an adoption failed; the file stays as it was"
    with disk_errors(directory.path, what), directory.locked(), directory.temporary() as folder:
        began_s = clock.monotonic()
        name = BackupName.parse(real.name)
        if name is not None and name.stem != stem_of(source):
            raise StoreRefusedError(
                f"{file}: is named as a backup of {name.stem}.db, and the store is {source}; name the store with --store",
                reason="other_store",
            )
        is_in_place = name is not None and real.parent == directory.path
        if name is not None and is_in_place:
            _refuse_manifest(directory, name)
            _refuse_latest(directory, name)
        plain = folder / "plain"
        packed_as = PACKED.get(real.suffix)
        size = real.stat().st_size
        require_room(directory.path, 2 * size, "adopting a backup")
        with told_of(file, plain):
            if packed_as is None:
                copy_file(real, plain, keep_on)
            else:
                unpack_all(real, plain, packed_as, shutil.disk_usage(folder).free - _HEAD_ROOM, keep_on)
            proven = prove_database(plain, keep_on)
        copied_s = clock.monotonic()
        packed = real
        if not is_in_place:
            at = name.at if name is not None else _dated(directory, source, real, plain, proven.content.digest)
            name = _name(directory, name, at, stem_of(source), compression)
            packed = plain
            if name.compression != "none":
                packed = folder / "packed"
                pack(plain, packed, name.compression, keep_on)
        assert name is not None  # noqa: S101 - it has one now
        manifest = Manifest(
            name=str(name),
            sequence=name.sequence,
            bytes=packed.stat().st_size,
            sha256=file_sha256(packed, keep_on),
            database_bytes=plain.stat().st_size,
            pages=proven.pages,
            jobs=proven.content.jobs,
            digest=proven.content.digest,
            flavour=proven.flavour,
            schema_sha256=proven.schema_sha256,
            started_at=name.at.isoformat(),
            ended_at=clock.now().isoformat(),
            copy_seconds=0.0,
            verify_seconds=round(copied_s - began_s, 3),
            sqlite_version=sqlite_version(),
            hyperjobs_version=__version__,
            source_sha256=source_sha256(source),
            host=host,
        )
        written = folder / "manifest"
        write_new(written, manifest.text())
        if is_in_place:
            (directory.path / name.manifest).unlink(missing_ok=True)  # one that cannot be read
            appear(written, directory.path / name.manifest)
            sync_directory(directory.path)
        else:
            directory.publish(written, packed, name)
    return Adopted(manifest=manifest, is_in_place=is_in_place)


def refuse_in_use(real: Path, file: Path, source: Path) -> None:
    """Return when a file can be read as a database of its own: nobody has it open, and all of it is in it.

    Args:
        real: its path without links.
        file: as it was named.
        source: the store, which it must not be.

    Raises:
        BackupNotFoundError: there is no such file.
        StoreRefusedError: it is in use, is the store, or has a -wal or -journal beside it.
    """
    if not real.is_file():
        raise BackupNotFoundError(f"{file}: there is no such file")
    if real == Path(os.path.realpath(source)):
        raise StoreRefusedError(f"{file}: is the store itself; take a backup of it with 'hyperjobs backup create'")
    if others := [pid for pid in openers_of(real) if pid != os.getpid()]:
        raise StoreRefusedError(f"{file}: is open in pid {others[0]}, and may change; end that first", reason="in_use")
    for suffix, what in (("-wal", "whose jobs would be missing"), ("-journal", "of a transaction that is half in it")):
        beside = real.with_name(f"{real.name}{suffix}")
        if beside.exists() and beside.stat().st_size:
            raise StoreRefusedError(
                f"{file}: has a {suffix} beside it, {what}; open and close it once with sqlite3", reason=suffix[1:]
            )


def _refuse_manifest(directory: BackupDirectory, name: BackupName) -> None:
    if (directory.path / f"{name}{FAILED}").exists():
        raise BackupDamagedError(f"{directory.path / str(name)}: failed a proof before ({name}{FAILED}); not adopted")
    try:
        manifest_of(directory.path, name)
    except BackupDamagedError:
        return
    raise StoreRefusedError(
        f"{directory.path / str(name)}: has its manifest; there is nothing to adopt", reason="exists"
    )


def _refuse_latest(directory: BackupDirectory, name: BackupName) -> None:
    """Refuse an old one whose number, given in another directory, would make it the latest in this one."""
    newer = [other for other in directory.names() if other.at > name.at and other.sequence < name.sequence]
    if newer:
        raise StoreRefusedError(
            f"{directory.path / str(name)}: is older than {newer[-1]} and has a greater number, so it would be the latest; "
            "move it to another directory, and adopt it from there",
            reason="sequence",
        )


def _dated(directory: BackupDirectory, source: Path, real: Path, plain: Path, digest: str) -> datetime:
    """When a file with no name of ours counts as taken: at its file's time, unless that may make an old one the latest.

    A copy is no older than the last change in it. A backup from between that and the file's time can be younger, unless
    the same jobs are in it.
    """
    at = datetime.fromtimestamp(int(real.stat().st_mtime), UTC)
    connection = Connection(plain, immutable=True)
    try:
        changed = connection.run(lambda db: last_change(db, at))
    finally:
        connection.close()
    perhaps_younger = [
        entry
        for entry in read_catalogue(directory.path, source)
        if entry.name.at <= at and (changed is None or entry.name.at > changed)
    ]
    newest = newest_verified(perhaps_younger)
    if not perhaps_younger or (newest is not None and newest.manifest is not None and newest.manifest.digest == digest):
        return at
    return changed or perhaps_younger[0].name.at - timedelta(seconds=1)


def _name(directory: BackupDirectory, own: BackupName | None, at: datetime, stem: str, compression: str) -> BackupName:
    """What it is called in the directory: its own name where that is free, else one in the order of time."""
    names = directory.names()
    before_it = {name.sequence for name in names if own is not None and name.at <= own.at}
    after_it = {name.sequence for name in names if own is not None and name.at > own.at}
    if own is not None and max(before_it, default=-1) < own.sequence < min(after_it, default=own.sequence + 1):
        return BackupName(own.sequence, own.at, stem, compression)
    before = [name.sequence for name in names if name.at <= at]
    number = max(before) if before else max(min((name.sequence for name in names), default=2) - 1, 0)
    found = BackupName(number, at, stem, compression)
    if found in names:
        raise StoreRefusedError(f"{directory.path / str(found)}: is there already", reason="exists")
    return found
