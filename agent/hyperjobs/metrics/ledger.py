"""The ledger about itself: whether its numbers are whole and how far behind it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hyperjobs.metrics.catalogue import counter, gauge
from hyperjobs.store.ledger import tally

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric

    from hyperjobs.metrics.source import Scrape
    from hyperjobs.store.ledger.keeper import Counts


class LedgerSource:
    """The ledger group."""

    name = "ledger"

    def __init__(self, counts: Counts) -> None:
        self._counts = counts

    def collect(self, scrape: Scrape) -> Iterator[Metric]:
        """The families."""
        yield counter("ledger_folds_total", self._counts.folds)
        yield counter("ledger_drift_total", self._counts.drift)
        yield counter("ledger_rebaselines_total", self._counts.rebaselines)
        yield gauge("ledger_epoch", self._counts.epoch)
        view = scrape.snapshot.view
        yield gauge("ledger_ready", view.is_ready)
        yield gauge("ledger_unfolded_rows", view.unfolded_rows)
        yield counter("label_overflow_total", scrape.totals.get((tally.OVERFLOW, "", "", 0), 0))
