"""Every zone's rules, against clocks that are looked at minute by minute."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest

from hyperjobs.cron.expression import parse_schedule
from support.zones import DAY, MINUTE, PERIODS, changes, classes, first_seen, local, matching

HALF_HOURS = "0,30 0-23 * * *"
EVERY_HALF_HOUR = "*/30 * * * *"
AROUND = 30 * 60 * MINUTE  # a day and more on both sides of a change: a whole day was left out once
SLICES = 25
QUIET = timedelta(hours=6)


def nominal(schedule, at):
    return f"{at.isoformat(timespec='minutes')} {schedule.zone}"


def test_there_are_as_many_classes_of_rules_as_tzdata_has():
    assert 100 <= len(classes()) <= len(available_timezones())
    assert {local(at, ZoneInfo("Pacific/Apia")) for at, _ in changes("Pacific/Apia")} >= {
        datetime.fromisoformat("2011-12-31")
    }


@pytest.mark.parametrize("part", range(8))
def test_around_each_change_of_each_class_of_rules_each_half_hour_is_due_exactly_once(part):
    for name in classes()[part::8]:
        fixed, tz = parse_schedule(HALF_HOURS, name), ZoneInfo(name)
        for change, _ in changes(name)[part % 3 :: 3]:
            start, end = change - AROUND, change + AROUND

            slots = list(fixed.between(start - MINUTE, end - MINUTE))

            assert [(slot.nominal, slot.at) for slot in slots] == [
                (nominal(fixed, at), instant) for at, instant in first_seen(tz, start, end)
            ], (name, change)


@pytest.mark.parametrize("part", range(8))
def test_around_each_change_of_each_class_of_rules_an_interval_is_due_whenever_the_clocks_match(part):
    for name in classes()[part::8]:
        interval, tz = parse_schedule(EVERY_HALF_HOUR, name), ZoneInfo(name)
        for change, _ in changes(name)[(part + 1) % 3 :: 3]:
            start, end = change - AROUND, change + AROUND

            slots = list(interval.between(start - MINUTE, end - MINUTE))

            assert [slot.at for slot in slots] == matching(tz, start, end), (name, change)
            assert len({slot.nominal for slot in slots}) == len(slots), (name, change)


@pytest.mark.parametrize("text", [HALF_HOURS, EVERY_HALF_HOUR])
def test_backwards_and_in_numbers_a_schedule_says_the_same_as_forwards(text):
    for name in classes()[::8]:
        schedule = parse_schedule(text, name)
        for change, _ in changes(name)[::5]:
            for start, end in ((change - 9 * DAY, change + 8 * DAY), (change - AROUND, change), (change, change + DAY)):
                slots = list(schedule.between(start, end))

                backwards = []
                for slot in schedule.before(end):
                    if slot.at <= start:
                        break
                    backwards.append(slot)

                assert backwards[::-1] == slots, (name, change)
                assert schedule.count(start, end) == len(slots), (name, change)


def quiet_and_other_days(tz, first, last):
    """Days with the offset of all that is near, and ``None`` in its place where clocks change."""
    start = datetime.combine(first, time(), UTC) - 2 * DAY
    samples = [(start + number * QUIET).astimezone(tz).utcoffset() for number in range(4 * ((last - first).days + 5))]
    for number in range((last - first).days):
        near = set(samples[4 * number : 4 * number + 17])
        yield first + number * DAY, near.pop() if len(near) == 1 else None


@pytest.mark.long
@pytest.mark.parametrize("part", range(SLICES))
def test_in_every_zone_each_half_hour_of_eleven_years_is_due_exactly_once(part):
    delays = [number * 30 * MINUTE for number in range(48)]
    for name in sorted(available_timezones())[part::SLICES]:
        fixed, tz = parse_schedule(HALF_HOURS, name), ZoneInfo(name)
        endings = [f"T{number // 2:02}:{number % 2 * 30:02} {name}" for number in range(48)]
        for first, last in PERIODS:
            previous = datetime(first - 1, 12, 1, tzinfo=UTC)
            loud: list[date] = []
            for day, offset in quiet_and_other_days(tz, date(first, 1, 1), date(last, 1, 1)):
                slots = list(fixed.on(day, 1))

                assert [slot.nominal for slot in slots] == [f"{day}{ending}" for ending in endings], (name, day)
                assert slots[0].at >= previous, (name, day)
                previous = slots[-1].at
                if offset is None:
                    loud.append(day)
                    assert all(early.at <= late.at for early, late in pairwise(slots)), (name, day)
                else:
                    start = datetime.combine(day, time(), UTC) - offset
                    assert [slot.at for slot in slots] == [start + delay for delay in delays], (name, day)
            check_loud_days(fixed, tz, loud)


def check_loud_days(schedule, tz, days):
    """Hold the days around changes against the minutes."""
    runs: list[list[date]] = []
    for day in days:
        if runs and day - runs[-1][-1] == DAY:
            runs[-1].append(day)
        else:
            runs.append([day])
    for run in runs:
        start = datetime.combine(run[0], time(), UTC) - DAY
        seen = dict(first_seen(tz, start, datetime.combine(run[-1], time(), UTC) + 3 * DAY))
        for day in run:
            for slot in schedule.on(day, 1):
                assert seen[datetime.fromisoformat(slot.nominal.split()[0])] == slot.at, slot
