"""When tasks run by themselves: the scheduling library, given our own slots.

APScheduler is the timer and the workers. What is due is the timetable's to say, so a timer that goes off too early, too
late or twice does no harm; it only has to go off.
"""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor  # type: ignore[import-untyped] # the library has no types
from apscheduler.jobstores.base import JobLookupError  # type: ignore[import-untyped] # as above
from apscheduler.schedulers.background import BackgroundScheduler  # type: ignore[import-untyped] # as above
from apscheduler.triggers.base import BaseTrigger  # type: ignore[import-untyped] # as above

from hyperjobs.clock import ClockWatch
from hyperjobs.maintenance.plan import next_look, next_slot
from hyperjobs.maintenance.timetable import Timetable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hyperjobs.clock import Clock
    from hyperjobs.cron.slots import Slot
    from hyperjobs.maintenance.plan import Planned
    from hyperjobs.maintenance.timetable import Marks, TimetableEntry

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 5.0
_ONE_AT_WORK_ONE_WAITING = 2
_LONGEST_WAIT = timedelta(hours=1)
"""A timer that goes off in vain costs nothing; one that was lost would cost a night."""


class Scheduler:
    """Runs each task at its slots: heavy tasks one after the other, light ones beside them.

    Tasks that fall due together run in the order of the entries. A start looks at once for what was missed.

    Args:
        entries: the tasks, in the order in which they run when several are due.
        run: does the work of one slot; what it raises is logged, and the next slot comes all the same. ``False``
            when a stop came before it began: the slot is then still to be run, by whoever comes next.
        marks: what outlives the agent.
        clock: the wall clock that slots are held against, and the monotonic one that tells when it was set.
        look_every_s: how often, in real seconds, the two are compared.
    """

    def __init__(
        self,
        entries: Sequence[TimetableEntry],
        run: Callable[[str, Slot], object],
        marks: Marks,
        clock: Clock,
        *,
        look_every_s: float = LOOK_EVERY_S,
    ) -> None:
        self._entries = tuple(entries)
        self._clock = clock
        self._look_every_s = look_every_s
        self._watch = ClockWatch(clock)
        self._stopping = threading.Event()
        self._arming = threading.Lock()
        timetable = Timetable(marks)
        heavy = [entry for entry in self._entries if not entry.is_light]
        light = [entry for entry in self._entries if entry.is_light]
        self._lanes = [
            _Lane(name, lane, run, timetable, clock, self._watch, self._stopping, self._rearm)
            for name, lane in (("heavy", heavy), ("light", light))
            if lane
        ]
        logging.getLogger("apscheduler").setLevel(logging.ERROR)  # it tells of each timer; what ran is ours to tell
        self._library = BackgroundScheduler(timezone=UTC, daemon=True)
        self._looker = threading.Thread(target=self._look_again_and_again, name="schedule", daemon=True)

    def start(self) -> None:
        """Begin; what is due is looked for at once."""
        self._watch.begin()
        for lane in self._lanes:
            lane.anchor()
            self._library.add_executor(ThreadPoolExecutor(max_workers=1), lane.name)
            self._library.add_job(
                lane.turn,
                _SlotTrigger(lane),
                id=lane.name,
                executor=lane.name,
                next_run_time=datetime.now(UTC),
                misfire_grace_time=None,
                coalesce=True,
                # The one that waits finds what came due while the other worked, so no third is needed.
                max_instances=_ONE_AT_WORK_ONE_WAITING,
            )
        self._library.start()
        self._looker.start()

    def look(self) -> None:
        """Compare the clocks, and look for what is due if the wall clock was set, a look failed or a timer is late."""
        steps = self._watch.steps_s()
        for step_s in steps:
            log.warning("scheduler.clock_stepped", seconds=round(step_s, 3))
        for lane in self._lanes:
            if steps:
                lane.anchor()
            if steps or lane.has_failed or lane.looks_at <= self._clock.now():
                self._rearm(lane)

    def next_run(self, task: str) -> Planned | None:
        """What of a task comes next."""
        now = self._clock.now()
        return next((next_slot(entry, now) for entry in self._entries if entry.task == task), None)

    def stop(self, timeout_s: float) -> bool:
        """End all waiting at once; no further run begins.

        A run that is at work has its own way to be told; it is waited for.

        Returns:
            Whether everything ended in time.
        """
        self._stopping.set()
        if self._library.running:
            self._library.shutdown(wait=False)
        until_s = self._clock.monotonic() + timeout_s
        if self._looker.ident is not None:
            self._looker.join(max(until_s - self._clock.monotonic(), 0))
        return all(lane.join(max(until_s - self._clock.monotonic(), 0)) for lane in self._lanes)

    def _rearm(self, lane: _Lane, looked_at: datetime | None = None) -> None:
        """Set a lane's timer, counted from its last look; without one it goes off at once."""
        # What is counted and what is set must not be parted, or an older answer could take the place of a newer.
        with self._arming:
            wait = timedelta(0) if looked_at is None else lane.wait(looked_at)
            try:
                self._library.modify_job(lane.name, next_run_time=datetime.now(UTC) + wait)
            except JobLookupError:
                if not self._stopping.is_set():  # else the library has put its timers away already
                    raise

    def _look_again_and_again(self) -> None:
        while not self._stopping.wait(self._look_every_s):
            try:
                self.look()
            except Exception:  # the look after a suspend or a set clock must go on; the next one tries again
                log.exception("scheduler.look_failed")


