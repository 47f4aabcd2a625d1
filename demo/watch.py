"""The agent of the past: its own parts, turned by hand under a clock that is moved on, every night and every scrape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hyperjobs import __version__
from hyperjobs.agent.options import ledger_options
from hyperjobs.agent.timetable import entries
from hyperjobs.agent.workshop import Workshop
from hyperjobs.maintenance.plan import next_slot
from hyperjobs.maintenance.timetable import Timetable
from hyperjobs.metrics.agent import AgentSource
from hyperjobs.metrics.backup import BackupSource
from hyperjobs.metrics.collector import Collector
from hyperjobs.metrics.jobs import JobsSource
from hyperjobs.metrics.ledger import LedgerSource
from hyperjobs.metrics.store import StoreSource
from hyperjobs.metrics.tasks import Planned, TasksSource
from hyperjobs.store.continuity import Continuity
from hyperjobs.store.flavour import wal_reset_safe
from hyperjobs.store.ledger.keeper import Keeper
from hyperjobs.store.reader import StoreReader, Troubles
from hyperjobs.store.stall import StallWatch
from hyperjobs.store.state import StateFile
from hyperjobs.store.version import driver_version, sqlite_version

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from prometheus_client.core import Metric

    from demo.timelapse import TimeLapse
    from hyperjobs.config import Config
    from hyperjobs.metrics.source import Source

_CHECKPOINT: Final = "checkpoint"
"""What runs every few minutes is left out of the past: it would be looked at too rarely, and counted as missed."""


class Watch:
    """What the agent did in the past, when told.

    Args:
        config: as the agent of then had it.
        store: path of the store.
        clock: what it goes by.
    """

    def __init__(self, config: Config, store: Path, clock: TimeLapse) -> None:
        self._clock = clock
        self._state = StateFile(config.store.state_dir, store, clock=clock)
        self._entries = [entry for entry in entries(config) if entry.task != _CHECKPOINT]
        self._shop = Workshop(config, store, self._state, clock=clock)
        self._timetable = Timetable(self._shop.runs)
        self._awake_since = clock.now()
        self._continuity = Continuity(self._state)
        options, troubles = ledger_options(config), Troubles()
        self._keeper = Keeper(store, options=options, state=self._state, continuity=self._continuity, clock=clock)
        self._reader = StoreReader(store, options=options, troubles=troubles, clock=clock, scanned=lambda: None)
        self._stalls = StallWatch(
            store, stalled_after=config.metrics.stalled_after, options=options, state=self._state, clock=clock
        )
        self._shop.runs.know([entry.task for entry in self._entries], clock.now())
        is_safe = wal_reset_safe(sqlite_version())
        started_at = clock.now()
        sources: list[Source] = [
            JobsSource(lambda: self._stalls.stalled),
            StoreSource(store, troubles, self._shop.condition, self._shop.holds, is_wal_reset_safe=is_safe),
            LedgerSource(self._keeper.counts),
            TasksSource(self._shop.runs, self._shop.holds, self._planned),
            BackupSource(config.maintenance.backup.directory, store, self._shop.runs, self._shop.condition),
            AgentSource(
                version=__version__,
                sqlite=sqlite_version(),
                apsw=driver_version(),
                reloaded=lambda: (True, started_at),
                is_leader=lambda: True,
            ),
        ]
        self._collector = Collector(sources, self._reader, self._continuity, clock=clock)

    def slots(self, after: datetime, until: datetime) -> Iterator[datetime]:
        """When something is due in between."""
        for entry in self._entries:
            yield from (slot.at for slot in entry.schedule.between(after, until))

    def woke(self) -> None:
        """The host was off until now."""
        self._awake_since = self._clock.now()

    def turn(self) -> None:
        """Fold what was written, look for stalls, and run what is due."""
        while self._keeper.turn(lambda: False) == 0:
            pass
        self._stalls.sample()
        for entry in self._entries:
            while slot := self._timetable.due(entry, self._clock.now(), awake_since=self._awake_since):
                self._shop.runner.run(self._shop.task(entry.task), slot=slot.nominal)
                self._timetable.finish(entry, slot, self._clock.now())

    def scrape(self) -> list[Metric]:
        """What Prometheus would have been told."""
        return self._collector.collect()

    def close(self) -> None:
        """Let everything go, and remember it."""
        self._reader.close()
        self._keeper.close()
        self._continuity.save()
        self._state.close()

    def _planned(self) -> dict[str, Planned]:
        now = self._clock.now()
        found = {}
        for entry in self._entries:
            coming = next_slot(entry, now)
            interval_s = entry.schedule.expected_interval(now).total_seconds()
            found[entry.task] = Planned(coming.starts if coming else None, interval_s)
        return found
