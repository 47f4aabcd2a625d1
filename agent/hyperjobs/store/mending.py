"""Mending rows of a store beside its writers, and putting them back exactly as they were."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from hyperjobs.store.cells import Cells, RawText, by_id, id_of, is_same, read_cells
from hyperjobs.store.flavour import COLUMNS
from hyperjobs.store.mend import KINDS, mend
from hyperjobs.store.returning import bracket

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    import apsw

    from hyperjobs.store.connection import Connection

BATCH_ROWS: Final = 250
"""In one transaction: as a prune deletes, for each touches pages of its own."""
_LOOK_ROWS: Final = 500
_LOWEST: Final = -(2**63)
_STATUS: Final = COLUMNS.index("status")


class Change(NamedTuple):
    """One row, before and after; ``rowid`` is where it was when it was read."""

    rowid: int
    before: Cells
    after: Cells
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of some changes.

    Attributes:
        done: rows that were changed.
        left: rows that somebody had written, or deleted, meanwhile; they were left alone.
    """

    done: int
    left: int


def find_changes(
    connection: Connection,
    only: Collection[str] = KINDS.keys(),
    *,
    looked: Callable[[int], object] = lambda _rows: None,
) -> Iterator[Change]:
    """Every row that can be mended, in snapshots of a few milliseconds.

    Args:
        connection: to a store of hypersdk's flavour; reading is enough.
        only: the kinds to mend.
        looked: told after each of them how many rows were read in it.
    """
    last = _LOWEST
    while True:
        rows, changes = connection.read(lambda db, last=last: _look(db, last, only))  # type: ignore[misc]
        if not rows:
            return
        last = rows[-1][0]
        looked(len(rows))
        yield from changes


def apply_changes(connection: Connection, changes: Sequence[Change]) -> Applied:
    """Make some changes in one transaction; a row that is not as it was read is left alone.

    In a store with a ledger they move the gauges and not the counters, which had counted these jobs: the change log
    says so round them.

    Raises:
        StoreError: none of them was made.
    """
    return connection.write(lambda db: _apply(db, changes))


def find_by_cells(db: apsw.Connection, cells: Cells) -> int | None:
    """Where the row with exactly these values is; ``None`` when there is none."""
    job_id = id_of(cells)
    condition, values = ("id IS NULL", ()) if job_id is None else by_id(job_id)
    found = read_cells(db, f"WHERE {condition}", values, extra="rowid")
    return next((rowid for rowid, there in found if is_same(there, cells)), None)


def restore_changes(connection: Connection, changes: Sequence[Change]) -> Applied:
    """Put rows back that :func:`apply_changes` changed, wherever they are now; one that was written since stays.

    Raises:
        StoreError: none of them was put back.
    """

    def work(db: apsw.Connection) -> Applied:
        found = [(find_by_cells(db, change.after), change) for change in changes]
        back = [Change(at, change.after, change.before) for at, change in found if at is not None]
        applied = _apply(db, back)
        return Applied(applied.done, len(changes) - applied.done)

    return connection.write(work)


def _look(db: apsw.Connection, last: int, only: Collection[str]) -> tuple[list[tuple[Any, ...]], list[Change]]:
    has_history = bool(
        db.execute("SELECT 1 FROM sqlite_schema WHERE type='table' AND name='hyperjobs_history'").fetchall()
    )
    rows = read_cells(db, "WHERE rowid>? ORDER BY rowid LIMIT ?", (last, _LOOK_ROWS), extra="rowid")
    changes = []
    for rowid, cells in rows:
        after, kinds = mend(cells, lambda cells=cells: _finished_at(db, cells) if has_history else None, only)  # type: ignore[misc]
        if kinds:
            changes.append(Change(rowid, cells, after, kinds))
    return rows, changes


def _finished_at(db: apsw.Connection, cells: Cells) -> int | None:
    """When the history saw a job enter its status, seconds since 1970; the last time, if it was there twice."""
    job_id = id_of(cells)
    if not isinstance(job_id, str):
        return None
    found: Any = db.execute(
        "SELECT at FROM hyperjobs_history WHERE job_id=? AND new=? AND old IS NOT new ORDER BY seq DESC LIMIT 1",
        (job_id, cells[_STATUS]),
    ).fetchall()
    return int(found[0][0]) if found else None


def _apply(db: apsw.Connection, changes: Sequence[Change]) -> Applied:
    there = [change for change in changes if _is_there(db, change)]
    if not there:
        return Applied(0, len(changes))
    with bracket(db):
        for change in there:
            _update(db, change)
    return Applied(len(there), len(changes) - len(there))


def _is_there(db: apsw.Connection, change: Change) -> bool:
    found = read_cells(db, "WHERE rowid=?", (change.rowid,), extra="rowid")
    return bool(found) and is_same(found[0][1], change.before)


def _update(db: apsw.Connection, change: Change) -> None:
    changed = [
        (name, after)
        for name, before, after in zip(COLUMNS, change.before, change.after, strict=True)
        if not is_same((before,), (after,))
    ]
    marks = ",".join(f"{name}={'CAST(? AS TEXT)' if type(cell) is RawText else '?'}" for name, cell in changed)
    values = [bytes(cell) if type(cell) is RawText else cell for _, cell in changed]
    db.execute(f"UPDATE jobs SET {marks} WHERE rowid=?", (*values, change.rowid))  # noqa: S608 - our own columns
