"""Which task is due: slots held against a mark of how far each task has been looked after.

A task's mark stands at the last slot that was decided: run, or counted as missed. Whatever lies between the mark and
now is still to be decided, so a restart, a sleep or a clock that was set forward neither loses nor repeats a slot. A
clock that was set back before the mark takes the mark with it, and the ledger of runs keeps what has run from running
again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from hyperjobs.maintenance.delay import SLACK, TICK, with_due

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from hyperjobs.cron.slots import Recurrence, Slot
    from hyperjobs.cron.window import Window

PUNCTUAL = timedelta(minutes=1)
"""So late a slot may always run, however short ``catch_up`` is: a timer is never exact."""

_MOST_ASKED = 1000
"""Of so many slots that were passed over, the newest, the ledger of runs is asked; older ones count as missed."""
_LONGEST = timedelta(days=3653)
"""Missed slots older than ten years are not counted: a clock that is centuries off tells nothing."""


class Marks(Protocol):
    """What a timetable remembers; it outlives the agent."""

    def mark(self, task: str, schedule: str) -> datetime | None:
        """How far a task has been looked after by this schedule, to the microsecond.

        ``None`` before its first start, and when the last mark was set by another schedule: what a new one would have
        had in the past is not made up for.
        """
        ...

    def set_mark(self, task: str, schedule: str, at: datetime) -> None:
        """Remember it, in place of what was there for the task."""
        ...

    def has_run(self, task: str, slot: str) -> bool:
        """Whether the ledger of runs holds this slot, by its nominal name."""
        ...

    def add_missed(self, task: str, count: int) -> None:
        """Count slots that were passed over."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TimetableEntry:
    """When one task runs.

    Attributes:
        task: its name.
        schedule: when its slots are.
        zone: what the window, and times shown to people, are in.
        jitter: each slot begins later by a part of this that is its own, and is the same whenever it is asked for.
        seed: makes that part differ between hosts.
        catch_up: how late a slot that was slept through may still run; ``None``: until the next one comes.
        window: a slot that would begin outside it waits until it opens.
        is_light: it has its own worker, and waits for no heavy task.
    """

    task: str
    schedule: Recurrence
    zone: ZoneInfo
    jitter: timedelta = timedelta(0)
    seed: str = ""
    catch_up: timedelta | None = None
    window: Window | None = None
    is_light: bool = False


@dataclass(frozen=True, slots=True)
class _Passed:
    """A slot between the mark and now; ``due`` differs for any two slots of a task."""

    slot: Slot
    due: datetime


class Timetable:
    """Decides what is due; one caller at a time for each task.

    Args:
        marks: what it remembers.
    """

    def __init__(self, marks: Marks) -> None:
        self._marks = marks

    def due(self, entry: TimetableEntry, now: datetime, *, awake_since: datetime | None = None) -> Slot | None:
        """The slot to run now, if there is one; call :meth:`finish` after its run.

        Of the slots that were not decided yet only the newest runs, if it is not too late; several at one instant,
        as a gap in local time makes them, run one after the other. The others are counted as missed.

        Args:
            entry: the task.
            now: the current instant.
            awake_since: since when somebody has been looking without a break. What came due later was not slept
                through: if it is late, then because others ran, and ``catch_up`` does not end it.
        """
        self.anchor(entry, now)
        mark = self._mark(entry) or now
        passed = self._passed(entry, mark, now)
        if not passed:
            return None
        newest = max(passed, key=lambda each: each.due)
        together = sorted((each for each in passed if each.slot.at == newest.slot.at), key=lambda each: each.due)
        waiting = [each for each in together if not self._has_run(entry, each)]
        others = [each for each in passed if each.slot.at != newest.slot.at]
        missed = self._count_missed(entry, mark, passed) + sum(not self._has_run(entry, each) for each in others)
        if waiting and not _may_run(entry, newest.due, now, awake_since):
            missed, waiting = missed + len(waiting), []
        if missed:
            self._marks.add_missed(entry.task, missed)
        decided = waiting[0].due - TICK if waiting else newest.due
        if decided > mark:
            self._set_mark(entry, decided)
        if not waiting or not is_open(entry, now):
            return None
        return waiting[0].slot

    def finish(self, entry: TimetableEntry, slot: Slot, now: datetime) -> None:
        """Say that the slot :meth:`due` gave was run, however that ended; it does not come again."""
        mark = self._mark(entry)
        due = next(due for each, due in with_due(entry, entry.schedule.before(slot.at)) if each == slot)
        if mark is not None and mark < due <= now:
            self._set_mark(entry, due)
        self.anchor(entry, now)

    def anchor(self, entry: TimetableEntry, now: datetime) -> None:
        """Put the mark at now where there is none, or one in the future.

        To be called at the start and as soon as the clock was set back: what comes due between that moment and the
        next call of :meth:`due` would be passed over.
        """
        mark = self._mark(entry)
        if mark is None or now < mark:
            self._set_mark(entry, now)

    def _mark(self, entry: TimetableEntry) -> datetime | None:
        return self._marks.mark(entry.task, str(entry.schedule))

    def _set_mark(self, entry: TimetableEntry, at: datetime) -> None:
        self._marks.set_mark(entry.task, str(entry.schedule), at)

    def _has_run(self, entry: TimetableEntry, passed: _Passed) -> bool:
        return self._marks.has_run(entry.task, passed.slot.nominal)

    def _passed(self, entry: TimetableEntry, mark: datetime, now: datetime) -> list[_Passed]:
        """The slots that came due after the mark, the newest of them if there are very many."""
        found: list[_Passed] = []
        for slot, due in with_due(entry, entry.schedule.before(now)):
            if slot.at <= mark - entry.jitter - SLACK or len(found) >= _MOST_ASKED:
                break
            if mark < due <= now:
                found.append(_Passed(slot, due))
        return found

    def _count_missed(self, entry: TimetableEntry, mark: datetime, passed: list[_Passed]) -> int:
        """How many came due after the mark beside those that were looked at."""
        if len(passed) < _MOST_ASKED:
            return 0
        oldest = min(each.slot.at for each in passed)
        if mark < oldest - _LONGEST:
            return entry.schedule.count(oldest - _LONGEST, oldest - TICK)
        delayed = with_due(entry, entry.schedule.between(mark - entry.jitter - SLACK, mark))
        looked_at = sum(each.slot.at == oldest for each in passed)
        return entry.schedule.count(mark, oldest) - looked_at + sum(due > mark for _, due in delayed)


def _may_run(entry: TimetableEntry, due: datetime, now: datetime, awake_since: datetime | None) -> bool:
    if entry.catch_up is None or (awake_since is not None and due >= awake_since):
        return True
    return now - due < max(entry.catch_up, PUNCTUAL)


def is_open(entry: TimetableEntry, now: datetime) -> bool:
    """Whether a slot of the task may begin now, as far as its window goes."""
    return entry.window is None or entry.window.contains(now, entry.zone)
