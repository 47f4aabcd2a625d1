"""Which of the databases in the wild a file is, told from its schema alone; nothing is written."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from hyperjobs.errors import NotAJobStoreError, StoreDamagedError, StoreRefusedError

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from hyperjobs.store.connection import Connection

SUPPORTED_LEDGER: Final = 2
"""The newest version of our own tables that this code knows; ``hyperjobs_meta`` holds it as ``schema_version``."""

COLUMNS: Final = (
    "id",
    "name",
    "vm_name",
    "vm_path",
    "provider",
    "output_dir",
    "status",
    "created_at",
    "started_at",
    "completed_at",
    "progress",
    "error",
    "metadata",
    "user",
    "total_size",
    "files_count",
)
"""The columns of hypersdk's jobs table, in its order."""

_DAEMON_COLUMNS: Final = frozenset(
    {
        "id",
        "name",
        "vm_path",
        "output_path",
        "status",
        "created_at",
        "started_at",
        "completed_at",
        "progress_json",
        "result_json",
        "error",
        "definition_json",
    }
)


class Flavour(StrEnum):
    """What kind of database a file is."""

    HYPERSDK = "hypersdk"
    """The job store of hypersdk's own client: read and written."""
    DAEMON = "daemon"
    """The store of hypersdk's daemon package: another ``jobs`` table, read only."""
    EMPTY = "empty"
    """No table yet, or no byte."""
    FOREIGN = "foreign"
    """Something else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognition:
    """What a file was recognised as.

    Attributes:
        detail: why it is foreign, in a few words; empty otherwise.
        unknown_triggers: triggers on ``jobs`` that neither hypersdk nor we made; they block prune.
        is_ledger_installed: whether our change log is there.
        ledger_version: the version of our own tables; ``None`` without them.
    """

    flavour: Flavour
    detail: str = ""
    unknown_triggers: tuple[str, ...] = ()
    is_ledger_installed: bool = False
    ledger_version: int | None = None


def recognise(connection: Connection) -> Recognition:
    """Return what the connected file is; reads the schema, writes nothing, refuses nothing.

    Raises:
        StoreDamagedError: the schema is no text.
    """
    try:
        schema = connection.rows("SELECT type, name, tbl_name, sql FROM sqlite_schema")
    except UnicodeDecodeError as exc:
        raise StoreDamagedError(
            f"{connection.path}: the file is damaged: its schema is no UTF-8; restore the newest verified backup"
        ) from exc
    names = {str(name).lower() for _, name, _, _ in schema}
    if not names:
        return Recognition(flavour=Flavour.EMPTY)
    detail = _strangeness(schema, names)
    if detail:
        return Recognition(flavour=Flavour.FOREIGN, detail=detail)
    columns = _columns(connection)
    ledger = _ledger_version(connection) if "hyperjobs_meta" in names else None
    if columns == frozenset(COLUMNS):
        triggers = (name for kind, name, table, _ in schema if kind == "trigger" and str(table).lower() == "jobs")
        return Recognition(
            flavour=Flavour.HYPERSDK,
            unknown_triggers=tuple(sorted(name for name in triggers if not name.lower().startswith("hyperjobs_"))),
            is_ledger_installed="hyperjobs_log" in names,
            ledger_version=ledger,
        )
    if columns == _DAEMON_COLUMNS:
        return Recognition(flavour=Flavour.DAEMON, ledger_version=ledger)
    return Recognition(flavour=Flavour.FOREIGN, detail=_difference(columns))


def require_job_store(recognition: Recognition, path: Path) -> None:
    """Return when the file can be served.

    Raises:
        NotAJobStoreError: it is empty (reason ``not_a_store``) or foreign.
        StoreRefusedError: our tables in it were written by a newer hyperjobs (reason ``newer``).
    """
    if recognition.flavour is Flavour.EMPTY:
        raise NotAJobStoreError(f"{path}: an empty file, no job store yet; is the path right? (create=True makes one)")
    if recognition.flavour is Flavour.FOREIGN:
        raise NotAJobStoreError(
            f"{path}: an SQLite database but no job store: {recognition.detail}; is the path right?", reason="foreign"
        )
    version = recognition.ledger_version
    if version is not None and version > SUPPORTED_LEDGER:
        raise StoreRefusedError(
            f"{path}: schema version {version} is newer than {SUPPORTED_LEDGER}; upgrade hyperjobs", reason="newer"
        )


def require_hypersdk(recognition: Recognition, path: Path, what: str) -> None:
    """Return when the file is a store of hypersdk's own client, which alone is written.

    Args:
        recognition: of the file.
        path: of the file.
        what: is refused.

    Raises:
        NotAJobStoreError: it is no job store.
        StoreRefusedError: it is the daemon's own (reason ``daemon_store``).
    """
    require_job_store(recognition, path)
    if recognition.flavour is not Flavour.HYPERSDK:
        raise StoreRefusedError(
            f"{path}: this is the daemon's own store, which its daemon keeps; {what} is not for it",
            reason="daemon_store",
        )


def wal_reset_safe(version: str) -> bool:
    """Return whether an SQLite version is free of the WAL-reset bug.

    Releases 3.7.0 to 3.51.2 can corrupt a store when they checkpoint it, but for the repaired branches 3.44.6 and
    3.50.7: https://sqlite.org/wal.html#walresetbug. 3.52.0 was withdrawn.
    """
    numbers = [int(part) for part in version.split(".")]
    major, minor, patch = (*numbers, 0, 0)[:3]
    if (major, minor) in {(3, 44), (3, 50)}:
        return patch >= {44: 6, 50: 7}[minor]
    return (major, minor, patch) < (3, 7, 0) or ((major, minor, patch) >= (3, 51, 3) and (major, minor) != (3, 52))


def _strangeness(schema: list[tuple[str, str, str, str | None]], names: Collection[str]) -> str:
    """Return why ``jobs`` cannot be a store's table before its columns are looked at; empty when it can."""
    if "jobs" not in names:
        return "it has no jobs table"
    for kind, name, _, sql in schema:
        if name.lower() == "jobs" and kind != "index":
            if kind != "table":
                return f"its jobs is a {kind}, not a table"
            if (sql or "").lstrip().upper().startswith("CREATE VIRTUAL"):
                return "its jobs is a virtual table"
    return ""


def _columns(connection: Connection) -> frozenset[str]:
    """Return the names of the jobs table's columns; a generated or hidden one is marked and so matches nothing."""
    return frozenset(
        str(name).lower() if not hidden else f"{name} (generated)"
        for name, hidden in connection.rows("SELECT name, hidden FROM pragma_table_xinfo('jobs')")
    )


def _difference(columns: frozenset[str]) -> str:
    """Return how a jobs table differs from hypersdk's."""
    missing = [name for name in COLUMNS if name not in columns]
    extra = sorted(columns - set(COLUMNS))
    parts = []
    if missing:
        parts.append(f"lacks {', '.join(missing)}")
    if extra:
        parts.append(f"has {', '.join(extra[:5])}{' and more' if len(extra) > 5 else ''} besides")  # noqa: PLR2004 - a line's worth
    return f"its jobs table {' and '.join(parts)}"


def _ledger_version(connection: Connection) -> int | None:
    value = connection.value("SELECT CAST(value AS INTEGER) FROM hyperjobs_meta WHERE key = 'schema_version'")
    return value if isinstance(value, int) else None
