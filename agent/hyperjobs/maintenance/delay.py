"""When a slot comes due: its instant, and the delay that keeps many hosts from working at the same moment."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from hyperjobs.cron.slots import Slot
    from hyperjobs.maintenance.timetable import TimetableEntry

TICK = timedelta(microseconds=1)
SLACK = timedelta(seconds=1)
"""More than the ticks by which slots of one instant are told apart."""


def with_due(entry: TimetableEntry, slots: Iterator[Slot]) -> Iterator[tuple[Slot, datetime]]:
    """Slots with the instants they come due, which are apart by a microsecond where slots share one."""
    for _, each in groupby(slots, key=lambda slot: slot.at):
        together = list(each)
        names = sorted(slot.nominal for slot in together)
        for slot in together:
            yield slot, _due(entry, slot, names.index(slot.nominal))


def _due(entry: TimetableEntry, slot: Slot, rank: int) -> datetime:
    return slot.at + _delay(entry, slot) + rank * TICK


def _delay(entry: TimetableEntry, slot: Slot) -> timedelta:
    if not entry.jitter:
        return timedelta(0)
    digest = hashlib.sha256(f"{entry.seed}\n{entry.task}\n{slot.at.isoformat()}".encode()).digest()
    return entry.jitter * (int.from_bytes(digest[:4]) / 2**32)
