"""How full a store's file is, and where SQLite puts the copy that a VACUUM makes."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from hyperjobs.store.wal import wal_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    import apsw

    from hyperjobs.store.connection import Connection


class AutoVacuum(IntEnum):
    """Whether the file can be made smaller without writing it anew: https://sqlite.org/pragma.html#pragma_auto_vacuum."""

    NONE = 0
    FULL = 1
    INCREMENTAL = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """The file of a store, in pages.

    Attributes:
        pages: of the database, with what is in the -wal.
        free_pages: of them without content.
        wal_bytes: size of the -wal.
    """

    pages: int
    free_pages: int
    page_size_bytes: int
    auto_vacuum: AutoVacuum
    wal_bytes: int

    @property
    def size_bytes(self) -> int:
        """Of the database, once its -wal is moved into it."""
        return self.pages * self.page_size_bytes

    @property
    def free_bytes(self) -> int:
        """What freeing every free page would give back."""
        return self.free_pages * self.page_size_bytes

    @property
    def used_bytes(self) -> int:
        """What a VACUUM writes."""
        return self.size_bytes - self.free_bytes

    @property
    def free_share(self) -> float:
        """Free pages of all, 0 to 1."""
        return self.free_pages / self.pages if self.pages else 0.0


def read_space(connection: Connection) -> Space:
    """How full the store is now."""
    pages, free_pages, page_size, auto_vacuum = connection.rows(
        "SELECT page_count,freelist_count,page_size,auto_vacuum"
        " FROM pragma_page_count,pragma_freelist_count,pragma_page_size,pragma_auto_vacuum"
    )[0]
    return Space(
        pages=pages,
        free_pages=free_pages,
        page_size_bytes=page_size,
        auto_vacuum=AutoVacuum(auto_vacuum),
        wal_bytes=wal_bytes(connection.path),
    )


def free_some(connection: Connection, most_pages: int) -> int:
    """Free pages of a store with auto_vacuum=INCREMENTAL, in one transaction.

    Returns:
        How many fewer pages the store has; 0 when none is free.

    Raises:
        StoreBusyError: a writer held the lock for longer than the connection waits.
    """

    def work(db: apsw.Connection) -> int:
        before = _pages(db)
        # all its rows are to be read: it frees a page for each
        db.execute(f"PRAGMA incremental_vacuum({most_pages})").fetchall()
        return before - _pages(db)

    return connection.write(work)


@contextlib.contextmanager
def temporary_files_beside(connection: Connection) -> Iterator[None]:
    """Let large temporary files lie on the store's own disk, where room was asked for, and not in /var/tmp.

    The setting is the process's, and SQLite guards it with a mutex of its own; no other way reaches a library that is
    already in use. The files have no name and go with the process.

    Raises:
        StoreError: the store's directory cannot be written.
    """
    connection.rows(f"PRAGMA temp_store_directory={_quoted(str(connection.path.parent))}")
    try:
        yield
    finally:
        connection.rows("PRAGMA temp_store_directory=''")


def _pages(db: apsw.Connection) -> int:
    pages: Any = db.execute("PRAGMA page_count").fetchall()[0][0]
    return int(pages)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
