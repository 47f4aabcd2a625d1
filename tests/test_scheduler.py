"""The scheduler's threads, with the clock in the test's hands."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from structlog.testing import capture_logs

from hyperjobs.clock import SystemClock
from hyperjobs.cron.every import Every
from hyperjobs.cron.expression import parse_schedule
from hyperjobs.maintenance.timetable import TimetableEntry
from hyperjobs.scheduler import Scheduler
from hyperjobs.testing import FakeClock
from support.marks import MemoryMarks

NIGHT = datetime(2026, 5, 5, 2, 30, tzinfo=UTC)
EVENING = NIGHT - timedelta(hours=8)
DAY = timedelta(days=1)
DEADLINE_S = 20
NEVER_S = 3600.0


def entry(task, text="30 2 * * *", *, is_light=False, **options):
    schedule = Every(timedelta(minutes=5)) if is_light else parse_schedule(text)
    return TimetableEntry(task=task, schedule=schedule, zone=ZoneInfo("UTC"), is_light=is_light, **options)


class Work:
    """Runs that are written down, and that can be held up."""

    def __init__(self, marks):
        self.marks = marks
        self.changed = threading.Condition()
        self.begun = []
        self.ended = []
        self.held = {}
        self.errors = {}

    def hold(self, task):
        """Let runs of a task begin and not end, until the event is set."""
        return self.held.setdefault(task, threading.Event())

    def __call__(self, task, slot):
        with self.changed:
            self.marks.record(task, slot)
            self.begun.append(task)
            self.changed.notify_all()
        if task in self.held:
            assert self.held[task].wait(DEADLINE_S)
        with self.changed:
            self.ended.append(task)
            self.changed.notify_all()
        if task in self.errors:
            raise self.errors[task]

    def wait_begun(self, *tasks):
        self._wait("begun", tasks)

    def wait_ended(self, *tasks):
        self._wait("ended", tasks)

    def _wait(self, which, tasks):
        with self.changed:
            assert self.changed.wait_for(lambda: len(getattr(self, which)) >= len(tasks), DEADLINE_S), self.begun
            assert getattr(self, which) == list(tasks)


class Night:
    """A scheduler that the test starts and looks with."""

    def __init__(self, *entries, now=EVENING, clock=None, look_every_s=NEVER_S):
        self.marks = MemoryMarks()
        self.clock = clock or FakeClock(now)
        for each in entries:
            self.marks.set_mark(each.task, str(each.schedule), self.clock.now())
        self.work = Work(self.marks)
        self.scheduler = Scheduler(entries, self.work, self.marks, self.clock, look_every_s=look_every_s)

    def __enter__(self):
        self.scheduler.start()
        return self

    def __exit__(self, *_):
        for event in self.work.held.values():
            event.set()
        assert self.scheduler.stop(DEADLINE_S)

    def wait_until(self, holds):
        """Look again and again until something holds."""
        deadline_s = time.monotonic() + DEADLINE_S
        while not holds():
            assert time.monotonic() < deadline_s
            self.scheduler.look()

    def pass_until(self, now):
        """Let time pass to an instant, and look."""
        self.clock.advance(now - self.clock.now())
        self.scheduler.look()


def test_a_task_runs_at_its_slot_and_not_before():
    with Night(entry("backup")) as night:
        night.pass_until(NIGHT - timedelta(seconds=1))
        night.pass_until(NIGHT)

        night.work.wait_ended("backup")
    assert night.marks.runs == [("backup", "2026-05-05T02:30 UTC")]


def test_the_timer_goes_off_by_itself_when_the_slot_comes():
    class Ahead(SystemClock):
        """The machine's clock, set so that the night begins in a moment."""

        by = NIGHT - timedelta(milliseconds=50) - datetime.now(UTC)

        def now(self):
            return super().now() + self.by

    begun_at = []
    with Night(entry("backup"), clock=(clock := Ahead())) as night:
        night.work.errors = {}
        night.work.wait_ended("backup")
        begun_at.append(clock.now())

    assert NIGHT <= begun_at[0] < NIGHT + timedelta(seconds=DEADLINE_S)


