"""Runs of maintenance and what was done beside them, as one list."""

from __future__ import annotations

import heapq
import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hyperjobs.store.events import Event, Events
    from hyperjobs.store.runs import Run, Runs


def latest(runs: Runs, events: Events, task: str | None, limit: int) -> list[Run | Event]:
    """The newest of both, newest first; of one task or kind of event, or of all.

    Each is in the order in which it was recorded, which no clock that was set can change.
    """
    merged: Iterator[Run | Event] = heapq.merge(
        runs.latest(task, limit), events.latest(task, limit), key=lambda each: each.started_at, reverse=True
    )
    return list(itertools.islice(merged, limit))
