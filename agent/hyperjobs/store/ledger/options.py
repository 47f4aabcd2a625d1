"""How a ledger is kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from hyperjobs.store.ledger.buckets import DEFAULT_BUCKETS
from hyperjobs.store.ledger.label import Providers


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerOptions:
    """What the operator can choose.

    Attributes:
        providers: the only ones with a label of their own; empty admits the first seen.
        max_providers: how many of those.
        bounds: histogram buckets in seconds, for a store that has no ledger yet.
        history: how long changes of status are kept.
        overlay_rows: a scrape adds at most so many unfolded log rows to the rollups; 3 µs each.
        is_audited: each change of status is put aside for an audit log, too.
        fold_rows: log rows folded a transaction; 1,000 hold the write lock for some milliseconds.
    """

    providers: tuple[str, ...] = ()
    max_providers: int = 50
    bounds: tuple[float, ...] = DEFAULT_BUCKETS
    history: timedelta = timedelta(days=90)
    overlay_rows: int = 10_000
    fold_rows: int = 1_000
    is_audited: bool = False

    def admission(self, admitted: list[str]) -> Providers:
        """Providers as admitted so far, with room for the rest."""
        return Providers(admitted, allowed=self.providers, most=self.max_providers)
