"""One scrape: each source in turn, timed and guarded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from hyperjobs.errors import StoreError
from hyperjobs.metrics.catalogue import gauge
from hyperjobs.metrics.source import Scrape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prometheus_client.core import Metric

    from hyperjobs.clock import Clock
    from hyperjobs.metrics.source import Source
    from hyperjobs.store.continuity import Continuity
    from hyperjobs.store.reader import StoreReader

log = structlog.get_logger(__name__)


class Collector:
    """Runs the sources; called by one thread at a time."""

    def __init__(self, sources: Sequence[Source], reader: StoreReader, continuity: Continuity, *, clock: Clock) -> None:
        self._sources = sources
        self._reader = reader
        self._continuity = continuity
        self._clock = clock
        self._failing: set[str] = set()

    def collect(self, deadline_s: float | None = None) -> list[Metric]:
        """Every family there is a value for, found by the deadline (in the clock's ``monotonic``)."""
        scrape = Scrape(self._reader, self._continuity, now=self._clock.now(), deadline_s=deadline_s)
        families: list[Metric] = []
        success, duration = gauge("collector_success"), gauge("collector_duration_seconds")
        for source in self._sources:
            started_s = self._clock.monotonic()
            is_good = self._collect_one(source, scrape, families)
            success.add_metric([source.name], is_good)
            duration.add_metric([source.name], self._clock.monotonic() - started_s)
        return [*families, success, duration]

    def _collect_one(self, source: Source, scrape: Scrape, families: list[Metric]) -> bool:
        found: list[Metric] = []
        try:
            for family in source.collect(scrape):
                found.append(family)  # noqa: PERF402 - what came before an error is good and stays
        except StoreError as exc:
            self._note(source, exc)
        except Exception as exc:  # noqa: BLE001 - a source must not stop the others
            self._note(source, exc, exc_info=True)
        else:
            self._failing.discard(source.name)
        families += [family for family in found if family.samples]  # without a value it is absent
        return source.name not in self._failing

    def _note(self, source: Source, exc: Exception, *, exc_info: bool = False) -> None:
        """Log the first failure of a row of them: a scrape comes every few seconds."""
        if source.name not in self._failing:
            self._failing.add(source.name)
            log.error("scrape.collector_failed", collector=source.name, error=str(exc), exc_info=exc_info)
