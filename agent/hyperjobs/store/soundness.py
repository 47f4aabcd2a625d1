"""Whether a store's pages are whole: what SQLite's own checks say, and what they could not see for the -wal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import apsw

from hyperjobs.store.failure import BUSY

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hyperjobs.store.connection import Connection

MOST_MESSAGES = 10
"""SQLite's first words about a damaged file say all that a person needs; there can be thousands."""

_WAL_HEADER_BYTES = 32
_FRAME_HEADER_BYTES = 24
"""https://sqlite.org/fileformat2.html#the_write_ahead_log"""

Depth = Literal["quick_check", "integrity_check"]


@dataclass(frozen=True, slots=True)
class Cover:
    """What lies between a reader and the main file.

    Attributes:
        frames: of the -wal that are not in the main file: each hides what a page of that file holds.
        written: frames that were brought there just now, over whatever the file held before.
    """

    frames: int = 0
    written: int = 0


def check_pages(connection: Connection, depth: Depth) -> list[str]:
    """What SQLite finds wrong with the pages, at most :data:`MOST_MESSAGES` lines; empty when they are whole.

    One statement in one snapshot: writers go on, and the -wal is not begun anew before it ends; ``quick_check`` takes
    half a second for half a gigabyte, ``integrity_check`` six.

    Raises:
        StoreInterruptedError: a stop came.
    """
    found = connection.run(lambda db: _words(db, depth))
    return [] if found == ["ok"] else found[:MOST_MESSAGES]


def _words(db: apsw.Connection, depth: Depth) -> list[str]:
    """The lines of an answer; what was said before SQLite gave up is not lost."""
    found: list[str] = []
    try:
        for (words,) in db.execute(f"PRAGMA {depth}({MOST_MESSAGES})"):
            found += [line for line in str(words).splitlines() if line and not line.startswith("***")]
    except apsw.CorruptError as exc:
        found.append(str(exc))
    return found


def uncover(connection: Connection, *, write: bool = True) -> Cover:
    """Bring what the -wal holds into the main file, as far as readers let it, so that a check reads that file.

    Once every frame is there, SQLite reads no page from the -wal. A page of the main file that was broken meanwhile
    is healed by that, for it is written whole from its newer version.

    Args:
        connection: to the store; one that may only read, like ``write=False``, leaves all as it is.
        write: whether to try.
    """
    return connection.run(lambda db: _uncover(db, connection.path, write=write))


def _uncover(db: apsw.Connection, path: Path, *, write: bool) -> Cover:
    if db.readonly("main"):
        return Cover(_most_frames(db, path))
    before = _frames(db, apsw.SQLITE_CHECKPOINT_NOOP)
    if not before or not write:
        return Cover(before)
    try:
        after = _frames(db, apsw.SQLITE_CHECKPOINT_PASSIVE)
    except BUSY:
        after = _frames(db, apsw.SQLITE_CHECKPOINT_NOOP)
    return Cover(after, max(before - after, 0))


def _frames(db: apsw.Connection, mode: int) -> int:
    """Frames that are in the -wal alone, after a checkpoint of this mode; 0 where there is no -wal."""
    frames, moved = db.wal_checkpoint("main", mode=mode)
    return max(frames - moved, 0)


def _most_frames(db: apsw.Connection, path: Path) -> int:
    """Frames that the -wal has room for: a reader is not told how many of them are in the main file already."""
    try:
        size = path.with_name(f"{path.name}-wal").stat().st_size
    except OSError:
        return 0
    page_size = int(db.execute("PRAGMA page_size").fetchall()[0][0])  # type: ignore[arg-type]
    return max(size - _WAL_HEADER_BYTES, 0) // (page_size + _FRAME_HEADER_BYTES)


def count_orphans(connection: Connection, keep_on: Callable[[], None] = lambda: None) -> dict[str, int]:
    """Rows whose parent is gone, by table.

    hypersdk's daemon deletes jobs with foreign keys off, so a healthy store has them: they are no damage.
    """
    orphans: dict[str, int] = {}
    for (table,) in connection.rows("SELECT name FROM pragma_table_list WHERE schema='main' AND type='table'"):
        keep_on()
        number = connection.run(lambda db, name=table: _count_orphans(db, str(name)))  # type: ignore[misc]
        if number:
            orphans[str(table)] = number
    return orphans


def _count_orphans(db: apsw.Connection, table: str) -> int:
    try:
        return int(db.execute("SELECT count(*) FROM pragma_foreign_key_check(?)", (table,)).fetchall()[0][0])  # type: ignore[arg-type]
    except apsw.SQLError:  # a foreign key that names no unique column: SQLite cannot judge it, nor does it enforce it
        return 0
