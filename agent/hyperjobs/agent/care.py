"""What is done for the store by one configuration: the ledger kept, or scanned, and read for scrapes."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import structlog

from hyperjobs.agent.lists import Lists
from hyperjobs.agent.look import Look
from hyperjobs.agent.loop import Loop
from hyperjobs.agent.night import Night
from hyperjobs.agent.options import audit_settings, ledger_options
from hyperjobs.agent.overview import Overviews
from hyperjobs.errors import StorePermissionError, StoreReadOnlyError, StoreRefusedError
from hyperjobs.maintenance.audit.sink import AuditSink
from hyperjobs.metrics.backup import BackupSource
from hyperjobs.metrics.collector import Collector
from hyperjobs.metrics.jobs import JobsSource
from hyperjobs.metrics.ledger import LedgerSource
from hyperjobs.metrics.store import StoreSource
from hyperjobs.metrics.tasks import TasksSource
from hyperjobs.store.checkpoint import Checkpointer
from hyperjobs.store.flavour import wal_reset_safe
from hyperjobs.store.ledger.keeper import Keeper
from hyperjobs.store.ledger.scan import Scanner
from hyperjobs.store.reader import StoreReader
from hyperjobs.store.stall import StallWatch
from hyperjobs.store.version import sqlite_version

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from prometheus_client.core import Metric

    from hyperjobs.agent.lock import AgentLock
    from hyperjobs.agent.workshop import Workshop
    from hyperjobs.clock import Clock
    from hyperjobs.config import Config
    from hyperjobs.metrics.source import Source
    from hyperjobs.store.continuity import Continuity
    from hyperjobs.store.ledger.keeper import Counts
    from hyperjobs.store.ledger.view import LedgerView
    from hyperjobs.store.reader import Troubles
    from hyperjobs.store.state import StateFile

log = structlog.get_logger(__name__)

_SAMPLE_EVERY_S = 60.0
_IDLE_S = 0.5
_STOP_STEP_S = 0.05
_NO_TRIGGERS = frozenset({"flavour", "no_wal"})
"""Refusals that mean: this store can be scanned and not have a ledger."""


class Care:
    """Everything that a reload replaces."""

    def __init__(  # noqa: PLR0913 - what outlives a reload, each by name
        self,
        config: Config,
        path: Path,
        *,
        state: StateFile,
        continuity: Continuity,
        troubles: Troubles,
        lock: AgentLock,
        workshop: Workshop,
        agent: Source,
        clock: Clock,
        counts: Counts | None = None,
    ) -> None:
        """``counts`` are those of the one before, which a reload must not set back."""
        options = ledger_options(config)
        self._path = path
        self._lock = lock
        self._clock = clock
        self._is_scanning = self._only_scans = config.store.ledger == "scan"
        self._refusal: str | None = None
        settings = audit_settings(config)
        audit = None if settings is None else AuditSink(settings, clock=clock)
        self._keeper = Keeper(
            path,
            options=options,
            state=state,
            continuity=continuity,
            clock=clock,
            fold_interval_s=config.store.fold_interval.total_seconds(),
            audit=audit,
        )
        self.counts = self._keeper.counts = counts or self._keeper.counts
        self._scanner = Scanner(
            path,
            options=options,
            continuity=continuity,
            clock=clock,
            interval_s=config.store.scan_interval.total_seconds(),
        )
        self._reader = StoreReader(path, options=options, troubles=troubles, clock=clock, scanned=self._scanned)
        self._stalls = StallWatch(
            path, stalled_after=config.metrics.stalled_after, options=options, state=state, clock=clock
        )
        workshop.drift_found = self._drift_found
        self._timekeeper = workshop.timekeeper
        self._is_clock_believed = True
        self._clock_due_s = 0.0
        self.night = Night(workshop)
        self._looks = Look(path, options=options, clock=clock), Look(path, options=options, clock=clock)
        self.overviews = Overviews(
            path,
            self._looks[0],
            workshop,
            self.night,
            scanned=self._scanned,
            stalled=lambda: self._stalls.stalled,
            clock=clock,
        )
        self.lists = Lists(self._looks[1], runs=workshop.runs, events=workshop.events, clock=clock)
        sources: list[Source] = [
            JobsSource(lambda: self._stalls.stalled),
            StoreSource(
                path, troubles, workshop.condition, workshop.holds, is_wal_reset_safe=wal_reset_safe(sqlite_version())
            ),
            LedgerSource(self.counts, audit=lambda: None if audit is None or self._is_scanning else audit.state),
            TasksSource(workshop.runs, workshop.holds, self.night.planned),
            BackupSource(config.maintenance.backup.directory, path, workshop.runs, workshop.condition),
            agent,
        ]
        self._collector = Collector(sources, self._reader, continuity, clock=clock)
        self._collecting = threading.Lock()
        self._checkpointer = Checkpointer(path, clock=clock)
        self._loops = [
            Loop("ledger", self._turn, troubles=troubles, clock=clock),
            Loop("checkpoints", self._checkpoint, troubles=troubles, clock=clock),
            Loop("stalls", self._sample, troubles=troubles, clock=clock),
        ]

    def start(self) -> None:
        """Begin to look after the store."""
        for loop in self._loops:
            loop.start()
        self.night.start()

    def collect(self, deadline_s: float | None = None) -> list[Metric]:
        """What a scrape shows, found by the deadline (in the clock's ``monotonic``)."""
        with self._collecting:
            return self._collector.collect(deadline_s)

    def stop(self, timeout_s: float, *, is_reload: bool = False) -> bool:
        """End what runs, a scrape also, and in the middle of a statement; whether all ended in time.

        For a reload a maintenance run under way goes on, as ``night`` of this care, which is then to be stopped apart.
        """
        if is_reload:
            self.night.retire()
        else:
            self.night.ask_to_stop()
        for loop in self._loops:
            loop.stop()
        is_done = False
        until_s = self._clock.monotonic() + timeout_s
        while not is_done and self._clock.monotonic() < until_s:
            # One that falls between two statements is forgotten by the second, so it is said until it is heard.
            self._keeper.interrupt()
            self._scanner.interrupt()
            self._reader.interrupt()
            for look in self._looks:
                look.interrupt()
            is_done = all(loop.join(_STOP_STEP_S) for loop in self._loops) and self._collecting.acquire(
                timeout=_STOP_STEP_S
            )
        if not is_reload:
            is_done = self.night.stop(max(until_s - self._clock.monotonic(), _STOP_STEP_S)) and is_done
        if is_done:
            try:
                self._reader.close()
                for look in self._looks:
                    look.close()
                self._checkpointer.close()
                self._keeper.close()  # the last, for only a connection that may write can put the WAL away
            finally:
                self._collecting.release()
        return is_done

    def store_trouble(self) -> tuple[str | None, float] | None:
        """Why the store is not tended, and for how long that has been so; see ``Loop.trouble``."""
        return self._loops[0].trouble()

    def silent_s(self) -> float:
        """The longest that a loop has not shown that it lives."""
        return max(loop.silent_s() for loop in self._loops)

    def _turn(self, is_stopping: Callable[[], bool]) -> float:
        self._lock.acquire()  # the half beside the store, once there is one
        if self._only_scans:
            return self._scanner.turn(is_stopping)
        try:
            wait_s = self._keeper.turn(is_stopping)
        except (StorePermissionError, StoreReadOnlyError, StoreRefusedError) as exc:
            if isinstance(exc, StoreRefusedError) and exc.reason not in _NO_TRIGGERS:
                raise
            # Tried again before every scan: a file system is mounted writable again, another store put in its place.
            if exc.reason != self._refusal:
                log.warning("ledger.scanning_instead", reason=exc.reason, error=str(exc))
            self._is_scanning, self._refusal = True, exc.reason
            return self._scanner.turn(is_stopping)
        if self._is_scanning:
            log.info("ledger.scanning_ended", after=self._refusal)
            self._is_scanning, self._refusal = False, None
        return wait_s

    def _checkpoint(self, is_stopping: Callable[[], bool]) -> float:
        # A store that is only scanned is not ours to move; one that cannot be served is the ledger loop's to report.
        if self._is_scanning or not self._keeper.is_serving:
            self._checkpointer.close()
            return _IDLE_S
        return self._checkpointer.turn(is_stopping)

    def _drift_found(self, jobs: int) -> None:
        self.counts.drift += jobs

    def _read_clock(self) -> None:
        """Notice a clock that was set, while the uptime still tells by how much; a jump is told once."""
        now_s = self._clock.monotonic()
        if now_s < self._clock_due_s:
            return
        self._clock_due_s = now_s + _SAMPLE_EVERY_S
        is_believed = self._timekeeper.read()
        if is_believed != self._is_clock_believed:
            if is_believed:
                log.info("clock.believed")
            else:
                log.warning("clock.doubted", expected=str(self._timekeeper.expected()))
        self._is_clock_believed = is_believed

    def _sample(self, _is_stopping: Callable[[], bool]) -> float:
        self._read_clock()
        if not (self._keeper.is_serving or (self._is_scanning and self._scanner.view.is_ready)):
            return _IDLE_S  # what is wrong with the store is the ledger loop's to report, once
        self._stalls.sample()
        return _SAMPLE_EVERY_S

    def _scanned(self) -> LedgerView | None:
        return self._scanner.view if self._is_scanning else None