def test_tasks_that_fall_due_together_run_one_after_the_other_in_the_order_given():
    names = ["integrity-quick", "backup", "prune", "vacuum", "drill"]
    with Night(*map(entry, names)) as night:
        events = [night.work.hold(name) for name in names]
        night.pass_until(NIGHT)

        for number, event in enumerate(events, start=1):
            night.work.wait_begun(*names[:number])
            event.set()
            night.work.wait_ended(*names[:number])


def test_a_light_task_does_not_wait_for_a_heavy_one():
    with Night(entry("backup"), entry("checkpoint", is_light=True), now=NIGHT - timedelta(minutes=1)) as night:
        night.work.hold("backup")
        night.pass_until(NIGHT)

        with night.work.changed:
            assert night.work.changed.wait_for(lambda: len(night.work.begun) == 2, DEADLINE_S)
            assert night.work.changed.wait_for(lambda: night.work.ended == ["checkpoint"], DEADLINE_S)


def test_a_slot_that_comes_during_a_run_of_its_task_follows_and_never_overlaps():
    with Night(entry("backup", "30 2,3 * * *")) as night:
        first = night.work.hold("backup")
        night.pass_until(NIGHT)
        night.work.wait_begun("backup")

        night.pass_until(NIGHT + timedelta(minutes=90))
        assert night.work.begun == ["backup"]
        first.set()

        night.work.wait_ended("backup", "backup")


def test_what_a_run_raises_ends_neither_the_others_nor_the_next_night():
    with capture_logs() as logs, Night(entry("backup"), entry("prune")) as night:
        night.work.errors["backup"] = ValueError("broken")
        night.pass_until(NIGHT)
        night.work.wait_ended("backup", "prune")

        night.pass_until(NIGHT + DAY)
        night.work.wait_ended("backup", "prune", "backup", "prune")

    assert [line["task"] for line in logs if line["event"] == "scheduler.run_failed"] == ["backup", "backup"]


def test_a_start_looks_at_once_for_what_was_missed():
    night = Night(entry("backup"), entry("prune"))
    night.clock.advance(3 * DAY)

    with night:
        night.work.wait_ended("backup", "prune")
    assert night.marks.missed == {"backup": 2, "prune": 2}


def test_a_clock_set_forward_is_noticed_without_help_and_back_again_repeats_nothing():
    with Night(entry("backup"), look_every_s=0.01) as night:
        night.clock.set(EVENING + 3 * DAY)  # or the machine slept: the monotonic clock stood
        night.work.wait_ended("backup")

        night.clock.set(EVENING)
        night.wait_until(lambda: night.marks.marks["backup"][1] == EVENING)
        night.clock.advance(3 * DAY)
        # two when it was set forward; of the three nights that came then, the two before the one that had run
        night.wait_until(lambda: night.marks.missed["backup"] == 4)

    assert len(night.marks.runs) == 1


def test_a_slot_that_comes_after_the_clock_was_set_back_is_not_lost_behind_a_long_run():
    with Night(entry("prune", "0 4 * * *"), entry("backup")) as night:
        release = night.work.hold("backup")
        night.clock.set(NIGHT + 365 * DAY)
        night.scheduler.look()
        night.work.wait_begun("prune", "backup")  # the backup takes until after prune's slot

        night.clock.set(NIGHT)
        night.scheduler.look()
        night.pass_until(NIGHT + timedelta(hours=2))
        release.set()

        night.work.wait_ended("prune", "backup", "prune")
    assert night.marks.runs[2] == ("prune", "2026-05-05T04:00 UTC")


def test_a_task_that_is_new_at_a_start_counts_from_the_start_also_behind_a_long_run():
    night = Night(entry("backup"), entry("prune", "0 4 * * *"), now=NIGHT - DAY - timedelta(hours=1))
    night.marks.marks.pop("prune")
    night.clock.advance(DAY + timedelta(hours=2))
    with night:
        release = night.work.hold("backup")
        night.work.wait_begun("backup")
        night.pass_until(NIGHT + timedelta(hours=2))
        release.set()

        night.work.wait_ended("backup", "prune")


def test_two_steps_that_cancel_out_are_two_steps():
    with Night(entry("backup")) as night:
        for moment in (EVENING + 3 * DAY, EVENING):
            night.clock.set(moment)
            night.scheduler._watch.awake_since()

        with capture_logs() as logs:
            night.scheduler.look()

    assert [line["seconds"] for line in logs] == [3 * 86_400, -3 * 86_400]


