"""The store: whether it can be read, how large it is, what it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hyperjobs.errors import StoreError
from hyperjobs.metrics.catalogue import counter, gauge
from hyperjobs.store.facts import read_file_facts
from hyperjobs.store.ledger import tally

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from prometheus_client.core import Metric

    from hyperjobs.metrics.source import Scrape
    from hyperjobs.store.condition import Condition
    from hyperjobs.store.holds import Holds
    from hyperjobs.store.ledger.tally import TotalKey
    from hyperjobs.store.reader import Snapshot, Troubles


_DAMAGE, _BAD_BACKUP = "damaged", "backup"
"""Why maintenance is frozen: the first stops prune, vacuum and rotation, the second rotation alone."""


class StoreSource:
    """The store group; what the file system tells is there also when SQLite tells nothing."""

    name = "store"

    def __init__(
        self, path: Path, troubles: Troubles, condition: Condition, holds: Holds, *, is_wal_reset_safe: bool
    ) -> None:
        self._path = path
        self._troubles = troubles
        self._condition = condition
        self._holds = holds
        self._is_wal_reset_safe = is_wal_reset_safe

    def collect(self, scrape: Scrape) -> Iterator[Metric]:
        """The families. A store that cannot be read is ``store_up 0``, not a failure of this source."""
        try:
            snapshot = scrape.snapshot
        except StoreError:
            snapshot = None
        yield gauge("store_up", snapshot is not None)
        yield gauge("store_wal_reset_safe", self._is_wal_reset_safe)
        yield counter("store_busy_total", self._troubles.counts.get("busy", 0))
        errors = counter("store_errors_total")
        for reason, count in sorted(self._troubles.counts.items()):
            errors.add_metric([reason], count)
        yield errors
        yield from self._files()
        yield from self._health()
        if snapshot is not None:
            yield from _inside(snapshot, scrape.totals)

    def _files(self) -> Iterator[Metric]:
        try:
            facts = read_file_facts(self._path)
        except OSError:
            return  # not even a directory: absent says so better than 0
        sizes = gauge("store_size_bytes")
        for file, size in facts.size_bytes.items():
            sizes.add_metric([file], size)
        yield sizes
        yield gauge("store_filesystem_avail_bytes", facts.filesystem_avail_bytes)
        yield gauge("store_filesystem_size_bytes", facts.filesystem_size_bytes)

    def _health(self) -> Iterator[Metric]:
        """What maintenance found; what it has not looked at yet is absent, for an integrity of 0 pages."""
        condition = self._condition
        if condition.is_whole is not None:
            yield gauge("store_integrity_ok", condition.is_whole)
        frozen = gauge("store_frozen")
        reasons = {held.reason for held in self._holds.frozen()}
        reasons |= {_BAD_BACKUP} if self._holds.distrusted() else set()
        for reason in sorted({_DAMAGE, _BAD_BACKUP} | reasons):
            frozen.add_metric([reason], reason in reasons)
        yield frozen
        if condition.anomalies is not None:
            anomalies = gauge("store_anomalies")
            for kind, rows in sorted(condition.anomalies.items()):
                anomalies.add_metric([kind], rows)
            yield anomalies
        if condition.is_checkpoint_blocked is not None:
            yield gauge("store_checkpoint_blocked", condition.is_checkpoint_blocked)


def _inside(snapshot: Snapshot, totals: Mapping[TotalKey, int]) -> Iterator[Metric]:
    facts, view = snapshot.facts, snapshot.view
    yield gauge("store_pages", facts.pages)
    yield gauge("store_page_size_bytes", facts.page_size_bytes)
    yield gauge("store_freelist_bytes", facts.freelist_bytes)
    info = gauge("store_info")
    info.add_metric([snapshot.flavour, facts.schema_version, facts.journal_mode], 1)
    yield info
    if view.is_ready:
        rows = gauge("store_rows")
        rows.add_metric(["jobs"], sum(view.rollup.gauges.values()))
        yield rows
        skipped = counter("rows_skipped_total")
        for key, count in sorted(totals.items()):
            if key[0] == tally.SKIPPED:
                skipped.add_metric([key[2]], count)
        yield skipped
