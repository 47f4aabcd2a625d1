"""Writes as hypersdk's daemon does, statement by statement: whole rows replaced, times in its own zone to the nanosecond.

apsw stands for the Go driver. It is used in a process that opens the store with nothing else.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import apsw

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ZONE: Final = ZoneInfo("Europe/Madrid")
"""Where the daemon runs; its times are written with this zone's offset."""
_SAVE: Final = f"INSERT OR REPLACE INTO jobs VALUES({','.join('?' * 16)})"
_UNFINISHED: Final = """SELECT id,vm_name,vm_path,provider,user,metadata,created_at,started_at,status,progress,
 total_size,files_count FROM jobs WHERE status IN ('pending','running') ORDER BY created_at"""
_BUSY_MS: Final = 5_000
_NANOSECONDS: Final = 1_000_000_000

Statement = tuple[str, tuple[Any, ...]]


@dataclass(slots=True, kw_only=True)
class Row:
    """A job as the daemon holds it in memory; times are epoch nanoseconds."""

    id: str
    vm: str
    folder: str
    provider: str
    user: str
    metadata: dict[str, Any] | None
    created_ns: int
    status: str = "pending"
    started_ns: int | None = None
    completed_ns: int | None = None
    progress: float = 0.0
    error: str = ""
    size: int = 0
    files: int = 0


def save(row: Row) -> Statement:
    """The statement of a save: all 16 columns, whatever changed."""
    return _SAVE, (
        row.id,
        f"Export {row.vm}",
        row.vm,
        f"{row.folder}/{row.vm}",
        row.provider,
        f"/exports/{row.id}",
        row.status,
        go_time(row.created_ns),
        None if row.started_ns is None else go_time(row.started_ns),
        None if row.completed_ns is None else go_time(row.completed_ns),
        row.progress,
        row.error,
        json.dumps(row.metadata, ensure_ascii=False, separators=(",", ":"), sort_keys=True),  # nil is the text null
        row.user,
        row.size,
        row.files,
    )


def set_status(row: Row) -> Statement:
    """The statement of a change of status alone."""
    return "UPDATE jobs SET status = ? WHERE id = ?", (row.status, row.id)


def set_progress(row: Row) -> Statement:
    """The statement of a report of progress."""
    return "UPDATE jobs SET progress = ? WHERE id = ?", (row.progress, row.id)


def go_time(at_ns: int) -> str:
    """A time as the Go driver writes it: ``2006-01-02 15:04:05.999999999-07:00``, without the zeros at its end."""
    whole_s, rest_ns = divmod(at_ns, _NANOSECONDS)
    local = datetime.fromtimestamp(whole_s, ZONE).isoformat(" ")
    fraction = f".{rest_ns:09d}".rstrip("0").rstrip(".")
    return f"{local[:19]}{fraction}{local[19:]}"


def read_go_time(text: str) -> int:
    """Epoch nanoseconds of a time that :func:`go_time` wrote."""
    at = datetime.fromisoformat(f"{text[:19]}{text[-6:]}")
    return int(at.timestamp()) * _NANOSECONDS + int(text[20:-6].ljust(9, "0") or 0)


def unfinished(db: apsw.Connection) -> Iterator[Row]:
    """The jobs that an earlier run of the daemon left, the oldest first."""
    found: list[Any] = db.execute(_UNFINISHED).fetchall()
    for job_id, vm, path, provider, user, carried, created, started, status, progress, size, files in found:
        yield Row(
            id=job_id,
            vm=vm,
            folder=path.removesuffix(f"/{vm}"),
            provider=provider,
            user=user,
            metadata=json.loads(carried),
            created_ns=read_go_time(created),
            started_ns=None if started is None else read_go_time(started),
            status=status,
            progress=progress,
            size=size,
            files=files,
        )


def connect(store: Path, *, vfs: str | None = None) -> apsw.Connection:
    """Open a store that is there, as the daemon does.

    Args:
        store: its path.
        vfs: the name of the SQLite file system to go by; ``None`` is the usual one.

    Raises:
        apsw.Error: it cannot be opened.
    """
    db = apsw.Connection(str(store), flags=apsw.SQLITE_OPEN_READWRITE, vfs=vfs)
    db.set_busy_timeout(_BUSY_MS)
    db.execute("PRAGMA synchronous=NORMAL").fetchall()
    db.execute("INSERT OR IGNORE INTO schema_version (version) VALUES (?)", (1,)).fetchall()
    return db