def test_after_a_sleep_a_slot_older_than_catch_up_is_missed():
    hour = timedelta(hours=1)
    with Night(entry("backup", catch_up=hour), entry("prune", catch_up=2 * hour)) as night:
        night.clock.set(NIGHT + hour)
        night.scheduler.look()

        night.work.wait_ended("prune")
    assert night.marks.missed == {"backup": 1}


def test_while_the_process_is_stopped_slots_are_slept_through():
    hour = timedelta(hours=1)
    with Night(entry("backup", catch_up=hour), entry("prune", catch_up=2 * hour)) as night:
        night.pass_until(NIGHT + hour)  # both clocks went on, and nobody looked

        night.work.wait_ended("prune")
    assert night.marks.missed == {"backup": 1}


def test_a_slot_that_only_waited_its_turn_is_not_too_late():
    hour = timedelta(hours=1)
    with Night(entry("backup"), entry("prune", catch_up=hour)) as night:
        release = night.work.hold("backup")
        night.pass_until(NIGHT)
        night.work.wait_begun("backup")

        for minute in range(1, 300):
            night.pass_until(NIGHT + timedelta(minutes=minute))
        release.set()

        night.work.wait_ended("backup", "prune")
    assert not night.marks.missed


def test_a_slot_that_comes_while_a_look_is_made_is_not_passed_over():
    night = Night(entry("backup"), entry("drill", "0 0 1 1 *"))
    sound = night.marks.mark

    def slow(task, schedule):
        if task == "drill" and threading.current_thread() is not threading.main_thread() and night.clock.now() < NIGHT:
            night.clock.advance(NIGHT - night.clock.now())  # the backup was looked at already, and nobody looks again
        return sound(task, schedule)

    night.marks.mark = slow
    with night:
        night.work.wait_ended("backup")


def test_marks_that_cannot_be_read_are_tried_again_and_said_once():
    night = Night(entry("backup"))
    sound, failures = night.marks.mark, threading.Semaphore(0)

    def broken(_task, _schedule):
        failures.release()
        raise OSError("the disk is away")

    night.marks.mark = broken
    with capture_logs() as logs, night:
        for _ in range(3):
            assert failures.acquire(timeout=DEADLINE_S)
            night.pass_until(night.clock.now() + timedelta(seconds=5))
        night.marks.mark = sound
        night.pass_until(NIGHT)

        night.wait_until(lambda: night.work.ended)
    assert [line["event"] for line in logs].count("scheduler.look_failed") == 1


def test_a_stop_ends_waiting_at_once_and_nothing_runs_after_it():
    night = Night(entry("backup"))
    with night:
        pass
    begun = time.monotonic()

    again = Night(entry("backup"))
    again.scheduler.start()
    assert again.scheduler.stop(DEADLINE_S)
    again.clock.advance(3 * DAY)

    assert time.monotonic() - begun < 1
    assert again.work.begun == []


def test_a_stop_waits_for_the_run_at_work_and_starts_no_other():
    night = Night(entry("backup"), entry("prune"))
    night.scheduler.start()
    release = night.work.hold("backup")
    night.pass_until(NIGHT)
    night.work.wait_begun("backup")

    assert not night.scheduler.stop(0.02)
    release.set()
    night.work.wait_ended("backup")

    assert night.scheduler.stop(DEADLINE_S)
    assert night.work.begun == ["backup"]


def test_a_scheduler_that_was_never_started_can_be_stopped():
    assert Night(entry("backup")).scheduler.stop(1)


def test_next_run_says_when_a_task_begins():
    night = Night(entry("backup"), entry("checkpoint", is_light=True))

    assert night.scheduler.next_run("backup").starts == NIGHT
    assert night.scheduler.next_run("checkpoint").starts == EVENING + timedelta(minutes=5)
    assert night.scheduler.next_run("drill") is None


@pytest.mark.parametrize("names", [[], ["backup"]])
def test_a_scheduler_may_have_few_tasks_or_none(names):
    with Night(*map(entry, names)) as night:
        night.pass_until(NIGHT)
        night.work.wait_ended(*names)
