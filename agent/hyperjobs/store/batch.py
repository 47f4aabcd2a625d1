"""Rows of a prune copied aside as they are, and then deleted, a slice a statement, if they still are so.

Inside the write transaction no Python runs but to begin and to end it. A statement for each row, or a function of ours
in its condition, would there wait for the interpreter's lock again and again, with every writer waiting behind it.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

from hyperjobs.store.cells import Cells, read_cells, text_of
from hyperjobs.store.due import PLACE, Range, Rule
from hyperjobs.store.flavour import COLUMNS
from hyperjobs.store.ledger.removal import Removal, Removed, removed
from hyperjobs.store.ledger.select import rows
from hyperjobs.store.pins import TABLE, has_pins
from hyperjobs.store.rows import COLUMN_LIST

if TYPE_CHECKING:
    from collections.abc import Sequence

    import apsw

    from hyperjobs.store.connection import Connection

_BATCH_BYTES: Final = 8 * 1024 * 1024
"""At most so much of them but for the first row: a text can be a hundred megabytes long."""

_DUE: Final = "temp.hyperjobs_due"
_NAME: Final = "temp.hyperjobs_batch"
# without types, so that every value stays what it was
_CREATE: Final = f"CREATE TABLE IF NOT EXISTS {_NAME}(rid INTEGER PRIMARY KEY,place,{COLUMN_LIST})"
_CREATE_DUE: Final = f"CREATE TABLE IF NOT EXISTS {_DUE}(rid INTEGER PRIMARY KEY,place,size)"
_SIZE: Final = "+".join(f"ifnull(octet_length({name}),0)" for name in COLUMNS)
_FIND: Final = f"INSERT INTO {_DUE} SELECT rowid,{PLACE},{_SIZE} FROM main.jobs"  # noqa: S608 - ours
_FILL: Final = (
    f"INSERT INTO {_NAME} SELECT d.rid,d.place,{','.join(f'j.{name}' for name in COLUMNS)} FROM"  # noqa: S608 - ours
    f" (SELECT rid,place,sum(size) OVER (ORDER BY place,rid)-size AS before FROM {_DUE}) d"
    " CROSS JOIN main.jobs j ON j.rowid=d.rid WHERE d.before<?"
)
# the plus takes the column's affinity off: equal is the same value of the same type
_UNCHANGED: Final = " AND ".join(f"+j.{name} IS +b.{name}" for name in COLUMNS)
_STILL: Final = (
    f"SELECT b.rid FROM {_NAME} b CROSS JOIN main.jobs j ON j.rowid=b.rid"  # noqa: S608 - ours
    f" WHERE b.rid BETWEEN ? AND ? AND {_UNCHANGED}"
)
_ID: Final = COLUMNS.index("id")
_STATUS: Final = COLUMNS.index("status")
_PROVIDER: Final = COLUMNS.index("provider")


class Row(NamedTuple):
    """A row of the batch.

    Attributes:
        rowid: where it was; by the time it is deleted that can be another job's.
        cells: what it was.
    """

    rowid: int
    cells: Cells

    @property
    def key(self) -> tuple[str, str]:
        """Its status and provider, as text."""
        return text_of(self.cells[_STATUS]), text_of(self.cells[_PROVIDER])


class Batch:
    """The rows aside of one connection; a new fill takes the place of what it held.

    Args:
        connection: kept in memory there, apart from the store.

    Attributes:
        rows: of the last fill.
        last: the greatest place of them in the index on created_at; ``None`` when none of them has one.
    """

    def __init__(self, connection: Connection) -> None:
        self.rows: list[Row] = []
        self.last: bytes | None = None
        self._connection = connection
        self._removal = Removal(connection, _NAME)
        connection.rows("PRAGMA temp_store=MEMORY")
        connection.rows(_CREATE_DUE)
        connection.rows(_CREATE)

    def fill(self, rule: Rule, part: Range, place: bytes | None, most: int) -> None:
        """Take the next rows that are due, as they are now."""
        found = self._connection.read(lambda db: _fill(db, rule, part, place, most))
        self.rows = [Row(rowid, cells) for rowid, _, cells in found]
        self.last = found[-1][1] if found else None

    def delete(self, part: Sequence[Row]) -> tuple[Counter[tuple[str, str]], list[Cells]]:
        """Delete the rows of a slice that still are as they were, and not pinned by now, in one transaction.

        Returns:
            What went, by status and provider, and the rows that did not go.

        Raises:
            StoreRefusedError: by now a trigger that is not ours sits on the table; nothing of the slice was deleted.
        """
        everything = _removed(part)
        try:
            self._connection.write(lambda db: self._delete(db, part, everything))
            gone = {row.rowid for row in part}
        except _TouchedError:
            gone = self._connection.write(lambda db: self._delete_named(db, part))
        deleted = Counter(row.key for row in part if row.rowid in gone)
        return deleted, [row.cells for row in part if row.rowid not in gone]

    def _delete(self, db: apsw.Connection, part: Sequence[Row], gone: Removed) -> None:
        """Delete what is in a slice and still as it was; when that is not every row, raise, and so delete nothing."""
        is_logging = self._removal.begin(db)
        db.execute(f"DELETE FROM main.jobs WHERE rowid IN ({_still(db)})", _span(part))  # noqa: S608 - ours
        # of this statement alone: the total would count what the ledger's triggers write
        if db.changes() != len(part):
            raise _TouchedError
        if is_logging:
            self._removal.log(db, gone)

    def _delete_named(self, db: apsw.Connection, part: Sequence[Row]) -> set[int]:
        """Delete what is in a slice and still as it was; the rowids of what went."""
        is_logging = self._removal.begin(db)
        still = _still(db)
        found: set[int] = {rowid for (rowid,) in rows(db, still, _span(part))}
        db.execute(f"DELETE FROM main.jobs WHERE rowid IN ({still})", _span(part))  # noqa: S608 - ours
        is_whole = db.changes() == len(found)
        if is_logging:
            self._removal.log(db, _removed([row for row in part if row.rowid in found]))
        return found if is_whole else set()

    def close(self) -> None:
        """Forget it."""
        self._removal.close()
        for name in (_NAME, _DUE):
            self._connection.rows(f"DROP TABLE IF EXISTS {name}")


def _fill(
    db: apsw.Connection, rule: Rule, part: Range, place: bytes | None, most: int
) -> list[tuple[int, bytes | None, Cells]]:
    """Copy rows aside, in the caller's snapshot, and give them back."""
    for name in (_NAME, _DUE):
        db.execute(f"DELETE FROM {name}")  # noqa: S608 - ours
    if most > 0:
        condition, values = rule.condition(has_pins=has_pins(db))
        db.execute(
            f"{_FIND} WHERE {part.sql} AND {condition} ORDER BY created_at LIMIT ?",
            (*part.bindings(place), *values, most),
        )
        db.execute(_FILL, (_BATCH_BYTES,))
    found: list[tuple[int, bytes | None, Cells]] = read_cells(db, "ORDER BY place,rid", extra="rid,place", table=_NAME)
    return found


class _TouchedError(Exception):
    """A writer had been at some of the rows: which ones must be found out before the others are gone."""


def _removed(part: Sequence[Row]) -> Removed:
    return removed((row.rowid, row.cells[_ID], row.cells[_PROVIDER], row.cells[_STATUS]) for row in part)


def _span(part: Sequence[Row]) -> tuple[int, int]:
    return part[0].rowid, part[-1].rowid


def _still(db: apsw.Connection) -> str:
    """SQL for the rowids that can go."""
    return f"{_STILL} AND b.id NOT IN (SELECT job_id FROM main.{TABLE})" if has_pins(db) else _STILL  # noqa: S608 - ours
