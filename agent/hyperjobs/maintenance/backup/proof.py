"""Proving a backup: its file by its hash, its pages by SQLite, its jobs by count and digest."""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from hyperjobs.errors import (
    BackupDamagedError,
    HyperjobsError,
    StoreError,
    StoreFullError,
    StoreInterruptedError,
    StorePermissionError,
)
from hyperjobs.maintenance.backup.directory import BackupDirectory
from hyperjobs.maintenance.backup.manifest import Manifest, manifest_of
from hyperjobs.maintenance.backup.pack import file_sha256, nothing, unpack
from hyperjobs.maintenance.disk import disk_errors
from hyperjobs.maintenance.room import require_room
from hyperjobs.store.connection import Connection
from hyperjobs.store.content import Content, count_content, read_content
from hyperjobs.store.flavour import recognise, require_job_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from hyperjobs.maintenance.backup.name import BackupName

_MESSAGES = 3


Level = Literal["quick", "full"]


@dataclass(frozen=True, slots=True)
class Proven:
    """What was found in a database that is whole."""

    content: Content
    flavour: str
    schema_sha256: str
    pages: int


def prove_database(path: Path, keep_on: Callable[[], None] = nothing, *, level: Level = "full") -> Proven:
    """Check a database that nobody writes to: its pages, that it is a job store, and its jobs.

    ``integrity_check`` finds a third of single flipped bits and calls an empty file ok, so it is only one of three.

    Args:
        path: of a file that no other handle of this process is on.
        keep_on: called now and then, also while SQLite works; what it raises ends the proof.
        level: ``full`` reads every index and every value; 0.8 s at a hundred thousand jobs. ``quick`` is for a file
            whose bytes were just found to be those of one that stood the full proof: its pages are looked at and its
            jobs counted, in a tenth of that; the digest stays empty.

    Raises:
        BackupDamagedError: it is damaged or no job store; the message holds SQLite's first words.
        StoreFullError: SQLite had no room for its work, which says nothing of the file.
        StorePermissionError: we may not read it, which says nothing of it either.
    """
    stop = _Stop(keep_on)
    pragma = "integrity_check" if level == "full" else "quick_check"
    try:
        connection = Connection(path, immutable=True, is_stopping=stop.is_asked)
        try:
            words = [str(row[0]) for row in connection.rows(f"PRAGMA {pragma}({_MESSAGES})")]
            if words != ["ok"]:
                raise BackupDamagedError(f"{path}: damaged: {'; '.join(words)}")
            recognition = recognise(connection)
            require_job_store(recognition, path)
            keep_on()
            content = connection.read(lambda db: read_content(db, keep_on) if level == "full" else count_content(db))
            schema = connection.rows("SELECT type,name,sql FROM sqlite_schema ORDER BY type,name")
            pages = int(connection.value("PRAGMA page_count"))
        finally:
            connection.close()
    except (StoreError, UnicodeDecodeError) as exc:
        stop.raise_again()
        if isinstance(exc, (StoreInterruptedError, StoreFullError, StorePermissionError)):
            raise  # says nothing of what is in it
        raise BackupDamagedError(f"{path}: no usable job store: {exc}") from exc
    return Proven(content, str(recognition.flavour), hashlib.sha256(repr(schema).encode()).hexdigest(), pages)


class _Stop:
    """What ``keep_on`` raises, turned into the yes or no that a running statement asks for, and back."""

    def __init__(self, keep_on: Callable[[], None]) -> None:
        self._keep_on = keep_on
        self._raised: BaseException | None = None

    def is_asked(self) -> bool:
        try:
            self._keep_on()
        except BaseException as exc:  # noqa: BLE001 - SQLite calls this: what is raised here is raised again outside
            self._raised = exc
        return self._raised is not None

    def raise_again(self) -> None:
        if self._raised is not None:
            raise self._raised


