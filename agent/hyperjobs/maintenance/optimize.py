"""The optimize task: renews the planner's statistics where a store has some, and never gives it any."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hyperjobs.maintenance.opened import opened
from hyperjobs.maintenance.task import Report
from hyperjobs.store.flavour import recognise, require_job_store
from hyperjobs.store.planning import has_statistics, renew_statistics

if TYPE_CHECKING:
    from pathlib import Path

    from hyperjobs.maintenance.task import Turn


class OptimizeTask:
    """Keeps statistics that somebody made from growing old.

    A store without any stays so. The first ANALYZE adds a table to hypersdk's schema, which uninstall could not tell
    from hypersdk's own, and it changes the plans of the writers' queries as well: measured, it makes one of ours faster
    and another one slower (docs/decisions.md).
    """

    name = "optimize"
    heeds_freeze = True

    def __init__(self, store: Path) -> None:
        self._store = store

    def run(self, turn: Turn) -> Report:
        """Renew them, or say that there are none.

        Raises:
            StoreBusyError: a writer holds the lock.
            StoreError: as :class:`~hyperjobs.store.connection.Connection` says.
        """
        with opened(self._store, turn, synchronous="NORMAL") as connection:
            require_job_store(recognise(connection), connection.path)
            if not has_statistics(connection):
                return Report(
                    summary="nobody has run ANALYZE on this store, and its plans are good without",
                    skipped="no_statistics",
                )
            if turn.is_dry:
                return Report(summary="would renew the planner's statistics")
            started_s = turn.clock.monotonic()
            renew_statistics(connection)
            took_s = round(turn.clock.monotonic() - started_s, 3)
            return Report(summary="renewed the planner's statistics", detail={"seconds": took_s})
