"""Counters that outlive the store: what is exported is the store's total plus an offset, and never falls."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hyperjobs.store.state import StateFile

TotalKey = tuple[str, str, str, int]

_LARGEST = 2**62 - 1
"""Where the stored sums stop, too; it still fits into the state file when an offset is on top."""


class Continuity:
    """Keeps exported counters monotone through a store that was rolled back, replaced or counted anew.

    Thread-safe. Every value is an integer, so that a total read as rollup + log and the same total read after the
    fold are equal, and only a real loss looks like one.
    """

    def __init__(self, state: StateFile | None = None) -> None:
        """Without a state file it remembers for the life of the process."""
        self._state = state
        self._lock = threading.Lock()
        self._last: dict[TotalKey, int] = {}
        self._offset: dict[TotalKey, int] = {}
        self._dirty: set[TotalKey] = set()
        if state is not None:
            for key, last, offset in state.counters():
                self._last[key], self._offset[key] = last, offset

    def export(self, totals: Mapping[TotalKey, int]) -> dict[TotalKey, int]:
        """The totals to show: each one at least what was shown before."""
        with self._lock:
            shown = {}
            for key in totals.keys() | self._last.keys():
                value = min(totals.get(key, 0) + self._offset.get(key, 0), _LARGEST)
                last = self._last.get(key, 0)
                if value < last:
                    self._offset[key] = self._offset.get(key, 0) + last - value
                    value = last
                    self._dirty.add(key)
                elif value > last:
                    self._last[key] = value
                    self._dirty.add(key)
                shown[key] = value
            return shown

    def save(self) -> None:
        """Write what changed to the state file."""
        with self._lock:
            if self._state is None or not self._dirty:
                return
            rows: list[tuple[Any, ...]] = [
                (*key, self._last.get(key, 0), self._offset.get(key, 0)) for key in self._dirty
            ]
            self._state.save_counters(rows)
            self._dirty.clear()
