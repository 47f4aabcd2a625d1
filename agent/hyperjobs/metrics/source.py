"""What a source of metrics is, and what it is given for one scrape."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from prometheus_client.core import Metric

    from hyperjobs.store.continuity import Continuity
    from hyperjobs.store.ledger.tally import TotalKey
    from hyperjobs.store.reader import Snapshot, StoreReader


class Scrape:
    """One scrape: its time, and the store as of one moment, read when the first source asks."""

    def __init__(self, reader: StoreReader, continuity: Continuity, *, now: datetime, deadline_s: float | None) -> None:
        """``deadline_s`` is in the clock's ``monotonic``; ``None`` leaves the store its own limit."""
        self.now = now
        self._reader = reader
        self._continuity = continuity
        self._era = continuity.era
        self._deadline_s = deadline_s

    @cached_property
    def _snapshot(self) -> Snapshot | Exception:
        try:
            return self._reader.snapshot(now=self.now, deadline_s=self._deadline_s)
        except Exception as exc:  # noqa: BLE001 - every source that asks is told the same, without asking the store again
            return exc

    @property
    def snapshot(self) -> Snapshot:
        """The store at one moment.

        Raises:
            StoreError: it cannot be read; the same error for every source of this scrape.
        """
        found = self._snapshot
        if isinstance(found, Exception):
            raise found
        return found

    @cached_property
    def totals(self) -> dict[TotalKey, int]:
        """The ledger's totals as they are exported: never less than before."""
        view = self.snapshot.view
        return self._continuity.export(view.rollup.totals, is_whole=view.is_whole, era=self._era)


class Source(Protocol):
    """A group of metrics that is read together."""

    name: str
    """The ``collector`` label, from the catalogue's groups."""

    def collect(self, scrape: Scrape) -> Iterable[Metric]:
        """New families for this scrape; an error costs this source's metrics only."""
        ...