class _Lane:
    """The tasks of one worker."""

    def __init__(  # noqa: PLR0913, PLR0917 - the scheduler's own parts
        self,
        name: str,
        entries: Sequence[TimetableEntry],
        run: Callable[[str, Slot], object],
        timetable: Timetable,
        clock: Clock,
        watch: ClockWatch,
        stopping: threading.Event,
        rearm: Callable[[_Lane, datetime], None],
    ) -> None:
        self.name = name
        self.entries = tuple(entries)
        self.has_failed = False
        self.looks_at = clock.now() + _LONGEST_WAIT
        self._run = run
        self._timetable = timetable
        self._clock = clock
        self._watch = watch
        self._stopping = stopping
        self._rearm = rearm
        self._working = threading.Lock()
        self._failure: str | None = None

    def turn(self) -> None:
        """Run what is due, the first entry first, until nothing is."""
        with self._working:
            try:
                while not self._stopping.is_set():
                    looked_at = self._clock.now()
                    found = self._due(looked_at)
                    if found is None:
                        # Counted from the look, so that what has come due since is not passed over.
                        self._rearm(self, looked_at)
                        break
                    self._run_one(*found)
            except Exception as exc:  # noqa: BLE001 - the marks cannot be read or written now; the next look tries again
                self._failed(exc)
            else:
                self.has_failed, self._failure = False, None

    def anchor(self) -> None:
        """Count from now where nothing is known, or the clock was set back before what is known.

        At once and beside the worker: a run may keep it from looking for hours.
        """
        try:
            for entry in self.entries:
                self._timetable.anchor(entry, self._clock.now())
        except Exception as exc:  # noqa: BLE001 - as above
            self._failed(exc)

    def wait(self, looked_at: datetime) -> timedelta:
        """How long until the first task is to be looked at again, when all were looked at then."""
        now = self._clock.now()
        looked_at = min(looked_at, now)  # the clock may have been set back since
        looks = (next_look(entry, looked_at) for entry in self.entries)
        self.looks_at = min([now + _LONGEST_WAIT, *(look for look in looks if look is not None)])
        return max(self.looks_at - now, timedelta(0))

    def wait_from_now(self) -> timedelta:
        """How long until the first task is to be looked at again, when all are being looked at now."""
        return self.wait(self._clock.now())

    def join(self, timeout_s: float) -> bool:
        """Wait for the end of the run at work; whether it came."""
        is_idle = self._working.acquire(timeout=timeout_s)
        if is_idle:
            self._working.release()
        return is_idle

    def _failed(self, exc: Exception) -> None:
        self.has_failed = True
        if str(exc) != self._failure:
            log.error("scheduler.look_failed", lane=self.name, error=str(exc), exc_info=exc)
        self._failure = str(exc)

    def _due(self, now: datetime) -> tuple[TimetableEntry, Slot] | None:
        """The first entry that is due; all are asked by one time, so that none is passed over for a later one."""
        for entry in self.entries:
            awake_since = self._watch.awake_since()
            slot = self._timetable.due(entry, now, awake_since=awake_since)
            if slot is not None:
                return entry, slot
        return None

    def _run_one(self, entry: TimetableEntry, slot: Slot) -> None:
        has_begun = True
        try:
            has_begun = self._run(entry.task, slot) is not False
        except Exception:  # a fault of one task must not end the thread that starts the others
            log.exception("scheduler.run_failed", task=entry.task, slot=slot.nominal)
        finally:
            if has_begun:
                self._timetable.finish(entry, slot, self._clock.now())


class _SlotTrigger(BaseTrigger):  # type: ignore[misc] # the library has no types
    """Goes off when one of a lane's tasks is to be looked at."""

    def __init__(self, lane: _Lane) -> None:
        self._lane = lane

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:  # noqa: ARG002 - the library's signature
        """The instant by the library's clock, later than its ``now``; the turn at work sets it again when it ends."""
        return max(datetime.now(UTC), now) + self._lane.wait_from_now() + timedelta(microseconds=1)
