"""Deleting the finished jobs that are past their time, in batches that writers do not notice."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from hyperjobs.errors import InvalidJobError, StoreRefusedError
from hyperjobs.store import query
from hyperjobs.store.batch import Batch
from hyperjobs.store.wal_length import WalLength

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from hyperjobs.clock import Clock
    from hyperjobs.store.batch import Row
    from hyperjobs.store.cells import Cells
    from hyperjobs.store.connection import Connection
    from hyperjobs.store.due import Range, Rule
    from hyperjobs.store.flavour import Recognition

BATCH_ROWS: Final = 400
"""A transaction of so many deletes takes some 6 ms in memory, 10 on a disk."""

_KEPT_ROWS: Final = 1_200
"""So many are read and made to last at once, which is one sync, and are then deleted in several transactions."""
_LEAST_ROWS: Final = 30
_LONG_S: Final = 0.015
_SHORT_S: Final = 0.0075
"""A transaction longer than the one halves the batch, one shorter than the other doubles it again: on a slow disk, or
a busy machine, writers wait no longer than on a fast one, and the prune does."""
_LEAST_PAUSE_S: Final = 0.018
"""SQLite lets a writer that found the lock taken ask again after 1, 3, 8, 18 and 33 ms. A pause longer than the longest of
these gaps cannot be missed by it; a shorter one is, again and again, when the two keep time."""

_STUCK_BATCHES: Final = 5
"""Batches in a row of which no row goes, before it is said that something keeps them."""


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
    """What becomes of rows before they are deleted: here nothing. An archive does both."""

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
        self._rows = BATCH_ROWS
        self._wal = WalLength(connection, pause)
        query.register(connection.raw)

    def run(self) -> bool:
        """Delete what is due, about the oldest first; returns whether it got to the end of it.

        Raises:
            StoreRefusedError: rows do not go although they are deleted.
            StoreError: the store could not do it; batches that were committed stay so.
        """
        batch = Batch(self._connection)
        kept = self._connection.value("PRAGMA wal_autocheckpoint")
        self._connection.rows("PRAGMA wal_autocheckpoint=0")
        try:
            return all(self._run_range(part, batch) for part in self._rule.ranges())
        finally:
            self._connection.rows(f"PRAGMA wal_autocheckpoint={kept}")
            batch.close()

    def _run_range(self, part: Range, batch: Batch) -> bool:
        place: bytes | None = part.start
        while True:
            left = _KEPT_ROWS if self._most is None else min(_KEPT_ROWS, self._most - self.done.total)
            batch.fill(self._rule, part, place, left)
            if batch.rows:
                self._keeping.keep([row.cells for row in batch.rows])
            waiting = sorted(batch.rows, key=lambda row: row.rowid)
            if not waiting:
                return not self._rest()
            while waiting:
                if self._rest():
                    self._keeping.left([row.cells for row in waiting])
                    return False
                slice_, waiting = waiting[: self._rows], waiting[self._rows :]
                self._delete(batch, slice_)
            place = part.after(place, batch.last)

    def _rest(self) -> bool:
        """Let the writers have what is left of their time; reading and keeping the next rows was a part of it."""
        if self._owed_s is None:
            return False
        left_s = self._owed_s - (self._clock.monotonic() - self._ended_s)
        self._owed_s = None
        return bool(self._pause(max(left_s, 0.0)))

    def _delete(self, batch: Batch, rows: Sequence[Row]) -> None:
        began_s = self._clock.monotonic()
        deleted, left = batch.delete(rows)
        self._ended_s = self._clock.monotonic()
        took_s = self._ended_s - began_s
        self._owed_s = max(took_s, _LEAST_PAUSE_S)
        if took_s > _LONG_S:
            self._rows = max(self._rows // 2, _LEAST_ROWS)
        elif took_s < _SHORT_S:
            self._rows = min(self._rows * 2, BATCH_ROWS)
        # before anything that can fail: what went has gone
        self.done.jobs.update(deleted)
        if left:
            self._keeping.left(left)
        if self._wal.keep_short():
            self._ended_s = self._clock.monotonic()  # it held the lock, too
        self._progress(self.done.total)
        self._stuck = 0 if deleted else self._stuck + 1
        if self._stuck >= _STUCK_BATCHES:
            raise StoreRefusedError(
                f"{self._connection.path}: prune ended, jobs that are deleted do not go; see what triggers sit on jobs",
                reason="triggers",
            )


def first_due(connection: Connection, rule: Rule, most: int) -> list[Cells]:
    """Return some of the jobs that are due, as they lie in the file."""
    query.register(connection.raw)
    batch = Batch(connection)
    found: list[Cells] = []
    try:
        for part in rule.ranges():
            batch.fill(rule, part, part.start, most - len(found))
            found += [row.cells for row in batch.rows]
    finally:
        batch.close()
    return found
