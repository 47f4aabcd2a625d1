"""Deleting the finished jobs that are past their time, in batches that writers do not notice."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

import apsw

from hyperjobs.errors import InvalidJobError, StoreRefusedError
from hyperjobs.store import query
from hyperjobs.store.cells import Cells, read_cells, text_of
from hyperjobs.store.due import PLACE, Range, Rule
from hyperjobs.store.flavour import COLUMNS
from hyperjobs.store.ledger.select import rows as select
from hyperjobs.store.pins import has_pins

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from hyperjobs.clock import Clock
    from hyperjobs.store.connection import Connection
    from hyperjobs.store.flavour import Recognition

BATCH_ROWS: Final = 250
"""A transaction of so many deletes keeps writers waiting 45 ms at most; 1000 keep them 80 ms."""

_STUCK_BATCHES: Final = 5
"""Batches in a row of which no row goes, before it is said that something keeps them."""
_STATUS: Final = COLUMNS.index("status")
_PROVIDER: Final = COLUMNS.index("provider")


class _Row(NamedTuple):
    """A row that was due when it was read.

    Attributes:
        place: in the index on created_at.
        key: its status and provider.
        cells: all of it, where it is kept.
    """

    rowid: int
    place: bytes | None
    key: tuple[str, str]
    cells: Cells


@dataclass(slots=True)
class Pruned:
    """What was deleted.

    Attributes:
        jobs: (status, provider) → jobs.
    """

    jobs: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def total(self) -> int:
        """How many."""
        return self.jobs.total()


class Keeping:
    """What becomes of rows before they are deleted: here nothing. An archive overrides both."""

    reads_rows = False

    def keep(self, rows: Sequence[Cells]) -> None:
        """Make these rows last through a power cut; they are deleted when this returns, and not when it raises."""

    def left(self, rows: Sequence[Cells]) -> None:
        """Take note that these of the rows kept last were not deleted after all."""


def check_retention(older_than: timedelta) -> None:
    """Return when jobs may be pruned by this age.

    Raises:
        InvalidJobError: no timedelta, or a negative one, which would delete what ends in the future.
    """
    if not isinstance(older_than, timedelta):
        raise InvalidJobError(f"older_than={older_than!r} is no timedelta; use timedelta(days=30)")
    if older_than < timedelta(0):
        raise InvalidJobError(f"older_than={older_than!r} is negative")


def refuse_triggers(recognition: Recognition, path: Path, what: str = "prune") -> None:
    """Return when deleting and inserting do what they say.

    Raises:
        StoreRefusedError: triggers that neither hypersdk nor we made sit on the table (reason ``triggers``).
    """
    if recognition.unknown_triggers:
        raise StoreRefusedError(
            f"{path}: {what} refused, strange triggers sit on jobs and could undo or widen it: "
            f"{', '.join(recognition.unknown_triggers)}; drop them, or delete by hand",
            reason="triggers",
        )


class Pruning:
    """One prune of one store.

    Args:
        connection: of which each batch is a transaction.
        rule: what is due.
        clock: times the batches.
        pause: called between two batches with the seconds that are left of a pause as long as the transaction took,
            so that writers get their half and the -wal can be checkpointed. ``True`` ends the prune.
        keeping: what is done with rows before they go.
        most: no more than so many.
        progress: told how many are gone, after every batch.

    Attributes:
        done: what was deleted, also after an error.
    """

    def __init__(  # noqa: PLR0913 - what it works with, each by name
        self,
        connection: Connection,
        rule: Rule,
        *,
        clock: Clock,
        pause: Callable[[float], object],
        keeping: Keeping | None = None,
        most: int | None = None,
        progress: Callable[[int], object] = lambda _jobs: None,
    ) -> None:
        self.done = Pruned()
        self._connection = connection
        self._rule = rule
        self._clock = clock
        self._pause = pause
        self._keeping = keeping or Keeping()
        self._most = most
        self._progress = progress
        self._owed_s: float | None = None
        self._ended_s = 0.0
        self._stuck = 0
        query.register(connection.raw)

    def run(self) -> bool:
        """Delete what is due, about the oldest first; returns whether it got to the end of it.

        Raises:
            StoreRefusedError: rows do not go although they are deleted.
            StoreError: the store could not do it; batches that were committed stay so.
        """
        return all(self._run_range(part) for part in self._rule.ranges())

    def _run_range(self, part: Range) -> bool:
        place: bytes | None = part.start
        while True:
            left = BATCH_ROWS if self._most is None else min(BATCH_ROWS, self._most - self.done.total)
            rows = self._read(part, place, left) if left > 0 else []
            cells = [row.cells for row in rows]
            if rows and self._keeping.reads_rows:
                self._keeping.keep(cells)
            if self._rest():
                self._keeping.left(cells)
                return False
            if not rows:
                return True
            self._delete(rows)
            place = part.after(place, rows[-1].place)

    def _read(self, part: Range, place: bytes | None, most: int) -> list[_Row]:
        """Return the next rows that are due."""
        has_cells = self._keeping.reads_rows
        return self._connection.read(lambda db: _read_due(db, self._rule, part, place, most, has_cells=has_cells))

    def _rest(self) -> bool:
        """Let the writers have what is left of their time; reading and keeping the next rows was a part of it."""
        if self._owed_s is None:
            return False
        left_s = self._owed_s - (self._clock.monotonic() - self._ended_s)
        self._owed_s = None
        return bool(self._pause(max(left_s, 0.0)))

    def _delete(self, rows: list[_Row]) -> None:
        began_s = self._clock.monotonic()
        deleted, left = self._connection.write(lambda db: self._delete_due(db, rows))
        self._ended_s = self._clock.monotonic()
        self._owed_s = self._ended_s - began_s
        if left:
            self._keeping.left(left)
        self.done.jobs.update(deleted)
        self._progress(self.done.total)
        self._stuck = 0 if deleted else self._stuck + 1
        if self._stuck >= _STUCK_BATCHES:
            raise StoreRefusedError(
                f"{self._connection.path}: prune ended, jobs that are deleted do not go; see what triggers sit on jobs",
                reason="triggers",
            )

    def _delete_due(self, db: apsw.Connection, rows: list[_Row]) -> tuple[Counter[tuple[str, str]], list[Cells]]:
        """Delete those that still are as they were read, and due: a writer may have been at them since.

        Returns:
            What went, and the rows that did not.
        """
        condition, values = self._rule.condition(has_pins=has_pins(db))
        sql = f"DELETE FROM jobs WHERE rowid=? AND {condition}"  # noqa: S608 - ours
        now = _now(db, rows) if self._keeping.reads_rows else None
        deleted: Counter[tuple[str, str]] = Counter()
        left: list[Cells] = []
        for row in rows:
            if now is None or now.get(row.rowid) == row.cells:
                db.execute(sql, (row.rowid, *values))
                # of this statement alone: the total would count what the ledger's triggers write
                if db.changes():
                    deleted[row.key] += 1
                    continue
            left.append(row.cells)
        return deleted, left


def first_due(connection: Connection, rule: Rule, most: int) -> list[Cells]:
    """Return some of the jobs that are due, as they lie in the file."""
    found: list[_Row] = []
    query.register(connection.raw)
    for part in rule.ranges():
        left = most - len(found)
        found += connection.read(
            lambda db, part=part, left=left: _read_due(db, rule, part, part.start, left, has_cells=True)  # type: ignore[misc]
        )
    return [row.cells for row in found]


def _read_due(  # noqa: PLR0913 - what a page is, and how much of it
    db: apsw.Connection, rule: Rule, part: Range, place: bytes | None, most: int, *, has_cells: bool
) -> list[_Row]:
    condition, values = rule.condition(has_pins=has_pins(db))
    rest = f"WHERE {part.sql} AND {condition} ORDER BY created_at LIMIT ?"
    bindings = (*part.bindings(place), *values, most)
    if has_cells:
        return [
            _Row(rowid, at, (text_of(cells[_STATUS]), text_of(cells[_PROVIDER])), cells)
            for rowid, at, cells in read_cells(db, rest, bindings, extra=f"rowid,{PLACE}")
        ]
    found = select(db, f"SELECT rowid,{PLACE},status,CAST(provider AS BLOB) FROM jobs {rest}", bindings)  # noqa: S608 - ours
    return [_Row(rowid, at, (status, text_of(provider)), ()) for rowid, at, status, provider in found]


def _now(db: apsw.Connection, rows: list[_Row]) -> dict[int, Cells]:
    """Return these rows as they are now; a rowid may by now be another job's."""
    marks = ",".join("?" * len(rows))
    return dict(read_cells(db, f"WHERE rowid IN ({marks})", [row.rowid for row in rows], extra="rowid"))


def checkpoint(connection: Connection) -> None:
    """Move what is in the -wal into the store as far as nobody is in the way; waits for nobody."""

    def work(db: apsw.Connection) -> None:
        try:
            db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        except (apsw.BusyError, apsw.LockedError):
            return

    connection.run(work)
