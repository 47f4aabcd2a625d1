"""Which finished jobs are past their time, and their deletion in batches that writers do not notice."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from hyperjobs.errors import InvalidJobError, StoreRefusedError
from hyperjobs.store.models import FINISHED
from hyperjobs.store.query import cell, micros_of, text_range

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    import apsw

    from hyperjobs.clock import Clock
    from hyperjobs.store.connection import Connection
    from hyperjobs.store.flavour import Recognition

BATCH_ROWS: Final = 250
"""A transaction of so many deletes keeps writers waiting 45 ms at most; 1000 keep them 80 ms."""


_ENDED: Final = ",".join(f"hyperjobs_micros({cell(name)})" for name in ("completed_at", "started_at", "created_at"))
_PAST: Final = f"status IN ({','.join('?' * len(FINISHED))}) AND coalesce({_ENDED})<?"
"""Finished and ended before; a cell that cannot be read counts as unset."""


_CANDIDATES: Final = (
    "SELECT rowid,CASE typeof(created_at) WHEN 'text' THEN CAST(created_at AS BLOB) END FROM jobs "  # noqa: S608 - ours
    # the unary plus keeps the planner from the index on status, which leads to nearly every row
    f"WHERE {{bounds}} AND +{_PAST} ORDER BY created_at LIMIT ?"
)
_DELETE: Final = f"DELETE FROM jobs WHERE rowid=? AND +{_PAST}"  # noqa: S608 - ours


def check_retention(older_than: timedelta) -> None:
    """Return when jobs may be pruned by this age.

    Raises:
        InvalidJobError: no timedelta, or a negative one, which would delete what ends in the future.
    """
    if not isinstance(older_than, timedelta):
        raise InvalidJobError(f"older_than={older_than!r} is no timedelta; use timedelta(days=30)")
    if older_than < timedelta(0):
        raise InvalidJobError(f"older_than={older_than!r} is negative")


def refuse_triggers(recognition: Recognition, path: Path) -> None:
    """Return when deleting does what it says.

    Raises:
        StoreRefusedError: triggers that neither hypersdk nor we made sit on the table (reason ``triggers``).
    """
    if recognition.unknown_triggers:
        raise StoreRefusedError(
            f"{path}: prune refused, strange triggers sit on jobs and could undo or widen it: "
            f"{', '.join(recognition.unknown_triggers)}; drop them, or delete by hand",
            reason="triggers",
        )


def prune(connection: Connection, cutoff: datetime, *, clock: Clock, pause: Callable[[float], object]) -> int:
    """Delete the finished jobs that ended before ``cutoff``; return how many.

    Args:
        connection: of which each batch is a transaction.
        cutoff: what ended at it stays.
        clock: times the batches.
        pause: called after each batch with the seconds it took; waits as long, so that writers get their half and
            the -wal can be checkpointed. ``True`` ends the prune.
    """
    deleted = 0
    bindings = (*sorted(FINISHED), micros_of(cutoff))
    for bounds, low, high in _ranges(cutoff):
        place = low
        while True:
            found = connection.rows(_CANDIDATES.format(bounds=bounds), (*place, *high, *bindings, BATCH_ROWS))
            if not found:
                break
            began = clock.monotonic()
            deleted += connection.write(lambda db, rows=found: _delete(db, rows, bindings))  # type: ignore[misc]
            if pause(clock.monotonic() - began):
                return deleted
            # rows that stay are not read again with every batch
            last = found[-1][1]
            place = (last,) if place and last is not None else place
    return deleted


def _ranges(cutoff: datetime) -> tuple[tuple[str, tuple[bytes, ...], tuple[str, ...]], ...]:
    """Return the parts of the index on created_at that can lead to a job that ended before, each with its bounds.

    A job does not end before it was created, so the texts up to the cutoff, widened by every zone, hold all but the
    rows whose created_at is no readable text: numbers sort before every text, words and blobs after every digit.
    """
    return (
        ("created_at<''", (), ()),
        ("created_at>=CAST(? AS TEXT) AND created_at<?", (b"",), (text_range(None, cutoff)[1],)),
        ("created_at>=CAST(? AS TEXT)", (b":",), ()),
    )


def _delete(db: apsw.Connection, rows: list[tuple[Any, ...]], bindings: tuple[Any, ...]) -> int:
    """Delete those that still are past their time: a writer may have been at them since they were read."""
    deleted = 0
    for rowid, _ in rows:
        db.execute(_DELETE, (rowid, *bindings))
        # of this statement alone: the total would count what the ledger's triggers write
        deleted += db.changes()
    return deleted
