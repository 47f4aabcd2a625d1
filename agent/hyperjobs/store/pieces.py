"""What is left of a lost store, gathered in a file of its own and read back job by job.

Rows and changes are appended as they come, whatever their source and order, and sorted once by an index; so a million
jobs take some megabytes of memory, and the order of the sources can change nothing.
"""

from __future__ import annotations

import hashlib
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from hyperjobs.store.cells import Cells, RawText, cells_of_raw, id_of, text_of
from hyperjobs.store.connection import Connection
from hyperjobs.store.flavour import COLUMNS
from hyperjobs.store.rows import COLUMN_LIST, RAW_COLUMN_LIST

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import apsw

_PIECE: Final = (
    "CREATE TABLE piece(key, source INTEGER, seen INTEGER, gone INTEGER, id TEXT, name TEXT, vm_name TEXT, vm_path TEXT,"
    " provider TEXT, output_dir TEXT, status TEXT, created_at TIMESTAMP, started_at TIMESTAMP, completed_at TIMESTAMP,"
    " progress REAL, error TEXT, metadata TEXT, user TEXT, total_size INTEGER, files_count INTEGER)"
)
"""With the types of hypersdk's own columns, so that a value is here what it will be there."""
_SCHEMA: Final = (
    _PIECE,
    "CREATE TABLE change(key, at INTEGER, n INTEGER, segment INTEGER, old, new, provider, kind TEXT, store TEXT)",
    "CREATE TABLE past(at INTEGER, n INTEGER, job_id TEXT, old TEXT, new TEXT)",
)
_INDEXES: Final = ("CREATE INDEX piece_key ON piece(key)", "CREATE INDEX change_key ON change(key,at,n)")
_EXTRA: Final = ("key", "rowid", "source", "seen", "gone")
_WIDTH: Final = len(_EXTRA)
_PAGE_ROWS: Final = 500
_PAGE_BYTES: Final = 8 * 1024 * 1024
_BATCH_ROWS: Final = 500
_CACHE_KIB: Final = 8 * 1024


class Piece(NamedTuple):
    """A whole row, as one source has it.

    Attributes:
        source: number of the source.
        seen: microseconds since 1970 at which it was in the store, where the source says so; else ``None``.
        gone: microseconds since 1970 at which the prune began that deleted it and ended at ``seen``; else ``None``.
    """

    source: int
    seen: int | None
    gone: int | None
    cells: Cells

    @property
    def is_gone(self) -> bool:
        """Whether it is of a prune's archive, and was deleted."""
        return self.gone is not None


class Change(NamedTuple):
    """A change of a job's status, as an audit log or a backup's history has it.

    Attributes:
        at: epoch seconds at which it was written to the store.
        n: its number within the segment.
        segment: of one writing of one log: what two of them have is there once.
        kind: as the log's ``source``.
        store: which store it was in, as the log names it.
    """

    at: int
    n: int
    segment: int
    old: str | None
    new: str | None
    provider: str | None
    kind: str
    store: str


class Pieces:
    """A scratch file of rows and changes."""

    def __init__(self, path: Path) -> None:
        """Make it; a kill leaves a file that nobody reads again."""
        self._connection = Connection(path, create=True, synchronous="OFF", may_be_remote=True)
        for pragma in ("journal_mode=MEMORY", "locking_mode=EXCLUSIVE", f"cache_size=-{_CACHE_KIB}"):
            self._connection.rows(f"PRAGMA {pragma}")
        for sql in _SCHEMA:
            self._connection.rows(sql)

    def add_rows(self, source: int, rows: Iterable[tuple[Cells, int | None, int | None]]) -> Iterator[int]:
        """Add rows, each with when it was seen and by which prune it was deleted; yields how many, batch by batch."""
        for batch in _batches(rows):
            self._connection.write(lambda db, batch=batch: _add_rows(db, source, batch))  # type: ignore[misc]
            yield len(batch)

    def add_changes(self, changes: Iterable[tuple[Any, Change]]) -> Iterator[int]:
        """Add changes, each with the id of its job; yields how many, batch by batch."""
        sql = "INSERT INTO change VALUES(?,?,?,?,?,?,?,?,?)"
        for batch in _batches(changes):
            values = [(text_of(job_id), *change) for job_id, change in batch]
            self._connection.write(lambda db, values=values: db.executemany(sql, values))  # type: ignore[misc]
            yield len(batch)

    def sort(self) -> None:
        """Make ready to be read, once all is in."""
        for sql in _INDEXES:
            self._connection.rows(sql)

    def jobs(self) -> Iterator[tuple[Any, list[Piece], list[Change]]]:
        """Yield each job that anything is known of: its id, its rows, its changes by time and number.

        Jobs whose ids are the same once they are read as text get no changes, for nothing says whose they are. A job
        without an id is told by all that it holds, and has none either.
        """
        changes = groupby(self._changes(), itemgetter(0))
        change_key, found = next(changes, (None, None))
        for key, rows in groupby(self._pieces(), itemgetter(0)):
            while found is not None and _order(change_key) < _order(key):
                yield change_key, [], [change for _, change in found]
                change_key, found = next(changes, (None, None))
            mine: list[Change] = []
            if found is not None and change_key == key:
                mine = [change for _, change in found]
                change_key, found = next(changes, (None, None))
            yield from _told_apart([piece for _, piece in rows], mine)
        while found is not None:
            yield change_key, [], [change for _, change in found]
            change_key, found = next(changes, (None, None))

    def add_past(self, changes: Iterable[tuple[int, int, str, str | None, str | None]]) -> None:
        """Keep changes of the jobs that are in the new store: time, place among those of the job, id, old, new."""
        self._connection.write(lambda db: db.executemany("INSERT INTO past VALUES(?,?,?,?,?)", changes))

    def past(self) -> Iterator[tuple[str, int, str | None, str | None]]:
        """Those, in the order of their time: id, time, old, new."""
        yield from self._connection.run(
            lambda db: db.execute("SELECT job_id,at,old,new FROM past ORDER BY at,job_id,n")
        )

    def close(self) -> None:
        """Let the file go."""
        self._connection.close()

    def _pieces(self) -> Iterator[tuple[Any, Piece]]:
        key: Any = None
        rowid = -1
        where, values = "1", ()
        while page := self._connection.run(lambda db, w=where, v=values: _page(db, w, v)):  # type: ignore[misc]
            for row in page:
                key, rowid, source, seen, gone = row[:_WIDTH]
                yield key, Piece(source, seen, gone, row[_WIDTH:])
            where, values = "(key,rowid)>(?,?)", (key, rowid)  # type: ignore[assignment]

    def _changes(self) -> Iterator[tuple[Any, Change]]:
        sql = "SELECT key,at,n,segment,old,new,provider,kind,store FROM change ORDER BY key,at,n"
        for row in self._connection.run(lambda db: db.execute(sql)):
            yield row[0], Change(*row[1:])


