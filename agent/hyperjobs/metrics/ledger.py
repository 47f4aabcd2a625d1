"""The ledger about itself and the audit log that it feeds: whether they are whole and how far behind they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hyperjobs.metrics.catalogue import counter, gauge
from hyperjobs.store.ledger import tally

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prometheus_client.core import Metric

    from hyperjobs.maintenance.audit.sink import AuditState
    from hyperjobs.metrics.source import Scrape
    from hyperjobs.store.ledger.keeper import Counts


class LedgerSource:
    """The ledger group."""

    name = "ledger"

    def __init__(self, counts: Counts, audit: Callable[[], AuditState | None] = lambda: None) -> None:
        """``audit`` says how its log is kept up; ``None`` where there is none, or nothing is known of it yet."""
        self._counts = counts
        self._audit = audit

    def collect(self, scrape: Scrape) -> Iterator[Metric]:
        """The families."""
        yield counter("ledger_folds_total", self._counts.folds)
        yield counter("ledger_drift_total", self._counts.drift)
        yield counter("ledger_rebaselines_total", self._counts.rebaselines)
        yield gauge("ledger_epoch", self._counts.epoch)
        yield from self._audited()
        view = scrape.snapshot.view
        yield gauge("ledger_ready", view.is_ready)
        yield gauge("ledger_unfolded_rows", view.unfolded_rows)
        yield counter("label_overflow_total", scrape.totals.get((tally.OVERFLOW, "", "", 0), 0))

    def _audited(self) -> Iterator[Metric]:
        state = self._audit()
        if state is None:
            return
        yield gauge("audit_up", state.is_written)
        yield gauge("audit_waiting_changes", state.waiting)
        if state.last_s is not None:
            yield gauge("audit_last_write_timestamp_seconds", state.last_s)
