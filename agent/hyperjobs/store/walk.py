"""Every job of a store as it lies in the file, page by page, for those who carry jobs elsewhere.

In the order of ids each page is a snapshot of its own, so that no checkpoint waits for the reader: an id stays what it
is when its job is saved anew, whereas the place of the row in the file does not, so that a job which is there all the
time is met once. Any other order, or a copy of one moment, needs one snapshot that is held from the first page to the
last.
"""

from __future__ import annotations

import contextlib
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from hyperjobs.store import query
from hyperjobs.store.cells import Cells, cells_of_raw, id_of, read_cells
from hyperjobs.store.query import MICROS
from hyperjobs.store.rows import COLUMN_LIST, RAW_COLUMN_LIST

if TYPE_CHECKING:
    from collections.abc import Iterator

    import apsw

    from hyperjobs.store.connection import Connection
    from hyperjobs.store.query import Condition

_PAGE_ROWS: Final = 500
"""Some milliseconds of reading and, of ordinary jobs, half a megabyte."""
_PAGE_BYTES: Final = 8 * 1024 * 1024
"""At most so much text and blob a page but for its first row, which can be a hundred megabytes long."""
_LOOKED_AT: Final = 5_000
"""Ids a snapshot goes through when few of their jobs fit."""


class Order(StrEnum):
    """In what order jobs are given."""

    ID = "id"
    """By id, byte by byte."""
    NEWEST = "newest"
    """By the instant of creation, as a list has it."""
    OLDEST = "oldest"
    """The same backwards."""


_BY_TIME: Final = {
    Order.NEWEST: f"{MICROS} DESC NULLS LAST,id DESC,rowid",
    Order.OLDEST: f"{MICROS} ASC NULLS FIRST,id ASC,rowid",
}


def walk(
    connection: Connection, condition: Condition, *, order: Order = Order.ID, is_consistent: bool = False
) -> Iterator[list[Cells]]:
    """Yield the jobs that fit, some hundred at a time.

    Args:
        connection: of a store of hypersdk's flavour; not to be used for anything else meanwhile.
        condition: which jobs.
        order: of the jobs; other than by id it is as ``is_consistent``.
        is_consistent: give the jobs of one moment. The -wal grows while it goes on.

    Raises:
        StoreError: the store could not be read.
    """
    query.register(connection.raw)
    if order is Order.ID and not is_consistent:
        yield from _by_id(connection, condition)
        return
    with _one_snapshot(connection):
        yield from _by_id(connection, condition) if order is Order.ID else _by_time(connection, condition, order)


@contextlib.contextmanager
def _one_snapshot(connection: Connection) -> Iterator[None]:
    connection.rows("BEGIN")
    try:
        connection.rows("SELECT 1 FROM jobs LIMIT 1")  # the read that takes the snapshot
        yield
    finally:
        connection.rollback()


def _by_id(connection: Connection, condition: Condition) -> Iterator[list[Cells]]:
    where, values = _conditions(condition)
    # SQLite lets a text be a primary key and NULL: those come first, by their place, for they have nothing else
    rowid = -(2**63)
    is_more = True
    while is_more:
        named = (rowid, *values)
        page, is_more = connection.read(
            lambda db, named=named: _some(db, f"id IS NULL AND rowid>=?{where}", "rowid", named)  # type: ignore[misc]
        )
        if page:
            yield [cells for _, cells in page]
            is_more = is_more and page[-1][0] < 2**63 - 1
            rowid = page[-1][0] + 1
    mark: tuple[str, Any] = ("id>=?", "")
    while True:
        page, mark, is_end = connection.read(lambda db, mark=mark: _page(db, where, values, mark))  # type: ignore[misc]
        if page:
            yield page
        if is_end:
            return


def _page(
    db: apsw.Connection, where: str, values: tuple[Any, ...], mark: tuple[str, Any]
) -> tuple[list[Cells], tuple[str, Any], bool]:
    """The next jobs, where to go on after them, and whether these were the last."""
    past, value = mark
    sql = f"SELECT CAST(id AS BLOB),typeof(id) FROM jobs WHERE {past} ORDER BY id LIMIT 1 OFFSET ?"  # noqa: S608 - ours
    ends: list[Any] = db.execute(sql, (value, _LOOKED_AT - 1)).fetchall()
    upto, ends_at = (f" AND id<={_mark(ends[0][1])}", (ends[0][0],)) if ends else ("", ())
    found, is_more = _some(db, f"{past}{upto}{where}", "id", (value, *ends_at, *values))
    if is_more:
        last = id_of(found[-1][1])
        mark = (
            f"id>{_mark('blob' if type(last) is bytes else 'text')}",
            last.encode() if type(last) is str else bytes(last),
        )
    elif ends:
        mark = (f"id>{_mark(ends[0][1])}", ends[0][0])
    return [cells for _, cells in found], mark, not (is_more or ends)


def _by_time(connection: Connection, condition: Condition, order: Order) -> Iterator[list[Cells]]:
    where, values = _conditions(condition)
    sql = f"SELECT rowid FROM jobs WHERE 1{where} ORDER BY {_BY_TIME[order]}"  # noqa: S608 - ours
    # the sorter keeps instants, ids and rowids, and puts them into a file when they are many
    rowids = iter(connection.run(lambda db: db.execute(sql, values)))
    for (rowid,) in rowids:
        yield [row[-1] for row in connection.read(lambda db, rowid=rowid: read_cells(db, "WHERE rowid=?", (rowid,)))]  # type: ignore[misc]


def _some(db: apsw.Connection, where: str, order: str, values: tuple[Any, ...]) -> tuple[list[tuple[int, Cells]], bool]:
    """At most a page of rows, each with its rowid, and whether there may be more."""
    rest = f"FROM jobs WHERE {where} ORDER BY {order} LIMIT {_PAGE_ROWS}"
    try:
        return _cut((row[0], row[1:]) for row in db.execute(f"SELECT rowid,{COLUMN_LIST} {rest}", values))
    except UnicodeDecodeError:
        raw = db.execute(f"SELECT rowid,{RAW_COLUMN_LIST} {rest}", values)
        return _cut((row[0], cells_of_raw(row[1:])) for row in raw)


def _cut(rows: Iterator[tuple[int, Cells]]) -> tuple[list[tuple[int, Cells]], bool]:
    """The first rows that are not too much for the memory together."""
    found, size = [], 0
    for row in rows:
        found.append(row)
        size += sum([len(cell) for cell in row[1] if isinstance(cell, (str, bytes))])
        if size > _PAGE_BYTES:
            return found, True
    return found, len(found) == _PAGE_ROWS


def _conditions(condition: Condition) -> tuple[str, tuple[Any, ...]]:
    where, values = condition.where()
    judged, instants = condition.judged()
    return f"{where}{judged}", (*values, *instants)


def _mark(kind: Any) -> str:
    return "CAST(? AS TEXT)" if kind == "text" else "?"