def _add_rows(db: apsw.Connection, source: int, batch: list[tuple[Cells, int | None, int | None]]) -> None:
    plain = []
    for cells, seen, gone in batch:
        values = (_key(cells), source, seen, gone, *cells)
        if RawText not in map(type, cells):
            plain.append(values)
            continue
        marks = ",".join("CAST(? AS TEXT)" if type(value) is RawText else "?" for value in values)
        db.execute(
            f"INSERT INTO piece VALUES({marks})",
            tuple(bytes(value) if type(value) is RawText else value for value in values),
        )
    db.executemany(f"INSERT INTO piece VALUES({','.join('?' * (4 + len(COLUMNS)))})", plain)


def _key(cells: Cells) -> Any:
    job_id = id_of(cells)
    if job_id is None:
        return hashlib.blake2b(repr([(type(cell).__name__, cell) for cell in cells]).encode(), digest_size=16).digest()
    return text_of(job_id)


def _page(db: apsw.Connection, where: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    rest = f"FROM piece WHERE {where} ORDER BY key,rowid LIMIT {_PAGE_ROWS}"
    extra = ",".join(_EXTRA)
    try:
        return _cut(iter(db.execute(f"SELECT {extra},{COLUMN_LIST} {rest}", values)))
    except UnicodeDecodeError:
        raw = db.execute(f"SELECT {extra},{RAW_COLUMN_LIST} {rest}", values)
        return _cut((*row[:_WIDTH], *cells_of_raw(row[_WIDTH:])) for row in raw)


def _cut(rows: Iterator[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """The first rows that are not too much for the memory together."""
    found, size = [], 0
    for row in rows:
        found.append(row)
        size += sum([len(cell) for cell in row if isinstance(cell, (str, bytes))])
        if size > _PAGE_BYTES:
            break
    return found


def _told_apart(pieces: list[Piece], changes: list[Change]) -> Iterator[tuple[Any, list[Piece], list[Change]]]:
    """The jobs among rows whose ids read alike, in an order of their own."""
    ids: dict[tuple[str, Any], list[Piece]] = {}
    for piece in pieces:
        job_id = id_of(piece.cells)
        ids.setdefault((type(job_id).__name__, job_id), []).append(piece)
    for (_, job_id), mine in sorted(ids.items(), key=repr):
        yield job_id, mine, changes if len(ids) == 1 and job_id is not None else []


def _order(key: Any) -> tuple[bool, Any]:
    """As SQLite sorts: texts by their bytes, and BLOBs after them."""
    return isinstance(key, bytes), key if isinstance(key, bytes) else key.encode()


def _batches(rows: Iterable[Any]) -> Iterator[list[Any]]:
    batch: list[Any] = []
    size = 0
    for row in rows:
        batch.append(row)
        if len(batch) >= _BATCH_ROWS or size > _PAGE_BYTES:
            yield batch
            batch, size = [], 0
        if isinstance(row[0], tuple):
            size += sum([len(cell) for cell in row[0] if isinstance(cell, (str, bytes))])
    if batch:
        yield batch
