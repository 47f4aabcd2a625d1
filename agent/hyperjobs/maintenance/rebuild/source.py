"""One piece that a store can be rebuilt from, and what it is: told by what is in it, never by what it is called."""

from __future__ import annotations

import gzip
import json
import stat
import zlib
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

import zstandard

from hyperjobs.errors import ArchiveDamagedError, InvalidJobError, StoreNotFoundError, StorePermissionError
from hyperjobs.maintenance.audit.line import parse_line
from hyperjobs.maintenance.backup.name import BESIDE, BackupName
from hyperjobs.maintenance.backup.pack import unpacking
from hyperjobs.maintenance.prune.name import DATA, MANIFEST, ArchiveName
from hyperjobs.maintenance.transfer.reading import recognise_source

if TYPE_CHECKING:
    from pathlib import Path

_MAGIC: Final = {b"\x28\xb5\x2f\xfd": "zstd", b"\x1f\x8b": "gzip"}
_DATABASE: Final = b"SQLite format 3\0"
_LOOK_BYTES: Final = 1 << 16
_LINES: Final = 20
"""Of a log whose first line was damaged one of the next still says what it is."""
_LONGEST_MANIFEST: Final = 4 << 20


class Kind(StrEnum):
    """What a piece is; the words are stable."""

    JSONL = "jsonl"
    JSON = "json"
    CSV = "csv"
    HISTORY = "history"
    DAEMON = "daemon"
    ARCHIVE = "archive"
    BACKUP = "backup"
    """A backup with its manifest, which says of when it is."""
    STORE = "store"
    """Another SQLite file with a store in it."""
    AUDIT = "audit"
    """An audit log with all its files."""


class State(StrEnum):
    """What became of a piece; the words are stable."""

    READ = "read"
    OLDER = "older"
    """Left out: a newer backup of that store is read, and what it lacks had been deleted by then."""
    OTHER = "other"
    """Left out: a backup of another store than the one that is meant."""
    DAMAGED = "damaged"
    """It is not whole; what was read of it before that was seen is used if damaged ones are to be left out."""
    UNKNOWN = "unknown"
    """A file of a directory that is none of these."""
    MISSING = "missing"
    """The configuration names it, and it is not there."""


@dataclass(slots=True)
class Source:
    """One piece.

    Attributes:
        path: of the file; of an audit log the one that grows.
        kind: ``None`` when it is not known.
        message: what is wrong with it, or worth saying.
        group: of a backup, which store it is of.
        rows: taken from it; ``changes`` of an audit log or of a backup's history.
    """

    path: Path
    kind: Kind | None = None
    state: State = State.READ
    message: str = ""
    group: str = ""
    rows: int = 0
    changes: int = 0
    _said: list[str] = field(default_factory=list)

    def damaged(self, message: str) -> None:
        """Note what is wrong with it."""
        self.state = State.DAMAGED
        self.note(message)

    def note(self, message: str) -> None:
        """Say something of it."""
        self._said.append(message)
        self.message = "; ".join(self._said)

    def shape(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "path": str(self.path),
            "kind": None if self.kind is None else str(self.kind),
            "state": str(self.state),
            "rows": self.rows,
            "changes": self.changes,
            "message": self.message,
        }


def kind_of(path: Path) -> Kind | None:
    """What a file is; ``None`` for a manifest or mark, which goes with another file.

    Raises:
        StoreNotFoundError: there is no such file.
        StorePermissionError: it cannot be read.
        InvalidJobError: it is none of these.
        ArchiveDamagedError: what is compressed in it is damaged, or its name is one of ours and it is none of these.
    """
    start = _start_of(path)
    backup = BackupName.parse(path.name)
    if backup is not None and path.with_name(backup.manifest).exists():
        return Kind.BACKUP  # be it damaged to its first byte
    if start.startswith(_DATABASE):
        return Kind.STORE
    if _is_companion(path, start):
        return None
    if any(parse_line(line) is not None for line in start.split(b"\n")[:_LINES]):
        if compression_of(path) is not None:
            raise ArchiveDamagedError(f"{path}: is a compressed audit log; decompress it first")
        return Kind.AUDIT
    kind = _kind_of_jobs(path, start)
    if kind is not None:
        return kind
    if backup is not None or (path.name.endswith(DATA) and ArchiveName.parse(path.name) is not None):
        raise ArchiveDamagedError(
            f"{path}: is called as one of ours, and its beginning is none of a backup or an archive"
        )
    raise InvalidJobError(
        f"{path}: is none of the pieces that are known here (a backup, a store, an archive of a prune, an export, "
        "history.json, an audit log)"
    )


def _start_of(path: Path) -> bytes:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise InvalidJobError(f"{path}: is no regular file")
        return head_of(path)
    except FileNotFoundError as exc:
        raise StoreNotFoundError(f"{path}: there is no such file") from exc
    except OSError as exc:
        raise StorePermissionError(f"{path}: cannot be read: {exc.strerror or exc}") from exc


def compression_of(path: Path) -> str | None:
    """How a file is compressed: ``zstd``, ``gzip`` or not at all."""
    with path.open("rb") as file:
        start = file.read(4)
    return next((kind for magic, kind in _MAGIC.items() if start.startswith(magic)), None)


def head_of(path: Path) -> bytes:
    """The first bytes of what a file holds, decompressed.

    Raises:
        ArchiveDamagedError: it cannot be decompressed from its first byte on.
        OSError: it cannot be read.
    """
    compression = compression_of(path)
    with path.open("rb") as file:
        if compression is None:
            return file.read(_LOOK_BYTES)
        try:
            with unpacking(file, compression, is_framed=True) as stream:
                return stream.read(_LOOK_BYTES)
        except (EOFError, gzip.BadGzipFile, zlib.error, zstandard.ZstdError) as exc:
            raise ArchiveDamagedError(f"{path}: cannot be decompressed: {exc}") from exc


def _kind_of_jobs(path: Path, start: bytes) -> Kind | None:
    """Which of the forms of jobs it is."""
    if not start.strip():
        return Kind.JSONL  # an export of nothing, or what a prune left that was killed at its first breath
    if start.split() in ([b"[]"], [b"[", b"]"]):
        return Kind.JSON
    try:
        kind = Kind(recognise_source(start, path))
    except InvalidJobError:
        return None
    # any object will do for an import, where a person named the file; here it has to look like a job
    if kind is Kind.JSONL:
        return kind if any(map(_is_job, start.split(b"\n")[:_LINES])) else None
    words = {Kind.JSON: (b'"vm_name":', b'"status":'), Kind.DAEMON: (b'"definition":', b'"status":')}.get(kind, ())
    return kind if all(word in start for word in words) else None


def _is_job(line: bytes) -> bool:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return b'"vm_name":' in line and b'"status":' in line  # one that is longer than what we look at, or torn
    return isinstance(found, dict) and {"id", "vm_name", "status"} <= found.keys()


def _is_companion(path: Path, start: bytes) -> bool:
    """Whether it is a manifest, or a mark beside a backup."""
    stem, dot, suffix = path.name.rpartition(".")
    if (dot + suffix in BESIDE and BackupName.parse(stem) is not None) or (
        path.name.endswith(MANIFEST) and ArchiveName.parse(path.name) is not None
    ):
        return True
    if not start.startswith(b"{") or path.stat().st_size > _LONGEST_MANIFEST:
        return False
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and {"sha256", "hyperjobs_version", "source_sha256"} <= found.keys()
