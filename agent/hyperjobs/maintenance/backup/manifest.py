"""What a backup says of itself, in a JSON file beside it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from hyperjobs.errors import BackupDamagedError

if TYPE_CHECKING:
    from pathlib import Path

FORMAT = 1
_LONGEST_BYTES = 65536
"""A manifest is a few hundred bytes; more is somebody else's file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One backup, as it was when it was verified.

    Attributes:
        name: of the backup's file; one beside another file is refused.
        bytes: size of that file, in bytes.
        sha256: of that file.
        database_bytes: size of the database in it, uncompressed.
        pages: of that database.
        jobs: rows of the jobs table.
        digest: of all jobs; see ``store.content``.
        flavour: which of hypersdk's schemas.
        schema_sha256: of the SQL of everything in it.
        started_at: when the snapshot was taken, ISO 8601 in UTC.
        copy_seconds: time the copy took; ``verify_seconds``: time its proof took.
        source_sha256: of the real path of the store, which need not be shown to whoever gets the backup.
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
    state: str = "verified"
    format: int = FORMAT

    def text(self) -> str:
        """The manifest as it is written."""
        return json.dumps(asdict(self), indent=1) + "\n"


def read_manifest(path: Path) -> Manifest:
    """Read a manifest back.

    Raises:
        BackupDamagedError: it is missing, or no manifest of a format known here.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(_LONGEST_BYTES + 1)
        found = json.loads(raw) if len(raw) <= _LONGEST_BYTES else None
    except FileNotFoundError as exc:
        raise BackupDamagedError(f"{path}: the manifest is missing, so nothing says what the backup holds") from exc
    except (OSError, ValueError, RecursionError) as exc:
        raise BackupDamagedError(f"{path}: the manifest cannot be read: {exc}") from exc
    if not isinstance(found, dict) or not _fits(found):
        raise BackupDamagedError(f"{path}: this is no manifest of a backup that this version knows")
    return Manifest(**found)


def _fits(found: dict[str, Any]) -> bool:
    """Whether every field is there, and of its type, and there is no other."""
    kinds: dict[str, tuple[type, ...]] = {"int": (int,), "str": (str,), "float": (int, float)}
    expected = {field.name: kinds[str(field.type)] for field in fields(Manifest)}
    return (
        found.keys() == expected.keys()
        and all(isinstance(found[name], kind) and not isinstance(found[name], bool) for name, kind in expected.items())
        and found["format"] == FORMAT
    )
