"""Success windows: what finished in the hours up to now, without reading the past at every scrape."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hyperjobs.store.ledger.select import rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    import apsw

    from hyperjobs.store.ledger.tally import Tally

Finished = dict[tuple[str, str], int]
"""(provider, status) → jobs."""

WINDOWS = {"24h": 24, "7d": 7 * 24}
"""Name → hours, the current one and the ones before it."""

LIVE_HOURS = 2
"""The hours that jobs finish in now; a fold that touches an older one says so by a new ``past`` in hyperjobs_meta."""


class PastHours:
    """The sums of the hours that change no more, kept from scrape to scrape.

    A week of a busy store is thousands of rows: reading them costs more than all else of a scrape. They are read
    again when the hour turns, when a fold touched one of them, or when the store is another or an older one.
    """

    def __init__(self) -> None:
        self._key: tuple[object, ...] = ()
        self._sums: dict[str, Finished] = {}

    def windows(
        self, db: apsw.Connection, meta: Mapping[str, object], hour: int, tally: Tally | None
    ) -> dict[str, Finished]:
        """Each window's sums, with the unfolded tally on top; in the caller's read snapshot."""
        key = (meta["uuid"], meta.get("past"), hour)
        if key != self._key:
            self._sums = {name: _sum(db, hour - width + 1, hour - LIVE_HOURS) for name, width in WINDOWS.items()}
            self._key = key
        live = _sum(db, hour - LIVE_HOURS + 1, 2**62)
        return {name: _total(self._sums[name], live, tally, hour - width + 1) for name, width in WINDOWS.items()}


def _sum(db: apsw.Connection, first: int, last: int) -> Finished:
    sql = "SELECT provider,status,sum(jobs) FROM hyperjobs_hour WHERE hour BETWEEN ? AND ? GROUP BY provider,status"
    return {(provider, status): jobs for provider, status, jobs in rows(db, sql, (first, last))}


def _total(past: Finished, live: Finished, tally: Tally | None, since: int) -> Finished:
    total = dict(past)
    for key, jobs in live.items():
        total[key] = total.get(key, 0) + jobs
    for (hour, provider, status), cell in tally.hours.items() if tally else ():
        if hour >= since:
            total[provider, status] = total.get((provider, status), 0) + cell[0]
    return total
