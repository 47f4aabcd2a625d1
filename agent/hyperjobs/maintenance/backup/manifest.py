"""What a backup says of itself, in a JSON file beside it."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any

from hyperjobs.errors import BackupDamagedError

if TYPE_CHECKING:
    from pathlib import Path

    from hyperjobs.maintenance.backup.name import BackupName

FORMAT = 1
LONGEST_BYTES = 65536
"""A manifest is a few hundred bytes; more is somebody else's file."""
VERIFIED = "verified"
DAMAGED = "damaged"
_OPTIONAL = frozenset({"found", "host"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One backup, as it was when it was taken.

    Attributes:
        name: of the backup's file; one beside another file is refused.
        bytes: size of that file, in bytes.
        sha256: of that file.
        database_bytes: size of the database in it, uncompressed.
        pages: of that database.
        jobs: rows of the jobs table.
        digest: of all jobs; see ``store.content``. Empty when the copy did not stand its proof.
        flavour: which of hypersdk's schemas.
        schema_sha256: of the SQL of everything in it.
        started_at: when the snapshot was taken, ISO 8601 in UTC.
        copy_seconds: time the copy took; ``verify_seconds``: time its proof took.
        source_sha256: of the real path of the store, which need not be shown to whoever gets the backup.
        state: ``verified``; ``damaged`` when it was taken of a store that was frozen, or did not stand its proof.
        found: what was wrong with such a store. Not written when there is nothing to say, so that a version from
            before this field reads what it can use.
        host: the machine that took it, as it calls itself in backups; empty, and not written, when nobody said.
    """

    name: str
    sequence: int
    bytes: int
    sha256: str
    database_bytes: int
    pages: int
    jobs: int
    digest: str
    flavour: str
    schema_sha256: str
    started_at: str
    ended_at: str
    copy_seconds: float
    verify_seconds: float
    sqlite_version: str
    hyperjobs_version: str
    source_sha256: str
    state: str = VERIFIED
    format: int = FORMAT
    found: str = ""
    host: str = ""

    def text(self) -> str:
        """The manifest as it is written."""
        values = asdict(self)
        for name in _OPTIONAL:
            if not values[name]:
                del values[name]
        return json.dumps(values, indent=1) + "\n"


def read_manifest(path: Path) -> Manifest:
    """Read a manifest back.

    Raises:
        BackupDamagedError: it is missing, or no manifest of a format known here.
    """
    try:
        found = json.loads(read_small(path))
    except FileNotFoundError as exc:
        raise BackupDamagedError(f"{path}: the manifest is missing, so nothing says what the backup holds") from exc
    except (OSError, ValueError, RecursionError) as exc:
        raise BackupDamagedError(f"{path}: the manifest cannot be read: {exc}") from exc
    if not isinstance(found, dict) or not _fits(found):
        raise BackupDamagedError(f"{path}: this is no manifest of a backup that this version knows")
    return Manifest(**found)


def manifest_of(directory: Path, name: BackupName) -> Manifest:
    """The manifest of one backup.

    Raises:
        BackupDamagedError: there is none, or it is of another backup.
    """
    manifest = read_manifest(directory / name.manifest)
    if manifest.name != str(name) or manifest.sequence != name.sequence:
        raise BackupDamagedError(f"{directory / str(name)}: the manifest beside it is of {manifest.name}")
    if not _is_at(manifest.started_at, name):
        raise BackupDamagedError(f"{directory / name.manifest}: says another time than its name: {manifest.started_at}")
    return manifest


def _is_at(started_at: str, name: BackupName) -> bool:
    try:
        return datetime.fromisoformat(started_at).replace(microsecond=0) == name.at
    except (ValueError, TypeError):
        return False


def read_small(path: Path) -> bytes:
    """What is in a small regular file; a FIFO planted in its place hangs nobody.

    Raises:
        OSError: it cannot be read, or is a link.
        ValueError: it is no regular file, or a large one.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("no regular file")
        raw = file.read(LONGEST_BYTES + 1)
    if len(raw) > LONGEST_BYTES:
        raise ValueError("too large")
    return raw


def _fits(found: dict[str, Any]) -> bool:
    """Whether every field is there, and of its type, and there is no other; ``found`` and ``host`` may be missing."""
    kinds: dict[str, tuple[type, ...]] = {"int": (int,), "str": (str,), "float": (int, float)}
    expected = {field.name: kinds[str(field.type)] for field in fields(Manifest)}
    needed = expected.keys() - _OPTIONAL
    return (
        needed <= found.keys() <= expected.keys()
        and all(isinstance(value, expected[name]) and not isinstance(value, bool) for name, value in found.items())
        and found["format"] == FORMAT
        and found["state"] in {VERIFIED, DAMAGED}
        and found["bytes"] >= 0
        and found["database_bytes"] >= 0
    )
