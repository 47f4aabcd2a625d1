"""What can be said of the store's files and schema without reading its jobs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import apsw

_SUFFIX = {"main": "", "wal": "-wal", "shm": "-shm"}


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreFacts:
    """The store as SQLite sees it.

    Attributes:
        schema_version: of hypersdk's own table; empty when it has none.
    """

    pages: int
    page_size_bytes: int
    freelist_bytes: int
    journal_mode: str
    schema_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """The store as the file system sees it; by stat alone, for an open would drop our locks.

    Attributes:
        size_bytes: main, wal and shm; a file that is not there is 0.
    """

    size_bytes: dict[str, int]
    filesystem_avail_bytes: int
    filesystem_size_bytes: int


def read_geometry(db: apsw.Connection) -> tuple[int, int]:
    """Pages, and the size of one in bytes: from the file's head alone, so that no other page need be whole."""
    pages, page_size = (int(str(db.execute(f"PRAGMA {name}").fetchall()[0][0])) for name in ("page_count", "page_size"))
    return pages, page_size


def read_store_facts(db: apsw.Connection) -> StoreFacts:
    """The facts in the caller's read snapshot."""

    def value(sql: str) -> object:
        rows = db.execute(sql).fetchall()
        return rows[0][0] if rows else ""

    page_size = int(str(value("PRAGMA page_size")))
    has_version = value("SELECT 1 FROM pragma_table_info('schema_version') WHERE name='version'")
    return StoreFacts(
        pages=int(str(value("PRAGMA page_count"))),
        page_size_bytes=page_size,
        freelist_bytes=int(str(value("PRAGMA freelist_count"))) * page_size,
        journal_mode=str(value("PRAGMA journal_mode")),
        schema_version=str(value("SELECT coalesce(max(version),'') FROM schema_version")) if has_version else "",
    )


def read_file_facts(path: Path) -> FileFacts:
    """Sizes of the files and room left beside them; what is missing is 0.

    Raises:
        OSError: not even the directory is there.
    """
    system = os.statvfs(path if path.exists() else path.parent)
    return FileFacts(
        size_bytes={name: _size(path.with_name(path.name + suffix)) for name, suffix in _SUFFIX.items()},
        filesystem_avail_bytes=system.f_bavail * system.f_frsize,
        filesystem_size_bytes=system.f_blocks * system.f_frsize,
    )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
