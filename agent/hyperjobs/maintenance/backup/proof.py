"""Proving a backup: its file by its hash, its pages by SQLite, its jobs by count and digest."""

from __future__ import annotations

import gzip
import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal

from hyperjobs.errors import BackupDamagedError, HyperjobsError, StoreError, StoreInterruptedError
from hyperjobs.maintenance.backup.manifest import Manifest, read_manifest
from hyperjobs.store.connection import Connection
from hyperjobs.store.content import Content, count_content, read_content
from hyperjobs.store.flavour import recognise, require_job_store

if TYPE_CHECKING:
    from collections.abc import Callable

    from hyperjobs.maintenance.backup.name import BackupName

_BLOCK_BYTES = 1 << 20
_MESSAGES = 3


Level = Literal["quick", "full"]


@dataclass(frozen=True, slots=True)
class Proven:
    """What was found in a database that is whole."""

    content: Content
    flavour: str
    schema_sha256: str


def prove_database(path: Path, keep_on: Callable[[], None] = lambda: None, *, level: Level = "full") -> Proven:
    """Check a database that nobody writes to: its pages, that it is a job store, and its jobs.

    ``integrity_check`` finds a third of single flipped bits and calls an empty file ok, so it is only one of three.

    Args:
        path: the database.
        keep_on: called now and then, also while SQLite works; what it raises ends the proof.
        level: ``full`` reads every index and every value; 0.8 s at a hundred thousand jobs. ``quick`` is for a file
            whose bytes were just found to be those of one that stood the full proof: its pages are looked at and its
            jobs counted, in a tenth of that; the digest stays empty.

    Raises:
        BackupDamagedError: it is damaged or no job store; the message holds SQLite's first words.
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
        finally:
            connection.close()
    except (StoreError, UnicodeDecodeError) as exc:
        stop.raise_again()
        if isinstance(exc, StoreInterruptedError):
            raise
        raise BackupDamagedError(f"{path}: no usable job store: {exc}") from exc
    return Proven(content, str(recognition.flavour), hashlib.sha256(repr(schema).encode()).hexdigest())


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


def file_sha256(path: Path, keep_on: Callable[[], None] = lambda: None) -> str:
    """The hash of a file that SQLite does not have open in this process."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
            keep_on()
    return digest.hexdigest()


def verify(directory: Path, name: BackupName, keep_on: Callable[[], None] = lambda: None) -> Manifest:
    """Prove one backup against its manifest, from its file to its jobs.

    Returns:
        The manifest, every word of which about the backup was found true.

    Raises:
        BackupDamagedError: the backup, or its manifest, is not as it was published.
        HyperjobsError: it could not be read.
    """
    file = directory / str(name)
    manifest = manifest_of(directory, name)
    require_same_file(file, manifest, keep_on)
    if name.compression == "none":
        proven = prove_database(file, keep_on)
    else:
        with tempfile.TemporaryDirectory(prefix="hyperjobs-verify-") as folder:
            plain = Path(folder) / "jobs.db"
            unpack(file, plain, manifest.database_bytes, keep_on)
            proven = prove_database(plain, keep_on)
    require_same_content(file, proven, manifest)
    return manifest


def manifest_of(directory: Path, name: BackupName) -> Manifest:
    """The manifest of one backup.

    Raises:
        BackupDamagedError: there is none, or it is of another backup.
    """
    manifest = read_manifest(directory / name.manifest)
    if manifest.name != str(name) or manifest.sequence != name.sequence:
        raise BackupDamagedError(f"{directory / str(name)}: the manifest beside it is of {manifest.name}")
    return manifest


def require_same_file(file: Path, manifest: Manifest, keep_on: Callable[[], None] = lambda: None) -> None:
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
    found = (proven.content.jobs, digest, proven.flavour, proven.schema_sha256)
    if found != (manifest.jobs, manifest.digest, manifest.flavour, manifest.schema_sha256):
        raise BackupDamagedError(
            f"{file}: its {proven.content.jobs} jobs are not the {manifest.jobs} of its manifest (content differs)"
        )


def copy_file(source: Path, copy: Path, keep_on: Callable[[], None] = lambda: None) -> None:
    """Copy a backup's file into a new one.

    Raises:
        BackupDamagedError: it is not there.
    """
    try:
        with source.open("rb") as stream, new_file(copy) as target:
            while block := stream.read(_BLOCK_BYTES):
                target.write(block)
                keep_on()
    except FileNotFoundError as exc:
        raise BackupDamagedError(f"{source}: there is a manifest and no backup") from exc


def pack(plain: Path, packed: Path, keep_on: Callable[[], None]) -> None:
    """Compress a file into a new one, synced; the same bytes give the same bytes."""
    with plain.open("rb") as source, new_file(packed) as target:
        with gzip.GzipFile(fileobj=target, mode="wb", filename="", mtime=0, compresslevel=1) as stream:
            while block := source.read(_BLOCK_BYTES):
                stream.write(block)
                keep_on()
        target.flush()
        os.fsync(target.fileno())


def unpack(packed: Path, plain: Path, size: int, keep_on: Callable[[], None]) -> None:
    """Write what a compressed file holds into a new one, and no more than ``size`` bytes of it.

    Raises:
        BackupDamagedError: it is no whole gzip file, or holds another number of bytes.
    """
    done = 0
    try:
        with gzip.open(packed, "rb") as stream, new_file(plain) as target:
            while block := stream.read(_BLOCK_BYTES):
                done += len(block)
                if done > size:
                    break
                target.write(block)
                keep_on()
    except (EOFError, gzip.BadGzipFile) as exc:
        raise BackupDamagedError(f"{packed}: cannot be decompressed: {exc}") from exc
    if done != size:
        raise BackupDamagedError(f"{packed}: holds another database than its manifest says ({size} bytes)")


def new_file(path: Path) -> BinaryIO:
    """A file that was not there, for its owner alone from birth."""
    return open(  # noqa: PTH123 - Path.open takes no descriptor
        os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600), "w+b"
    )