def verify(directory: Path, name: BackupName, keep_on: Callable[[], None] = nothing) -> Manifest:
    """Prove one backup against its manifest, from its file to its jobs.

    Returns:
        The manifest, every word of which about the backup was found true.

    Raises:
        BackupDamagedError: the backup, or its manifest, is not as it was published, or was damaged then already.
        StoreFullError: there is no room to decompress it.
        HyperjobsError: it could not be read.
    """
    file = directory / str(name)
    manifest = manifest_of(directory, name)
    require_same_file(file, manifest, keep_on)
    require_proof(file, manifest)
    if name.compression == "none" and manifest.database_bytes != manifest.bytes:
        raise BackupDamagedError(f"{file}: its manifest says two sizes of one uncompressed file")
    with unpacked(directory, name, manifest, keep_on) as plain, told_of(file, plain):
        proven = prove_database(plain, keep_on)
    require_same_content(file, proven, manifest)
    return manifest


@contextlib.contextmanager
def told_of(backup: Path, *copies: Path) -> Iterator[None]:
    """Let what is found in copies of a backup, which are gone when somebody reads of it, name the backup instead.

    Raises:
        BackupDamagedError: as it was raised in the block, but for the path.
    """
    try:
        yield
    except BackupDamagedError as exc:
        said = str(exc)
        for copy in copies:
            said = said.replace(str(copy), str(backup))
        raise BackupDamagedError(said) from exc


@contextlib.contextmanager
def unpacked(
    directory: Path, name: BackupName, manifest: Manifest, keep_on: Callable[[], None] = nothing
) -> Iterator[Path]:
    """The database of a backup as a plain file, for reading: itself, or a private copy that goes with the block.

    Raises:
        BackupDamagedError: it cannot be decompressed.
        StoreFullError: there is no room to decompress it.
    """
    if name.compression == "none":
        yield directory / str(name)
        return
    what = "a backup could not be decompressed for its proof"
    with contextlib.ExitStack() as stack:
        with disk_errors(directory, what):
            folder = stack.enter_context(BackupDirectory(directory).scratch())
            require_room(folder, manifest.database_bytes, "a decompressed copy of a backup")
            plain = folder / "plain"
            unpack(directory / str(name), plain, name.compression, manifest.database_bytes, keep_on)
        yield plain


def require_proof(file: Path, manifest: Manifest) -> None:
    """Return when a backup stood its proof when it was taken.

    Raises:
        BackupDamagedError: it did not: it was kept for what can be saved of it.
    """
    if not manifest.digest:
        raise BackupDamagedError(f"{file}: was taken of a damaged store, as it was: {manifest.found}")


def require_same_file(file: Path, manifest: Manifest, keep_on: Callable[[], None] = nothing) -> None:
    """Return when a file is, byte for byte, the one that a manifest describes.

    Raises:
        BackupDamagedError: it is not, or is not there.
        HyperjobsError: it could not be read.
    """
    try:
        size = file.lstat().st_size
        if size != manifest.bytes:
            raise BackupDamagedError(f"{file}: {size} bytes, where its manifest says {manifest.bytes}")
        if file_sha256(file, keep_on) != manifest.sha256:
            raise BackupDamagedError(f"{file}: its bytes are not those of its manifest (sha256 differs)")
    except FileNotFoundError as exc:
        raise BackupDamagedError(f"{file}: there is a manifest and no backup") from exc
    except OSError as exc:
        raise HyperjobsError(f"{file}: cannot be read: {exc.strerror or exc}") from exc


def require_same_content(file: Path, proven: Proven, manifest: Manifest) -> None:
    """Return when what was found in a backup is what its manifest describes.

    Raises:
        BackupDamagedError: it is not.
    """
    digest = proven.content.digest or manifest.digest  # not read where the file's own bytes were compared
    found = (proven.content.jobs, digest, proven.flavour, proven.schema_sha256, proven.pages)
    if found != (manifest.jobs, manifest.digest, manifest.flavour, manifest.schema_sha256, manifest.pages):
        raise BackupDamagedError(
            f"{file}: its {proven.content.jobs} jobs are not the {manifest.jobs} of its manifest (content differs)"
        )
