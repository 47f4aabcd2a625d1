"""The daily check of the live store: its pages, its rows, its references, its ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hyperjobs.maintenance.integrity.live import LiveStore
from hyperjobs.maintenance.task import Report
from hyperjobs.store.semantic import check_rows
from hyperjobs.store.soundness import count_orphans
from hyperjobs.store.verdict import READER_BREAKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hyperjobs.maintenance.integrity.live import Freeze, SetIntegrity, Whole
    from hyperjobs.maintenance.task import Turn
    from hyperjobs.store.semantic import Findings


class QuickTask:
    """``quick_check`` on the live store and a look at every row; writers do not notice.

    Damage freezes the store and fails the run. Impossible rows, orphans and drift are counted: they are not damage.

    Args:
        store: its path.
        freeze: see :class:`~hyperjobs.maintenance.integrity.live.LiveStore`; so is ``set_integrity``.
        check_drift: compares the ledger with the table and puts it right; returns by how many jobs it was off. Given
            what tells it to stop. Without it, as with a store without a ledger, nothing is compared.
    """

    name = "integrity-quick"
    heeds_freeze = False

    def __init__(
        self,
        store: Path,
        *,
        freeze: Freeze,
        set_integrity: SetIntegrity,
        check_drift: Callable[[Callable[[], bool]], int] | None = None,
    ) -> None:
        self._live = LiveStore(store, freeze=freeze, set_integrity=set_integrity)
        self._check_drift = check_drift

    def run(self, turn: Turn) -> Report:
        """Check once.

        Raises:
            StoreDamagedError: the store is damaged, and frozen now.
            StoreError: it cannot be looked at, or a stop came.
        """
        started_s = turn.clock.monotonic()
        turn.progress("pages", 0, 1)
        whole = self._live.check(turn, "quick_check")
        turn.progress("pages", 1, 1)
        pages_s = turn.clock.monotonic()
        with self._live.reading(turn) as connection:
            findings = check_rows(
                connection,
                whole.flavour,
                now=turn.now,
                keep_on=turn.keep_on,
                progress=lambda done, rows: turn.progress("rows", done, rows),
                rest=turn.wait,
            )
            orphans = count_orphans(connection, turn.keep_on)
        turn.keep_on()
        drift = self._check_drift(turn.is_stopping) if self._check_drift is not None and not turn.is_dry else None
        detail: dict[str, Any] = {
            "checked": "quick_check",
            "rows": findings.rows,
            "anomalies": findings.counts,
            "examples": findings.examples,
            "orphans": orphans,
            "masked_pages": whole.cover.frames,
            "rewritten_pages": whole.cover.written,
            "pages_seconds": round(pages_s - started_s, 3),
            "seconds": round(turn.clock.monotonic() - started_s, 3),
        }
        if drift is not None:
            detail["drift_jobs"] = drift
        return Report(summary=_summary(whole, findings, orphans, drift), detail=detail)


def _summary(whole: Whole, findings: Findings, orphans: dict[str, int], drift: int | None) -> str:
    found = ", ".join(f"{rows:,} {kind}" for kind, rows in findings.found.items())
    # What is damage and what is not must not look alike: a person is woken by one of them.
    rows = f"{findings.rows:,} jobs, impossible values in some: {found}" if found else f"{findings.rows:,} sound jobs"
    if READER_BREAKING & findings.found.keys():
        rows += " (for some of these hypersdk's own client cannot list any job)"
    told = f"the pages are whole{whole.said_of_wal}; {rows}"
    if orphans:
        told += f"; {sum(orphans.values()):,} rows whose job is gone, as hypersdk's daemon leaves them"
    if drift:
        told += f"; the ledger was off by {drift:,} jobs and was put right"
    return told
