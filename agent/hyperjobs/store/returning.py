"""Bringing jobs back as they were, from an archive or a backup, beside writers that go on."""

from __future__ import annotations

import contextlib
import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from hyperjobs.store.cells import Cells, by_id, id_of, insert_cells
from hyperjobs.store.ledger.replay import RETURNED, RETURNING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import apsw

    from hyperjobs.clock import Clock
    from hyperjobs.store.connection import Connection

_BATCH_ROWS: Final = 250
"""As a prune deletes: rows that come back touch the same pages."""


@dataclass(slots=True)
class Returned:
    """What came back.

    Attributes:
        jobs: how many.
        there: ids that the store has by now; those jobs were left alone.
    """

    jobs: int = 0
    there: list[Any] = field(default_factory=list)


def bring_back(
    connection: Connection,
    rows: Iterable[Cells],
    *,
    clock: Clock,
    pause: Callable[[float], object],
    replace: bool = False,
) -> Iterator[Returned]:
    """Insert jobs as they were, batch by batch; yields what became of each batch.

    In a store with a ledger they move the gauges and not the counters, which had counted them: the change log says so
    round them, in their transaction. A job whose id is there is left alone, so that a second time does nothing.

    Args:
        connection: of which each batch is a transaction.
        rows: as they were.
        clock: times the batches.
        pause: called between two batches with the seconds the last one took. ``True`` ends it.
        replace: put them in the place of what is there.

    Raises:
        StoreError: the store could not do it; batches that were committed stay so.
    """
    left = iter(rows)
    while batch := list(itertools.islice(left, _BATCH_ROWS)):
        began_s = clock.monotonic()
        yield connection.write(lambda db, batch=batch: _bring(db, batch, replace=replace))  # type: ignore[misc]
        if pause(clock.monotonic() - began_s):
            return


def find_there(connection: Connection, rows: Iterable[Cells]) -> Iterator[Returned]:
    """What :func:`bring_back` would find, without doing it."""
    left = iter(rows)
    while batch := list(itertools.islice(left, _BATCH_ROWS)):
        there = connection.read(lambda db, batch=batch: [id_of(cells) for cells in batch if _is_there(db, cells)])  # type: ignore[misc]
        yield Returned(len(batch) - len(there), there)


@contextlib.contextmanager
def bracket(db: apsw.Connection) -> Iterator[None]:
    """Say in the change log that the jobs written within come back; in the caller's write transaction, whole."""
    has_log = bool(db.execute("SELECT 1 FROM sqlite_schema WHERE type='table' AND name='hyperjobs_log'").fetchall())
    if has_log:
        db.execute("INSERT INTO hyperjobs_log(op) VALUES(?)", (RETURNING,))
    yield
    if has_log:
        db.execute("INSERT INTO hyperjobs_log(op) VALUES(?)", (RETURNED,))


def _bring(db: apsw.Connection, batch: list[Cells], *, replace: bool) -> Returned:
    returned = Returned()
    missing = []
    for cells in batch:
        if not _is_there(db, cells):
            missing.append(cells)
            continue
        returned.there.append(id_of(cells))
        if replace:
            missing.append(cells)
    if not missing:
        return returned
    with bracket(db):
        for cells in missing:
            if replace:
                condition, values = by_id(id_of(cells))
                db.execute(f"DELETE FROM jobs WHERE {condition}", values)  # noqa: S608 - ours
            insert_cells(db, cells)
    returned.jobs = len(missing)
    return returned


def _is_there(db: apsw.Connection, cells: Cells) -> bool:
    condition, values = by_id(id_of(cells))
    return bool(db.execute(f"SELECT 1 FROM jobs WHERE {condition}", values).fetchall())  # noqa: S608 - ours
