"""Counters that outlive the store: what is exported is the store's total plus an offset, and never falls."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hyperjobs.store.state import StateFile

TotalKey = tuple[str, str, str, int]

LEDGER, ROWS = "ledger", "rows"
"""What totals are counted from: the ledger, or, where there is none, the rows that are left."""

_LARGEST = 2**62 - 1
"""Where the stored sums stop, too; it still fits into the state file when an offset is on top."""


class Continuity:
    """Keeps exported counters monotone through a store that was rolled back, replaced or counted anew.

    Thread-safe. Every value is an integer, so that a total read as rollup + log and the same total read after the
    fold are equal, and only a real loss looks like one. Totals that are known to be short of something, a log too long
    to add up at once or a count that is not done, are shown and change nothing: an offset that made up for them would
    count the missing part again when it comes.
    """

    def __init__(self, state: StateFile | None = None) -> None:
        """Without a state file it remembers for the life of the process."""
        self._state = state
        self._lock = threading.Lock()
        self._last: dict[TotalKey, int] = {}
        self._offset: dict[TotalKey, int] = {}
        self._dirty: set[TotalKey] = set()
        self._base = LEDGER
        self._is_base_new = False
        self._era = 0
        if state is not None:
            self._base = state.facts().get("base", LEDGER)
            for key, last, offset in state.counters():
                self._last[key], self._offset[key] = last, offset

    @property
    def era(self) -> int:
        """One more whenever offsets were moved; to be read before totals are."""
        return self._era

    def shown(self) -> dict[TotalKey, int]:
        """What was shown last; to be read before the totals that :meth:`settle` compares with it."""
        with self._lock:
            return dict(self._last)

    def export(
        self, totals: Mapping[TotalKey, int], *, is_whole: bool = True, era: int | None = None
    ) -> dict[TotalKey, int]:
        """The totals to show: each one at least what was shown before.

        Args:
            totals: of the ledger; while rows are what is counted, those settled last are shown instead.
            is_whole: whether nothing is missing in them, so that one that is too small was lost.
            era: what :attr:`era` was before they were read; offsets of another era are not theirs.
        """
        with self._lock:
            if self._base != LEDGER or era not in {None, self._era}:
                return dict(self._last)
            shown = {}
            for key in totals.keys() | self._last.keys():
                value = self._shifted(key, totals)
                last = self._last.get(key, 0)
                if value < last and not is_whole:
                    value = last
                elif value < last:
                    self._offset[key] = self._offset.get(key, 0) + last - value
                    value = last
                    self._dirty.add(key)
                elif value > last:
                    self._last[key] = value
                    self._dirty.add(key)
                shown[key] = value
            return shown

    def settle(self, totals: Mapping[TotalKey, int], base: str, shown: Mapping[TotalKey, int]) -> None:
        """Let growth go on from what was shown: after a rollback, a new count, or a change of what is counted from.

        Args:
            totals: whole ones.
            base: ``LEDGER`` or ``ROWS``. Totals of another base than before say nothing of what was lost, so their
                offsets are set anew, up or down.
            shown: :meth:`shown` from before the totals were read; a later scrape may have shown more of them.
        """
        with self._lock:
            for key in totals.keys() | shown.keys():
                before = self._offset.get(key, 0)
                wanted = shown[key] - totals.get(key, 0) if key in shown else 0
                offset = wanted if base != self._base else max(before, wanted)
                if offset != before:
                    self._offset[key] = offset
                    self._era += 1
                value = min(totals.get(key, 0) + offset, _LARGEST)
                if value > self._last.get(key, 0):
                    self._last[key] = value
                elif offset == before:
                    continue
                self._dirty.add(key)
            if base != self._base:
                self._base = base
                self._era += 1
                self._is_base_new = True

    def _shifted(self, key: TotalKey, totals: Mapping[TotalKey, int]) -> int:
        return min(totals.get(key, 0) + self._offset.get(key, 0), _LARGEST)

    def save(self) -> None:
        """Write what changed to the state file."""
        with self._lock:
            if self._state is None or not (self._dirty or self._is_base_new):
                return
            rows: list[tuple[Any, ...]] = [
                (*key, self._last.get(key, 0), self._offset.get(key, 0)) for key in self._dirty
            ]
            self._state.save_counters(rows, base=self._base if self._is_base_new else None)
            self._is_base_new = False
            self._dirty.clear()
