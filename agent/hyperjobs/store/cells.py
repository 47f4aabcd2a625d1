"""Rows of ``jobs`` exactly as they lie in the file: every type SQLite has, text that is no UTF-8, NULs and all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hyperjobs.store.flavour import COLUMNS
from hyperjobs.store.ledger.select import rows
from hyperjobs.store.rows import COLUMN_LIST, RAW_COLUMN_LIST

if TYPE_CHECKING:
    from collections.abc import Sequence

    import apsw

Cells = tuple[Any, ...]
"""The 16 values of a job in the order of ``COLUMNS``: None, int, float, str, bytes (a BLOB) or :class:`RawText`."""

_ID: Final = COLUMNS.index("id")
_PLAIN: Final = f"INSERT INTO jobs ({COLUMN_LIST}) VALUES ({','.join('?' * len(COLUMNS))})"  # noqa: S608 - ours


class RawText(bytes):
    """The bytes of a TEXT value that is no valid UTF-8."""

    __slots__ = ()


def read_cells(
    db: apsw.Connection, rest: str, bindings: Sequence[Any] = (), *, extra: str = "1", table: str = "jobs"
) -> list[tuple[Any, ...]]:
    """Return the rows of ``SELECT extra, every column FROM table rest``: each what ``extra`` names, then its cells.

    Args:
        db: of a store of hypersdk's flavour.
        rest: conditions and order.
        bindings: of them.
        extra: further columns, none of them text.
        table: one with the columns of a store's.
    """
    try:
        found = db.execute(f"SELECT {extra},{COLUMN_LIST} FROM {table} {rest}", bindings).fetchall()  # noqa: S608 - ours
        width = len(found[0]) - len(COLUMNS) if found else 0
        return [(*row[:width], row[width:]) for row in found]
    except UnicodeDecodeError:
        raw = rows(db, f"SELECT {extra},{RAW_COLUMN_LIST} FROM {table} {rest}", bindings)  # noqa: S608 - ours
        width = len(raw[0]) - 2 * len(COLUMNS)
        return [(*row[:width], cells_of_raw(row[width:])) for row in raw]


def cells_of_raw(row: Sequence[Any]) -> Cells:
    """The cells of a row of ``RAW_COLUMN_LIST``."""
    return tuple(map(_cell, row[::2], row[1::2]))


def insert_cells(db: apsw.Connection, cells: Cells) -> None:
    """Insert one job as it was."""
    if RawText not in map(type, cells):
        db.execute(_PLAIN, cells)
        return
    marks = ",".join("CAST(? AS TEXT)" if type(cell) is RawText else "?" for cell in cells)
    db.execute(
        f"INSERT INTO jobs ({COLUMN_LIST}) VALUES ({marks})",  # noqa: S608 - ours
        tuple(bytes(cell) if type(cell) is RawText else cell for cell in cells),
    )


def insert_many(db: apsw.Connection, jobs: Sequence[Cells]) -> None:
    """Insert jobs as they were, in their order."""
    plain: list[Cells] = []
    for cells in jobs:
        if RawText not in map(type, cells):
            plain.append(cells)
            continue
        db.executemany(_PLAIN, plain)
        plain = []
        insert_cells(db, cells)
    db.executemany(_PLAIN, plain)


def id_of(cells: Cells) -> Any:
    """The job's id, as it lies in the file."""
    return cells[_ID]


def by_id(job_id: Any) -> tuple[str, tuple[Any, ...]]:
    """Return the condition that finds the job with this id, and its bindings."""
    if type(job_id) is RawText:
        return "id=CAST(? AS TEXT)", (bytes(job_id),)
    return "id=?", (job_id,)


def is_same(one: Sequence[Any], other: Sequence[Any]) -> bool:
    """Whether two rows are the same to the bit: 1 and 1.0 are not."""
    return len(one) == len(other) and all(type(a) is type(b) and a == b for a, b in zip(one, other, strict=True))


def text_of(cell: Any) -> str:
    """A cell as text to be shown."""
    return cell.decode(errors="replace") if isinstance(cell, bytes) else str(cell)


def _cell(value: Any, kind: str) -> Any:
    if kind != "text":
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return RawText(value)
