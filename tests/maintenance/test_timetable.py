"""Which slot is due, whatever the clock does."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperjobs.cron.every import Every
from hyperjobs.cron.expression import parse_schedule
from hyperjobs.cron.window import parse_window
from hyperjobs.maintenance.plan import next_look, next_slot, upcoming
from hyperjobs.maintenance.timetable import Timetable, TimetableEntry
from support.marks import MemoryMarks

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)
AFTER = timedelta(milliseconds=1)
"""Slots of one instant come due some microseconds apart."""
START = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
"""A Monday."""


def entry_of(schedule, zone="UTC", **options):
    parsed = schedule if isinstance(schedule, Every) else parse_schedule(schedule, zone)
    return TimetableEntry(task="backup", schedule=parsed, zone=ZoneInfo(zone), **options)


class Care:
    """An agent as the timetable sees it: it looks, runs what is due, and is sometimes not there."""

    def __init__(self, *entries, now=START):
        self.entries, self.marks = entries, MemoryMarks()
        self.timetable = Timetable(self.marks)
        self.look(now)

    def look(self, now, **options):
        """The nominal slots that run now."""
        ran = []
        for entry in self.entries:
            while slot := self.timetable.due(entry, now, **options):
                self.marks.record(entry.task, slot)
                self.timetable.finish(entry, slot, now)
                ran.append(slot.nominal)
        return ran

    @property
    def missed(self):
        return self.marks.missed["backup"]


def test_a_slot_runs_once_and_not_before_its_instant():
    care = Care(entry_of("30 2 * * *"))
    at = datetime(2026, 5, 5, 2, 30, tzinfo=UTC)

    assert care.look(at - TICK) == []
    assert care.look(at) == ["2026-05-05T02:30 UTC"]
    assert care.look(at + HOUR) == []
    assert care.missed == 0


def test_the_first_start_ever_makes_up_for_nothing():
    care = Care(entry_of("30 2 * * *"), now=START)

    assert (care.marks.runs, care.missed) == ([], 0)


def test_three_days_asleep_make_one_run_and_two_missed():
    care = Care(entry_of("30 2 * * *"))

    assert care.look(START + 3 * DAY) == ["2026-05-07T02:30 UTC"]
    assert care.missed == 2


def test_a_weekly_task_survives_a_two_day_outage():
    care = Care(entry_of("0 4 * * sun"), now=START)  # away from Saturday noon to Monday noon

    assert care.look(START + 7 * DAY) == ["2026-05-10T04:00 UTC"]
    assert care.missed == 0


@pytest.mark.parametrize(("late", "ran", "missed"), [(HOUR - TICK, 1, 0), (HOUR, 0, 1)])
def test_a_slot_slept_through_runs_only_while_it_is_younger_than_catch_up(late, ran, missed):
    care = Care(entry_of("30 2 * * *", catch_up=HOUR))

    assert len(care.look(datetime(2026, 5, 5, 2, 30, tzinfo=UTC) + late)) == ran
    assert care.missed == missed
    assert care.look(START + DAY) == []
    assert care.missed == missed


@pytest.mark.parametrize(("late", "ran"), [(MINUTE - TICK, 1), (MINUTE, 0)])
def test_without_catching_up_a_slot_may_still_be_a_minute_late(late, ran):
    care = Care(entry_of("30 2 * * *", catch_up=timedelta(0)))

    assert len(care.look(datetime(2026, 5, 5, 2, 30, tzinfo=UTC) + late)) == ran


@pytest.mark.parametrize(("awake_since", "ran"), [(timedelta(0), 1), (TICK, 0)])
def test_a_slot_that_only_waited_for_other_work_is_not_too_late(awake_since, ran):
    care = Care(entry_of("30 2 * * *", catch_up=MINUTE))
    at = datetime(2026, 5, 5, 2, 30, tzinfo=UTC)

    assert len(care.look(at + 5 * HOUR, awake_since=at + awake_since)) == ran


def test_a_slot_whose_run_was_never_recorded_comes_again():
    care = Care(entry := entry_of("30 2 * * *"))
    now = START + DAY

    slot = care.timetable.due(entry, now)  # and the agent dies here

    assert Timetable(care.marks).due(entry, now + HOUR) == slot


def test_a_slot_whose_run_was_cut_short_does_not_come_again():
    care = Care(entry := entry_of("30 2 * * *"))
    slot = care.timetable.due(entry, START + DAY)

    care.marks.record("backup", slot)  # and the agent dies here

    assert care.look(START + DAY + HOUR) == []
    assert care.missed == 0


def test_a_slot_whose_run_failed_before_it_was_recorded_does_not_come_again_and_again():
    care = Care(entry := entry_of("30 2 * * *"))

    slot = care.timetable.due(entry, START + DAY)
    care.timetable.finish(entry, slot, START + DAY)

    assert care.look(START + DAY) == []


def test_a_slot_that_came_due_during_a_run_follows_it():
    care = Care(entry := entry_of("0 13,14,15 * * *"))
    first = care.timetable.due(entry, START + HOUR)
    care.marks.record("backup", first)

    care.timetable.finish(entry, first, START + 2.5 * HOUR)

    assert care.look(START + 2.5 * HOUR) == ["2026-05-04T14:00 UTC"]
    assert care.missed == 0


def test_a_clock_set_back_does_not_repeat_what_ran():
    care = Care(entry_of("30 2 * * *"))
    at = datetime(2026, 5, 5, 2, 30, tzinfo=UTC)
    care.look(at)

    care.look(at - HOUR)

    assert care.look(at + HOUR) == []
    assert care.look(at + DAY) == ["2026-05-06T02:30 UTC"]
    assert care.missed == 0


def test_a_clock_set_back_by_a_year_runs_each_night_from_there_on():
    care = Care(entry_of("30 2 * * *"))

    assert care.look(START - 365 * DAY) == []

    assert care.look(START - 364 * DAY) == ["2025-05-05T02:30 UTC"]
    assert care.missed == 0


@pytest.mark.parametrize("days", [1, 365])
def test_a_clock_set_forward_runs_a_task_once_and_when_it_comes_back_nothing_is_lost(days):
    care = Care(entry_of("30 2 * * *"))

    assert len(care.look(START + days * DAY)) == 1
    assert care.missed == days - 1

    care.look(START + HOUR)
    tomorrow = care.look(START + DAY)
    assert tomorrow == ([] if days == 1 else ["2026-05-05T02:30 UTC"])  # that one ran while the clock was ahead
    assert care.look(START + 2 * DAY) == ["2026-05-06T02:30 UTC"]


def test_a_clock_set_back_during_a_run_leaves_no_mark_in_the_future():
    care = Care(entry := entry_of("30 2 * * *"))
    slot = care.timetable.due(entry, START + 365 * DAY)
    care.marks.record("backup", slot)

    care.timetable.finish(entry, slot, START)

    assert care.look(START + DAY) == ["2026-05-05T02:30 UTC"]


def test_several_slots_in_one_gap_all_run_after_it():
    care = Care(entry_of("0,30 2,3 * * *", "Europe/Berlin"), now=datetime(2026, 3, 28, 12, tzinfo=UTC))

    assert care.look(datetime(2026, 3, 29, 1, 0, 1, tzinfo=UTC)) == [
        "2026-03-29T02:00 Europe/Berlin",
        "2026-03-29T02:30 Europe/Berlin",
        "2026-03-29T03:00 Europe/Berlin",
    ]
    assert care.missed == 0


def test_of_a_day_that_was_left_out_the_slot_runs_at_once_after_it():
    care = Care(entry_of("30 2 * * *", "Pacific/Apia"), now=datetime(2011, 12, 30, 9, tzinfo=UTC))

    assert care.look(datetime(2011, 12, 30, 10, tzinfo=UTC)) == ["2011-12-30T02:30 Pacific/Apia"]
    assert care.look(datetime(2011, 12, 30, 12, 30, tzinfo=UTC)) == ["2011-12-31T02:30 Pacific/Apia"]


def test_another_schedule_begins_anew():
    # a weekly task on Sundays is moved to Wednesdays on a Friday: it waits for the next Wednesday
    care = Care(entry_of("0 3 * * sun"), now=START)
    friday = START + 4 * DAY

    care.entries = (entry_of("0 3 * * wed"),)

    assert care.look(friday) == []
    assert care.look(friday + DAY) == []
    assert care.look(START + 9 * DAY) == ["2026-05-13T03:00 UTC"]
    assert care.missed == 0


class TestWindow:
    """A slot waits for its window."""

    def test_a_slot_slept_through_waits_until_the_window_opens(self):
        care = Care(entry_of("0 3 * * sun", window=parse_window("02:00-05:00")))
        sunday = datetime(2026, 5, 10, tzinfo=UTC)

        assert care.look(sunday + 10 * HOUR) == []
        assert care.missed == 0
        assert care.look(sunday + DAY + 2 * HOUR - TICK) == []
        assert care.look(sunday + DAY + 2 * HOUR) == ["2026-05-10T03:00 UTC"]
        assert care.missed == 0

    def test_a_newer_slot_takes_the_place_of_one_that_waits(self):
        care = Care(entry_of("0 13 * * *", window=parse_window("02:00-05:00")))

        assert care.look(START + 2 * HOUR) == []
        assert care.look(START + DAY + 2 * HOUR) == []
        assert care.look(START + DAY + 14 * HOUR) == ["2026-05-05T13:00 UTC"]
        assert care.missed == 1

    def test_one_that_gets_too_old_while_it_waits_is_missed(self):
        care = Care(entry_of("0 13 * * *", window=parse_window("02:00-05:00"), catch_up=HOUR))

        assert care.look(START + 90 * MINUTE) == []
        assert care.missed == 0
        assert care.look(START + 3 * HOUR) == []
        assert care.missed == 1

    def test_a_slot_in_its_window_is_planned_as_it_is_and_another_when_it_opens(self):
        inside = entry_of("0 3 * * *", window=parse_window("02:00-05:00"))
        outside = entry_of("0 13 * * *", window=parse_window("02:00-05:00"))

        assert next_slot(inside, START).starts == datetime(2026, 5, 5, 3, tzinfo=UTC)
        assert next_slot(outside, START).starts == datetime(2026, 5, 5, 2, tzinfo=UTC)

    def test_a_look_comes_when_the_window_opens_for_one_that_waits(self):
        entry = entry_of("0 3 * * sun", window=parse_window("02:00-05:00"))

        assert next_look(entry, START) == datetime(2026, 5, 5, 2, tzinfo=UTC)
        assert next_look(entry, datetime(2026, 5, 5, 2, tzinfo=UTC)) == datetime(2026, 5, 10, 3, tzinfo=UTC)


class TestJitter:
    """Each slot is late by a part of its own."""

    def test_a_slot_is_late_by_less_than_the_jitter_and_by_the_same_whenever_asked(self):
        entry = entry_of("30 2 * * *", jitter=HOUR)
        planned = [next_slot(entry, START + number * DAY) for number in range(30)]

        delays = [each.starts - each.slot.at for each in planned]

        assert all(timedelta(0) <= delay < HOUR for delay in delays)
        assert len(set(delays)) == 30
        assert delays == [next_slot(entry, each.slot.at - MINUTE).starts - each.slot.at for each in planned]

    def test_hosts_differ(self):
        one, two = (next_slot(entry_of("30 2 * * *", jitter=HOUR, seed=host), START).starts for host in "ab")

        assert one != two

    def test_a_slot_runs_when_its_delay_is_over_and_not_before(self):
        care = Care(entry := entry_of("30 2 * * *", jitter=HOUR))
        starts = next_slot(entry, START).starts

        assert care.look(starts - TICK) == []
        assert care.look(starts) == ["2026-05-05T02:30 UTC"]

    def test_what_is_planned_is_in_order_also_where_delays_cross(self):
        entry = entry_of(Every(MINUTE), jitter=10 * MINUTE)

        planned = upcoming([entry], START, 200)

        assert [each.starts for each in planned] == sorted(each.starts for each in planned)
        assert len({each.slot for each in planned}) == 200
        assert {each.slot.at for each in planned} >= {START + number * MINUTE for number in range(1, 190)}

    def test_with_delays_that_cross_each_slot_still_runs_once(self):
        care = Care(entry := entry_of(Every(MINUTE), jitter=10 * MINUTE))
        now, ran = START, []

        while len(ran) < 100:
            now = next_look(entry, now)
            ran += care.look(now)

        assert care.missed == 0
        assert len(set(ran)) == 100


def test_upcoming_is_in_order_and_what_begins_together_in_the_order_of_entries():
    entries = [
        TimetableEntry(task=name, schedule=parse_schedule(text, zone), zone=ZoneInfo(zone))
        for name, text, zone in [
            ("prune", "0 4 * * *", "Europe/Berlin"),
            ("integrity", "0 2 * * *", "UTC"),
            ("backup", "0 2 * * *", "UTC"),
        ]
    ]

    assert [each.entry.task for each in upcoming(entries, START, 1)] == ["prune", "integrity", "backup"]
    assert [each.slot.at.hour for each in upcoming(entries, START, 2)] == [2] * 6


@pytest.mark.parametrize(
    ("schedule", "per_day"), [("*/5 * * * *", 288), ("* * * * *", 1440), (Every(timedelta(seconds=1)), 86_400)]
)
def test_after_a_year_away_the_work_is_bounded_and_the_count_exact(schedule, per_day):
    care = Care(entry_of(schedule))
    begun = time.process_time()

    assert len(care.look(START + 365 * DAY)) == 1

    assert time.process_time() - begun < 0.5
    assert care.missed == 365 * per_day - 1
    assert care.marks.asked <= 1100


def test_a_clock_that_is_centuries_off_costs_no_time_and_hurts_nothing():
    care = Care(entry_of("*/5 * * * *"))
    begun = time.process_time()

    assert len(care.look(datetime(9990, 1, 1, tzinfo=UTC))) == 1
    assert care.look(datetime(9999, 12, 31, 23, 59, tzinfo=UTC)) != []
    care.look(START)

    assert time.process_time() - begun < 1
    assert care.look(START + 5 * MINUTE) == ["2026-05-04T12:05Z"]


SCHEDULES = st.sampled_from(
    [
        ("30 2 * * *", "Europe/Berlin"),
        ("0,30 1-3 * * *", "Europe/Berlin"),
        ("*/30 * * * *", "Europe/Berlin"),
        ("0 */3 * * *", "Australia/Lord_Howe"),
        ("0 4 * * sun", "UTC"),
        (Every(7 * MINUTE), "UTC"),
    ]
)
STARTS = st.sampled_from([datetime(2026, 3, 28, 20, tzinfo=UTC), datetime(2026, 10, 24, 20, tzinfo=UTC), START])
STEPS = st.one_of(
    st.integers(0, 90).map(lambda minutes: minutes * MINUTE),
    st.integers(0, 3 * 86_400).map(lambda seconds: timedelta(seconds=seconds)),
)
BACK_STEPS = st.integers(1, 2 * 86_400).map(lambda seconds: timedelta(seconds=-seconds))
HORIZON = 60 * DAY


@given(SCHEDULES, STARTS, st.lists(STEPS, min_size=1, max_size=20))
def test_while_clocks_only_go_forward_each_slot_is_run_or_missed_exactly_once(schedule, start, steps):
    care = Care(entry := entry_of(*schedule), now=start)
    now = start

    for step in steps:
        now += step
        ran = care.look(now + AFTER)
        slots = {slot.nominal: slot.at for slot in entry.schedule.between(now - 4 * DAY, now)}
        assert len({slots[name] for name in ran if name in slots}) <= 1

    assert len(care.marks.runs) + care.missed == len(list(entry.schedule.between(start, now)))


class Model:
    """What the contract says, from the list of all slots."""

    def __init__(self, entry, now):
        self.slots = list(entry.schedule.between(now - HORIZON, now + HORIZON))
        self.mark, self.ran, self.missed = now, set(), 0

    def look(self, now):
        if now < self.mark:
            self.mark = now
            return []
        open_slots = [slot for slot in self.slots if self.mark < slot.at <= now]
        if not open_slots:
            return []
        newest = open_slots[-1].at
        runs = [slot.nominal for slot in open_slots if slot.at == newest and slot.nominal not in self.ran]
        self.missed += sum(slot.at != newest and slot.nominal not in self.ran for slot in open_slots)
        self.ran |= set(runs)
        self.mark = newest
        return runs


@given(SCHEDULES, STARTS, st.lists(st.one_of(STEPS, STEPS, BACK_STEPS), min_size=1, max_size=20), st.data())
def test_whatever_the_clock_does_no_slot_runs_twice_and_none_is_lost(schedule, start, steps, data):
    entry = entry_of(*schedule)
    care, model, now = Care(entry, now=start), Model(entry, start), start

    for step in steps:
        now += step
        if data.draw(st.booleans(), label="killed before the run was recorded"):
            care.timetable.due(entry, now)
        care.timetable = Timetable(care.marks)  # and started again

        ran = care.look(now + AFTER)

        assert ran == model.look(now)
        assert care.missed == model.missed
