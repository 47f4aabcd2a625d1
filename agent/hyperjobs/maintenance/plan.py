"""What comes next of each task: for the timer, and for people."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from hyperjobs.maintenance.delay import SLACK, with_due
from hyperjobs.maintenance.timetable import is_open

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from hyperjobs.cron.slots import Slot
    from hyperjobs.maintenance.timetable import TimetableEntry


@dataclass(frozen=True, slots=True)
class Planned:
    """A slot that is to come.

    Attributes:
        starts: when it will begin: its instant, the jitter, and the wait for the window.
    """

    entry: TimetableEntry
    slot: Slot
    starts: datetime


def next_slot(entry: TimetableEntry, now: datetime) -> Planned | None:
    """What of a task begins next, later than now."""
    return next(_planned(entry, now), None)


def upcoming(entries: Iterable[TimetableEntry], now: datetime, count: int) -> list[Planned]:
    """What begins next, so many of each task; by when it begins, and what begins together in the order of entries."""
    planned = [each for entry in entries for each in islice(_planned(entry, now), count)]
    return sorted(planned, key=lambda each: each.starts)


def next_look(entry: TimetableEntry, now: datetime) -> datetime | None:
    """When a task is to be looked at again: its next slot comes due, or its window opens for one that waits."""
    slot = next_slot(entry, now)
    looks = [] if slot is None else [slot.starts]
    if not is_open(entry, now) and entry.window is not None:
        looks.append(entry.window.next_open(now, entry.zone))
    return min(looks, default=None)


def _planned(entry: TimetableEntry, now: datetime) -> Iterator[Planned]:
    """What is to come, by when it comes due."""
    held: list[tuple[datetime, Slot]] = []
    for slot, due in with_due(entry, entry.schedule.after(now - entry.jitter - SLACK)):
        # With jitter a slot may come due before an earlier one: it is held until none can come before it.
        while held and held[0][0] <= slot.at:
            yield _plan(entry, held.pop(0))
        if due > now:
            held = sorted([*held, (due, slot)], key=lambda each: each[0])
    for each in held:
        yield _plan(entry, each)


def _plan(entry: TimetableEntry, each: tuple[datetime, Slot]) -> Planned:
    due, slot = each
    return Planned(entry, slot, due if entry.window is None else entry.window.next_open(due, entry.zone))
