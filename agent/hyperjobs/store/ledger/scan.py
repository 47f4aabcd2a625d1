"""Numbers for a store without a ledger: a scan of the table now and then, on a connection of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hyperjobs.errors import StoreInterruptedError
from hyperjobs.store.connection import Connection
from hyperjobs.store.continuity import ROWS
from hyperjobs.store.flavour import Flavour, recognise, require_job_store
from hyperjobs.store.ledger.baseline import finish_seconds
from hyperjobs.store.ledger.keeper import Counts
from hyperjobs.store.ledger.replay import Row
from hyperjobs.store.ledger.rollup import Rollup
from hyperjobs.store.ledger.select import stream
from hyperjobs.store.ledger.tally import Tally
from hyperjobs.store.ledger.view import LedgerView, note_oldest, scanned_view

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from hyperjobs.clock import Clock
    from hyperjobs.store.continuity import Continuity
    from hyperjobs.store.ledger.options import LedgerOptions

_OPEN_WAIT_S = 0.5
_SHARE_OF_A_CORE = 0.05
_ROWS_BETWEEN_LOOKS = 1_000

_COLUMNS = ("provider", "status", "created_at", "started_at", "completed_at", "total_size", "files_count")
# hypersdk's daemon keeps no provider column and no sizes; its definition names the provider, if it is JSON at all.
_DAEMON_COLUMNS = (
    "CASE WHEN json_valid(definition_json) THEN json_extract(definition_json,'$.provider') END",
    "status", "created_at", "started_at", "completed_at", "NULL", "NULL",
)  # fmt: skip


class Scanner:
    """Stands in for the keeper where no triggers may be: a read-only file, the daemon's flavour, ``ledger: scan``.

    Its totals are the rows' own, so a pruned job leaves them; the continuity of what is exported makes of that a
    counter of what was seen to grow.
    """

    def __init__(
        self, path: Path, *, options: LedgerOptions, continuity: Continuity, clock: Clock, interval_s: float = 60.0
    ) -> None:
        self.counts = Counts()
        self.view = LedgerView(is_ready=False)
        self._path = path
        self._options = options
        self._continuity = continuity
        self._clock = clock
        self._interval_s = interval_s
        self._connection: Connection | None = None

    def turn(self, is_stopping: Callable[[], bool]) -> float:
        """Scan once; returns the seconds to wait, at least twenty times what the scan took."""
        started_s = self._clock.monotonic()
        # Nothing can interrupt an open, so it waits shortly; the next turn tries again.
        connection = self._connection = Connection(
            self._path, read_only=True, busy_timeout_s=_OPEN_WAIT_S, clock=self._clock
        )
        try:
            recognition = recognise(connection)
            require_job_store(recognition, self._path)
            columns = _DAEMON_COLUMNS if recognition.flavour is Flavour.DAEMON else _COLUMNS
            shown = self._continuity.shown()
            view = connection.read(lambda db: self._scan(db, columns, self._clock.now(), is_stopping))
        finally:
            connection.close()
            self._connection = None
        self._continuity.settle(view.rollup.totals, ROWS, shown)
        self._continuity.save()
        self.view = view
        return max(self._interval_s, (self._clock.monotonic() - started_s) / _SHARE_OF_A_CORE)

    def interrupt(self) -> None:
        """End what is running; from any thread."""
        connection = self._connection
        if connection is not None:
            connection.interrupt()

    def close(self) -> None:
        """Nothing is held between turns."""

    def _scan(self, db: Any, columns: tuple[str, ...], now: datetime, is_stopping: Callable[[], bool]) -> LedgerView:
        providers = self._options.admission([])
        tally = Tally(providers, bounds=self._options.bounds, now=now)
        oldest: dict[tuple[str, str], datetime] = {}
        now_s = int(now.timestamp())
        for count, values in enumerate(stream(db, columns, "FROM jobs")):
            row = Row._make(values)
            tally.count_row(row, finish_seconds(row, now_s))
            note_oldest(oldest, providers.label(row.provider), row.status, row.started_at, row.created_at)
            if count % _ROWS_BETWEEN_LOOKS == 0 and is_stopping():
                raise StoreInterruptedError(f"{self._path}: the scan was stopped")
        rollup = Rollup(dict(tally.gauges), dict(tally.totals), dict(tally.latest), list(providers.admitted))
        return scanned_view(rollup, tally.hours, oldest, bounds=self._options.bounds, now=now)
