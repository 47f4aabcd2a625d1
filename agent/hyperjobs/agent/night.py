"""Unattended maintenance: the scheduler's slots become runs."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import structlog

from hyperjobs.agent.timetable import entries
from hyperjobs.errors import HyperjobsError
from hyperjobs.metrics.tasks import Planned
from hyperjobs.scheduler import Scheduler

if TYPE_CHECKING:
    from datetime import datetime

    from hyperjobs.agent.workshop import Workshop
    from hyperjobs.cron.slots import Slot
    from hyperjobs.maintenance.task import Task
    from hyperjobs.maintenance.timetable import TimetableEntry

log = structlog.get_logger(__name__)


class Night:
    """Runs the store's tasks by their schedules, from :meth:`start` to :meth:`stop`."""

    def __init__(self, workshop: Workshop) -> None:
        self._workshop = workshop
        self._stopping = threading.Event()
        self._entries = entries(workshop.config)
        self._tasks: dict[str, Task] = {}  # kept, for some compare with what they saw the last time
        self._planned: tuple[datetime, datetime, dict[str, Planned]] | None = None
        self._scheduler = Scheduler(self._entries, self._run, workshop.runs, workshop.clock)

    def start(self) -> None:
        """Begin; what was missed while nobody ran is looked at first."""
        tasks = [entry.task for entry in self._entries]
        self._workshop.runs.know(tasks, self._workshop.clock.now())
        self._workshop.runner.end_dead()
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

    def _run(self, task: str, slot: Slot) -> bool:
        if self._stopping.is_set():
            return False
        try:
            if task not in self._tasks:
                self._tasks[task] = self._workshop.task(task)
            self._workshop.runner.run(
                self._tasks[task],
                slot=slot.nominal,
                is_stopping=self._stopping.is_set,
                wait=self._stopping.wait,
            )
        except HyperjobsError as exc:
            # The task itself fails into its record; this is the record that could not be written.
            log.error("task.not_run", task=task, slot=slot.nominal, reason=exc.reason, error=str(exc))  # noqa: TRY400 - the message says all
        return True
