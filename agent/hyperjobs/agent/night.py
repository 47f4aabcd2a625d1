"""Unattended maintenance: the scheduler's slots become runs."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import structlog

from hyperjobs.agent.timetable import entries
from hyperjobs.errors import HyperjobsError
from hyperjobs.metrics.tasks import Planned
from hyperjobs.scheduler import Scheduler
from hyperjobs.store.runs import Outcome

if TYPE_CHECKING:
    from datetime import datetime

    from hyperjobs.agent.workshop import Workshop
    from hyperjobs.cron.slots import Slot
    from hyperjobs.maintenance.task import Report, Task, Turn
    from hyperjobs.maintenance.timetable import TimetableEntry

log = structlog.get_logger(__name__)

_TRY_AGAIN_S = 5.0


class _Unmade:
    """A task that cannot be made, such as one whose options do not fit together: a run of it fails, and says why."""

    heeds_freeze = False

    def __init__(self, name: str, error: HyperjobsError) -> None:
        self.name = name
        self._error = error

    def run(self, _turn: Turn) -> Report:
        raise self._error


class Night:
    """Runs the store's tasks by their schedules, from :meth:`start` to :meth:`stop`."""

    def __init__(self, workshop: Workshop) -> None:
        self._workshop = workshop
        self._stopping = threading.Event()
        self._entries = entries(workshop.config)
        self._tasks: dict[str, Task] = {}  # kept, for some compare with what they saw the last time
        self._not_run: tuple[str, str, str] | None = None
        self._planned: tuple[datetime, datetime, dict[str, Planned]] | None = None
        self._scheduler = Scheduler(self._entries, self._run, workshop.runs, workshop.clock)

    def start(self) -> None:
        """Begin; what was missed while nobody ran is looked at first."""
        try:
            tasks = [entry.task for entry in self._entries]
            self._workshop.runs.know(tasks, self._workshop.clock.now())
            self._workshop.runner.end_dead()
        except HyperjobsError as exc:  # the runs themselves will say so, or find it mended
            log.warning("task.records_not_tidied", reason=exc.reason, error=str(exc))
        self._scheduler.start()

    def retire(self) -> bool:
        """Begin no other run, and let the one under way come to its end; whether there was none.

        For a reload: a backup that takes an hour is not thrown away because an option changed.
        """
        return self._scheduler.stop(0.0)

    def ask_to_stop(self) -> None:
        """Begin no other run, and tell the one under way to end; returns at once."""
        self._scheduler.stop(0.0)
        self._stopping.set()

    def stop(self, timeout_s: float) -> bool:
        """End; whether the run that was under way ended in time."""
        self.ask_to_stop()
        return self._scheduler.stop(timeout_s)

    @property
    def entries(self) -> list[TimetableEntry]:
        """The scheduled tasks, in the order in which they run when several are due."""
        return self._entries

    def planned(self) -> dict[str, Planned]:
        """When each task runs next; worked out anew when that time has come, or the clock was set back."""
        now = self._workshop.clock.now()
        if self._planned is None or not self._planned[0] <= now < self._planned[1]:
            found = {entry.task: self._plan(entry, now) for entry in self._entries}
            until = min((plan.next_at for plan in found.values() if plan.next_at is not None), default=now)
            self._planned = now, until, found
        return self._planned[2]

    def _plan(self, entry: TimetableEntry, now: datetime) -> Planned:
        coming = self._scheduler.next_run(entry.task)
        interval = entry.schedule.expected_interval(now)
        return Planned(coming.starts if coming is not None else None, interval.total_seconds())

    def _task(self, name: str) -> Task:
        if name not in self._tasks:
            try:
                self._tasks[name] = self._workshop.task(name)
            except HyperjobsError as exc:
                return _Unmade(name, exc)
        return self._tasks[name]

    def _run(self, task: str, slot: Slot) -> bool:
        """One slot; whether that is decided. One that our own stop kept from its end is there for the next start."""
        if self._stopping.is_set():
            return False
        try:
            finished = self._workshop.runner.run(
                self._task(task), slot=slot.nominal, is_stopping=self._stopping.is_set, wait=self._stopping.wait
            )
            if finished is not None and finished.run.outcome is Outcome.INTERRUPTED and self._stopping.is_set():
                self._workshop.runs.release_slot(finished.run)
                return False
        except HyperjobsError as exc:
            # The task itself fails into its record; this is the record that could not be written. It is tried again.
            if (task, slot.nominal, exc.reason) != self._not_run:
                log.error("task.not_run", task=task, slot=slot.nominal, reason=exc.reason, error=str(exc))  # noqa: TRY400 - the message says all
            self._not_run = task, slot.nominal, exc.reason
            self._stopping.wait(_TRY_AGAIN_S)
            return False
        return True
