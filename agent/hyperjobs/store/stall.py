"""Running jobs whose progress does not move: sampled, since the ledger's triggers leave progress alone on purpose."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from hyperjobs.store.connection import Connection
from hyperjobs.store.flavour import Flavour, recognise
from hyperjobs.store.ledger.select import fetch

if TYPE_CHECKING:
    from datetime import timedelta
    from pathlib import Path

    from hyperjobs.clock import Clock
    from hyperjobs.store.ledger.options import LedgerOptions
    from hyperjobs.store.state import StateFile


class StallWatch:
    """Remembers since when each running job has stood at its progress, across restarts of the agent."""

    def __init__(
        self, path: Path, *, stalled_after: timedelta, options: LedgerOptions, state: StateFile, clock: Clock
    ) -> None:
        self._path = path
        self._stalled_after_s = stalled_after.total_seconds()
        self._options = options
        self._state = state
        self._clock = clock
        self.stalled: dict[str, int] | None = None
        """Raw provider label → jobs stalled at the last sample; ``None`` before the first."""

    def sample(self) -> None:
        """Look at every running job once.

        The daemon's flavour keeps no progress that could stand still, so it has no number.

        Raises:
            StoreError: the store cannot be read now; what was known stays.
        """
        connection = Connection(self._path, read_only=True, clock=self._clock)
        try:
            if recognise(connection).flavour is not Flavour.HYPERSDK:
                self.stalled = None
                return
            columns = ("id", "progress", "provider")
            rows = connection.read(lambda db: fetch(db, columns, "FROM jobs WHERE status='running'"))
            admitted = connection.read(self._admitted)
        finally:
            connection.close()
        now_s = self._clock.now().timestamp()
        known = self._state.progress()
        seen: dict[str, tuple[float, float]] = {}
        providers = self._options.admission(admitted)
        stalled: Counter[str] = Counter()
        for job_id, progress, provider in rows:
            at = float(progress) if isinstance(progress, int | float) else 0.0
            before = known.get(str(job_id))
            since_s = before[1] if before is not None and before[0] == at else now_s
            seen[str(job_id)] = at, since_s
            stalled[providers.label(provider)] += now_s - since_s >= self._stalled_after_s
        if seen != known:
            self._state.save_progress(seen)
        self.stalled = dict(stalled)

    @staticmethod
    def _admitted(db: object) -> list[str]:
        from hyperjobs.store.ledger.rollup import read_providers  # noqa: PLC0415 - only where a ledger is

        if not db.execute("SELECT 1 FROM sqlite_schema WHERE name='hyperjobs_provider'").fetchall():  # type: ignore[attr-defined]
            return []
        return read_providers(db)  # type: ignore[arg-type]
