"""The reindex task, on request only: every index built anew from its table, one after another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hyperjobs.errors import HyperjobsError, StoreRefusedError
from hyperjobs.maintenance.opened import opened
from hyperjobs.maintenance.room import require_room
from hyperjobs.maintenance.task import Report
from hyperjobs.store.flavour import recognise, require_job_store
from hyperjobs.store.indexes import Index, read_indexes, rebuild
from hyperjobs.store.space import temporary_files_beside
from hyperjobs.store.wal import Mode, checkpoint

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hyperjobs.maintenance.task import Turn
    from hyperjobs.store.connection import Connection

_ROWS_A_SECOND: Final = 300_000
"""Sorted and written: a million rows took 1.2 to 2.9 s an index on two busy cores, so the prediction is on the safe side."""
_FILES: Final = 3
"""The index lies on the disk as a sorted temporary file, in the -wal and in the store."""
_LONGEST_BLOCK_S: Final = 4.0
"""The writers give up waiting after 5 s."""


class ReindexTask:
    """Builds indexes anew: for one that has lost entries, or was written by an SQLite with another collation.

    Frozen or not: it is the remedy for damage of that kind, and touches no row.

    Args:
        store: path of the store.
        names: of the indexes; all of them by default.
        is_forced: also when writers would wait for longer than they do.
    """

    name = "reindex"
    heeds_freeze = False

    def __init__(self, store: Path, *, names: Sequence[str] = (), is_forced: bool = False) -> None:
        self._store = store
        self._names = tuple(names)
        self._is_forced = is_forced

    def run(self, turn: Turn) -> Report:
        """Build them anew, each in a transaction of its own; on a dry run say how long each would take.

        Raises:
            StoreRefusedError: writers would give up waiting for one of them (reason ``blocks_too_long``).
            StoreFullError: there is no room; found out before anything is written.
            StoreBusyError: a writer holds the lock.
            StoreInterruptedError: a stop came; indexes that are done stay so.
        """
        with opened(self._store, turn, synchronous="NORMAL") as connection:
            require_job_store(recognise(connection), connection.path)
            chosen = self._chosen(connection)
            if turn.is_dry:
                return _report(chosen, {})
            self._require_short(chosen, connection.path)
            largest = max((index.size_bytes for index in chosen), default=0)
            require_room(connection.path.parent, _FILES * largest, "a reindex", remedy="make room on this disk")
            return _report(chosen, _rebuild_all(connection, chosen, turn))

    def _chosen(self, connection: Connection) -> list[Index]:
        found = read_indexes(connection)
        if not self._names:
            return found
        known = {index.name for index in found}
        strange = [name for name in self._names if name not in known]
        if strange:
            raise HyperjobsError(
                f"{connection.path}: there is no index {', '.join(strange)}; it has {', '.join(sorted(known))}"
            )
        return [index for index in found if index.name in self._names]

    def _require_short(self, chosen: list[Index], path: Path) -> None:
        for index in chosen:
            if not self._is_forced and predicted_s(index) > _LONGEST_BLOCK_S:
                raise StoreRefusedError(
                    f"{path}: building {index.name} anew stops the writers for about {predicted_s(index):.1f} s, and they "
                    f"give up after 5 s; stop them, then repeat it with --force",
                    reason="blocks_too_long",
                )


def predicted_s(index: Index) -> float:
    """How long writers wait while the index is built."""
    return round(index.rows / _ROWS_A_SECOND, 2)


def _rebuild_all(connection: Connection, chosen: list[Index], turn: Turn) -> dict[str, float]:
    """Build one after another, with as long a pause between two as the writers waited; returns seconds by name."""
    took: dict[str, float] = {}
    with temporary_files_beside(connection):
        for done, index in enumerate(chosen):
            turn.progress("indexes", done, len(chosen))
            turn.keep_on()
            started_s = turn.clock.monotonic()
            rebuild(connection, index.name)
            took[index.name] = turn.clock.monotonic() - started_s
            checkpoint(connection, Mode.PASSIVE)
            turn.wait(took[index.name])
    return took


def _report(chosen: list[Index], took: dict[str, float]) -> Report:
    indexes: list[dict[str, Any]] = [
        {
            "name": index.name,
            "size_bytes": index.size_bytes,
            "rows": index.rows,
            "predicted_seconds": predicted_s(index),
            **({"seconds": round(took[index.name], 3)} if index.name in took else {}),
        }
        for index in chosen
    ]
    longest_s = max(took.values() if took else map(predicted_s, chosen), default=0.0)
    words = "built" if took else "would build"
    return Report(
        summary=f"{words} {len(chosen)} indexes anew; writers {'waited' if took else 'wait'} {longest_s:.2f} s at a stretch",
        detail={"indexes": indexes, "blocked_seconds": round(longest_s, 3)},
        skipped=None if chosen else "no_index",
    )
